// SPDX-License-Identifier: Apache-2.0
#pragma once

// RedisReply: what a Redis server answers, read by hiredis from bytes as they come.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

struct redisReader;

namespace sinter::remote {

/// A reply that is not an array: Sinter asks for none.
struct RedisReply {
  enum Kind : std::uint8_t { kNil, kText, kInteger, kError };
  Kind kind = kNil;
  std::string text;  ///< Of kText and kError.
  std::int64_t integer = 0;
};

/// Reads one reply. After an error it is of no more use.
class RedisReplyReader {
 public:
  /// An entry, and the few bytes around it.
  static constexpr std::size_t kMaxBytes = (16u << 20) + 1024;

  RedisReplyReader();
  ~RedisReplyReader();
  RedisReplyReader(const RedisReplyReader&) = delete;
  RedisReplyReader& operator=(const RedisReplyReader&) = delete;

  /// The reply, once all of it has come. Errors: kInternal for what is no reply, an array, more than one reply, or more
  /// than kMaxBytes.
  Result<std::optional<RedisReply>> feed(std::string_view bytes);

 private:
  struct Functions;
  std::unique_ptr<Functions> functions_;
  redisReader* reader_;
  std::size_t fed_bytes_ = 0;
};

}  // namespace sinter::remote
