// SPDX-License-Identifier: Apache-2.0
#pragma once

// RedisConnection: commands and replies of one Redis connection, each with a time limit and a bound on its size. libcurl
// connects (names, addresses, TLS), hiredis writes commands and reads replies.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tools/remote/curl_handle.h"
#include "tools/remote/engine.h"
#include "tools/remote/redis_reply.h"

namespace sinter::remote {

/// One thread. After an error it is of no more use.
class RedisConnection {
 public:
  /// Connects and, for rediss, checks the server's certificate. Errors: kTimeout, kInternal.
  static Result<std::unique_ptr<RedisConnection>> open(const Server& server, const Deadline& deadline);

  /// One command, one reply. Errors: kTimeout; kInternal when the connection failed, the reply is none, or it is larger
  /// than an entry may be.
  Result<RedisReply> command(const std::vector<std::string_view>& words, const Deadline& deadline);

 private:
  explicit RedisConnection(CurlHandle curl) : curl_(std::move(curl)) {}
  Result<void> send(std::string_view bytes, const Deadline& deadline);
  Result<RedisReply> receive(const Deadline& deadline);
  Result<void> wait(short events, const Deadline& deadline) const;

  CurlHandle curl_;
  int socket_ = -1;
};

}  // namespace sinter::remote
