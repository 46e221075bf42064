// SPDX-License-Identifier: Apache-2.0
#pragma once

// HttpEngine: entries in the layout of Bazel's remote cache, so that any server for that will do: PUT and GET of
// /cas/<SHA-256 of the contents> and of /ac/<key>, which names the contents. There are no leases.

#include <string>
#include <string_view>

#include "tools/remote/curl_handle.h"
#include "tools/remote/engine.h"

namespace sinter::remote {

class HttpEngine final : public Engine {
 public:
  explicit HttpEngine(Server server) : server_(std::move(server)) {}
  Answer answer(const Request& request, const Deadline& deadline) override;

 private:
  struct Response {
    long status = 0;
    std::string body;
  };

  Result<CurlHandle> prepare(std::string_view path, const Deadline& deadline);
  /// One exchange; the body is empty unless the status is 200. Errors: kTimeout, kInternal.
  Result<Response> get(std::string_view path, std::size_t max_bytes, const Deadline& deadline);
  Result<void> put(std::string_view path, std::string_view body, const Deadline& deadline);
  Result<Answer> get_entry(const Request& request, const Deadline& deadline);
  Result<Answer> put_entry(const Request& request, const Deadline& deadline);

  const Server server_;
  CurlHandle curl_{nullptr, curl_easy_cleanup};  // Keeps its connections between exchanges.
};

}  // namespace sinter::remote
