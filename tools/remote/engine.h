// SPDX-License-Identifier: Apache-2.0
#pragma once

// Engine: one kind of server that can hold entries. A new one is a class here and a scheme in engine.cpp.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/remote_protocol.h"
#include "base/result.h"

namespace sinter::remote {

/// When an answer is due.
class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds limit) : end_(Clock::now() + limit) {}
  /// Rounded up, and 0 once it is over.
  int left_ms() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now()).count();
    return static_cast<int>(std::max<decltype(left)>(left, 0));
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point end_;
};

/// A URL taken apart, with everything decoded.
struct Server {
  std::string scheme, user, password;
  std::string host;  ///< An IPv6 address in brackets.
  std::string port;  ///< Empty: the scheme's.
  std::string path;  ///< From the first '/' on; may be empty.
  std::string ca_file, ca_directory;
};

/// One connection to a server, made when first needed and again when it was lost. One thread.
class Engine {
 public:
  virtual ~Engine() = default;
  /// Never throws but for want of memory. The answer's error may hold what the server said, word for word.
  virtual Answer answer(const Request& request, const Deadline& deadline) = 0;
};

/// Errors: kInvalidRequest for a URL that is none, or of a scheme without an engine. Never repeats the URL.
Result<Server> parse_server(const Configure& configure);
/// "redis" or "http".
std::string engine_name(const Server& server);
std::unique_ptr<Engine> make_engine(const Server& server);

inline Answer failed(std::string why) { return {Status::kFailed, LeaseState::kNone, std::move(why), {}}; }

}  // namespace sinter::remote
