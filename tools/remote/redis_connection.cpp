// SPDX-License-Identifier: Apache-2.0
#include "tools/remote/redis_connection.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sinter::remote {
namespace {

Error connection_error(std::string why) { return make_error(ErrorCode::kInternal, std::move(why)); }
Error timeout(std::string_view where) {
  return make_error(ErrorCode::kTimeout, fmt::format("it took too long {}", where));
}

}  // namespace

Result<std::unique_ptr<RedisConnection>> RedisConnection::open(const Server& server, const Deadline& deadline) {
  CurlHandle curl = make_curl(server);
  if (curl == nullptr) {
    return connection_error("there is no memory for a connection");
  }
  // Only the connection is used, so that the scheme says no more than whether there is TLS.
  const std::string url = fmt::format("{}://{}:{}", server.scheme == "rediss" ? "https" : "http", server.host,
                                      server.port.empty() ? "6379" : server.port);
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_SSL_ENABLE_ALPN, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(std::max(deadline.left_ms(), 1)));
  const CURLcode code = curl_easy_perform(curl.get());
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return timeout("to connect");
  }
  if (code != CURLE_OK) {
    return connection_error(fmt::format("no connection: {}", curl_easy_strerror(code)));
  }
  curl_socket_t socket = CURL_SOCKET_BAD;
  curl_easy_getinfo(curl.get(), CURLINFO_ACTIVESOCKET, &socket);
  std::unique_ptr<RedisConnection> connection(new RedisConnection(std::move(curl)));
  connection->socket_ = socket;
  return connection;
}

Result<RedisReply> RedisConnection::command(const std::vector<std::string_view>& words, const Deadline& deadline) {
  std::vector<const char*> arguments;
  std::vector<std::size_t> sizes;
  for (const std::string_view word : words) {
    arguments.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* text = nullptr;
  const int size = redisFormatCommandArgv(&text, static_cast<int>(words.size()), arguments.data(), sizes.data());
  if (size < 0) {
    return connection_error("there is no memory for a command");
  }
  const std::unique_ptr<char, decltype(&redisFreeCommand)> owner(text, redisFreeCommand);
  SINTER_TRY_VOID(send({text, static_cast<std::size_t>(size)}, deadline));
  return receive(deadline);
}

Result<void> RedisConnection::wait(short events, const Deadline& deadline) const {
  pollfd entry{socket_, events, 0};
  const int ready = ::poll(&entry, 1, deadline.left_ms());
  if (ready == 0) {
    return timeout("to answer");
  }
  if (ready < 0 && errno != EINTR) {
    return connection_error(fmt::format("poll: {}", std::strerror(errno)));
  }
  return {};
}

Result<void> RedisConnection::send(std::string_view bytes, const Deadline& deadline) {
  while (!bytes.empty()) {
    std::size_t sent = 0;
    const CURLcode code = curl_easy_send(curl_.get(), bytes.data(), bytes.size(), &sent);
    if (code == CURLE_AGAIN) {
      SINTER_TRY_VOID(wait(POLLOUT, deadline));
    } else if (code != CURLE_OK) {
      return connection_error(fmt::format("the connection was lost: {}", curl_easy_strerror(code)));
    }
    bytes.remove_prefix(sent);
  }
  return {};
}

Result<RedisReply> RedisConnection::receive(const Deadline& deadline) {
  RedisReplyReader reader;
  std::array<char, 64 * 1024> buffer{};
  for (;;) {
    std::size_t size = 0;
    const CURLcode code = curl_easy_recv(curl_.get(), buffer.data(), buffer.size(), &size);
    if (code == CURLE_AGAIN) {
      SINTER_TRY_VOID(wait(POLLIN, deadline));
      continue;
    }
    if (code != CURLE_OK || size == 0) {
      return connection_error("the server closed the connection");
    }
    // A server that never stops sending is as late as one that sends nothing.
    if (deadline.left_ms() == 0) {
      return timeout("to answer");
    }
    SINTER_TRY(auto reply, reader.feed({buffer.data(), size}));
    if (reply) {
      return std::move(*reply);
    }
  }
}

}  // namespace sinter::remote
