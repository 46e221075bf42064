// SPDX-License-Identifier: Apache-2.0
#include "tools/remote/engine.h"

#include <curl/curl.h>

#include <memory>
#include <string>

#include "tools/remote/http_engine.h"
#include "tools/remote/redis_engine.h"

namespace sinter::remote {
namespace {

Error bad_url(const char* why) { return make_error(ErrorCode::kInvalidRequest, why); }

/// A part of the URL, decoded; empty if it has none.
std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, CURLU_URLDECODE) != CURLUE_OK || text == nullptr) {
    return {};
  }
  std::string value(text);
  curl_free(text);
  return value;
}

}  // namespace

Result<Server> parse_server(const Configure& configure) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), curl_url_cleanup);
  if (url == nullptr ||
      curl_url_set(url.get(), CURLUPART_URL, configure.url.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return bad_url("SINTER_REMOTE is no URL");
  }
  Server server;
  server.scheme = part(url.get(), CURLUPART_SCHEME);
  server.user = part(url.get(), CURLUPART_USER);
  server.password = part(url.get(), CURLUPART_PASSWORD);
  server.host = part(url.get(), CURLUPART_HOST);
  server.port = part(url.get(), CURLUPART_PORT);
  server.path = part(url.get(), CURLUPART_PATH);
  server.ca_file = configure.ca_file;
  server.ca_directory = configure.ca_directory;
  if (server.host.empty()) {
    return bad_url("SINTER_REMOTE is a URL without a host");
  }
  if (engine_name(server).empty()) {
    return bad_url("SINTER_REMOTE has a scheme for which there is no engine; redis, rediss, http and https have one");
  }
  return server;
}

std::string engine_name(const Server& server) {
  if (server.scheme == "redis" || server.scheme == "rediss") {
    return "redis";
  }
  return server.scheme == "http" || server.scheme == "https" ? "http" : "";
}

std::unique_ptr<Engine> make_engine(const Server& server) {
  if (engine_name(server) == "redis") {
    return std::make_unique<RedisEngine>(server);
  }
  return std::make_unique<HttpEngine>(server);
}

}  // namespace sinter::remote
