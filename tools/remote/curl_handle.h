// SPDX-License-Identifier: Apache-2.0
#pragma once

// A libcurl handle with what every use of it here has in common.

#include <curl/curl.h>

#include <memory>

#include "tools/remote/engine.h"

namespace sinter::remote {

using CurlHandle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

/// Null if there is no memory.
inline CurlHandle make_curl(const Server& server) {
  CurlHandle curl(curl_easy_init(), curl_easy_cleanup);
  if (curl == nullptr) {
    return curl;
  }
  // Time limits without signals, and no wait for a name server at the end of a handle.
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_QUICK_EXIT, 1L);
  // Only what SINTER_REMOTE names is spoken to: no proxy, no redirect.
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!server.ca_file.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_CAINFO, server.ca_file.c_str());
  }
  if (!server.ca_directory.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_CAPATH, server.ca_directory.c_str());
  }
  return curl;
}

}  // namespace sinter::remote
