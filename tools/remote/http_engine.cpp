// SPDX-License-Identifier: Apache-2.0
#include "tools/remote/http_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "base/digest.h"
#include "tools/remote/action_result.h"

namespace sinter::remote {
namespace {

/// What stands under /ac is some 150 bytes of ours; others may add what they like.
constexpr std::size_t kMaxActionBytes = 64u << 10;
constexpr std::size_t kMaxHeaderBytes = 64u << 10;

/// What a server sends, up to a bound; then the transfer is ended.
struct Sink {
  std::string body;
  std::size_t max_bytes = 0;
  std::size_t header_bytes = 0;
  bool is_over = false;
};

std::size_t take_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& sink = *static_cast<Sink*>(user);
  if (size > sink.max_bytes - sink.body.size()) {
    sink.is_over = true;
    return 0;
  }
  sink.body.append(data, size);
  return size;
}

/// libcurl keeps every header: a server that sends them without end is stopped here.
std::size_t take_header(char*, std::size_t, std::size_t size, void* user) {
  auto& sink = *static_cast<Sink*>(user);
  sink.header_bytes += size;
  sink.is_over = sink.is_over || sink.header_bytes > kMaxHeaderBytes;
  return sink.is_over ? 0 : size;
}

std::size_t give_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& left = *static_cast<std::string_view*>(user);
  const std::size_t count = std::min(size, left.size());
  std::memcpy(data, left.data(), count);
  left.remove_prefix(count);
  return count;
}

Error exchange_error(CURLcode code, const Sink& sink) {
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return make_error(ErrorCode::kTimeout, "it took too long to answer");
  }
  if (sink.is_over) {
    return make_error(ErrorCode::kInternal, fmt::format("it sent more than {} bytes", sink.max_bytes));
  }
  return make_error(ErrorCode::kInternal, curl_easy_strerror(code));
}

Error status_error(std::string_view verb, std::string_view path, long status) {
  return make_error(ErrorCode::kInternal, fmt::format("{} {} gave the status {}{}", verb, path.substr(0, 12), status,
                                                      status / 100 == 3 ? ", a redirect, which is not followed" : ""));
}

}  // namespace

Answer HttpEngine::answer(const Request& request, const Deadline& deadline) {
  const auto act = [&]() -> Result<Answer> {
    switch (request.op) {
      case Op::kPing: {
        // Whatever is there or not, a server that is one says so.
        SINTER_TRY(const Response response, get("ac/" + std::string(64, '0'), kMaxActionBytes, deadline));
        return Answer{Status::kDone, LeaseState::kNone, {}, {}};
      }
      case Op::kGet: return get_entry(request, deadline);
      case Op::kPut: return put_entry(request, deadline);
      case Op::kRenew:
      case Op::kRelease: return Answer{Status::kMissing, LeaseState::kNone, {}, {}};
    }
    return failed("an operation that is not known");
  };
  auto answer = act();
  return answer ? std::move(*answer) : failed(std::move(answer).error().message);
}

Result<Answer> HttpEngine::get_entry(const Request& request, const Deadline& deadline) {
  const Answer missing{Status::kMissing, LeaseState::kNone, {}, {}};
  SINTER_TRY(const Response action, get("ac/" + request.key, kMaxActionBytes, deadline));
  if (action.status != 200) {
    return missing;
  }
  SINTER_TRY(const ContentName contents, decode_action_result(action.body));
  if (contents.size_bytes > kMaxBlobBytes) {
    return failed(fmt::format("an entry of {} bytes, above the limit of {}", contents.size_bytes, kMaxBlobBytes));
  }
  // A server may have dropped the contents before what names them.
  SINTER_TRY(const Response response, get("cas/" + contents.sha256, kMaxBlobBytes, deadline));
  if (response.status != 200) {
    return missing;
  }
  if (response.body.size() != contents.size_bytes || sha256_hex(response.body) != contents.sha256) {
    return failed("the contents are not what their SHA-256 says");
  }
  Answer answer{Status::kDone, LeaseState::kNone, {}, {}};
  const auto bytes = as_bytes(response.body);
  answer.blob.assign(bytes.begin(), bytes.end());
  return answer;
}

Result<Answer> HttpEngine::put_entry(const Request& request, const Deadline& deadline) {
  const std::string_view blob = as_text(request.blob);
  const ContentName contents{sha256_hex(blob), blob.size()};
  // The contents first: a name never points to nothing.
  SINTER_TRY_VOID(put("cas/" + contents.sha256, blob, deadline));
  SINTER_TRY_VOID(put("ac/" + request.key, encode_action_result("kernel.sinter", contents), deadline));
  return Answer{Status::kDone, LeaseState::kNone, {}, {}};
}

Result<CurlHandle> HttpEngine::prepare(std::string_view path, const Deadline& deadline) {
  CurlHandle curl = curl_ != nullptr ? std::move(curl_) : make_curl(server_);
  curl_ = CurlHandle(nullptr, curl_easy_cleanup);
  if (curl == nullptr) {
    return make_error(ErrorCode::kInternal, "there is no memory for a connection");
  }
  std::string url = fmt::format("{}://{}", server_.scheme, server_.host);
  if (!server_.port.empty()) {
    url += ":" + server_.port;
  }
  url += server_.path;
  url += url.ends_with('/') ? "" : "/";
  url += path;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  if (!server_.user.empty() || !server_.password.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    curl_easy_setopt(curl.get(), CURLOPT_USERNAME, server_.user.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_PASSWORD, server_.password.c_str());
  }
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(std::max(deadline.left_ms(), 1)));
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERFUNCTION, take_header);
  return curl;
}

Result<HttpEngine::Response> HttpEngine::get(std::string_view path, std::size_t max_bytes, const Deadline& deadline) {
  SINTER_TRY(CurlHandle curl, prepare(path, deadline));
  Sink sink;
  sink.max_bytes = max_bytes;
  curl_easy_setopt(curl.get(), CURLOPT_HTTPGET, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &sink);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERDATA, &sink);
  if (const CURLcode code = curl_easy_perform(curl.get()); code != CURLE_OK) {
    return exchange_error(code, sink);
  }
  Response response;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &response.status);
  curl_ = std::move(curl);
  if (response.status == 200) {
    response.body = std::move(sink.body);
  } else if (response.status != 404) {
    return status_error("GET", path, response.status);
  }
  return response;
}

Result<void> HttpEngine::put(std::string_view path, std::string_view body, const Deadline& deadline) {
  SINTER_TRY(CurlHandle curl, prepare(path, deadline));
  Sink sink;
  sink.max_bytes = kMaxActionBytes;  // of what a server says to it, which nobody reads
  std::string_view left = body;
  // No waiting for a "100 Continue", which some servers never send.
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(curl_slist_append(nullptr, "Expect:"),
                                                                            curl_slist_free_all);
  curl_easy_setopt(curl.get(), CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_READFUNCTION, give_body);
  curl_easy_setopt(curl.get(), CURLOPT_READDATA, &left);
  curl_easy_setopt(curl.get(), CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &sink);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERDATA, &sink);
  const CURLcode code = curl_easy_perform(curl.get());
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, nullptr);
  if (code != CURLE_OK) {
    return exchange_error(code, sink);
  }
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_ = std::move(curl);
  return status / 100 == 2 ? Result<void>() : status_error("PUT", path, status);
}

}  // namespace sinter::remote
