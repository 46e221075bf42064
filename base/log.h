// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the library's messages go: to the host's callback, or through spdlog to stderr. A value that the owner of a
// runtime makes and passes down; there is no global logger.

#include <functional>
#include <memory>
#include <string_view>

namespace sinter {

enum class LogLevel : int { kDebug = 0, kInfo = 1, kWarn = 2, kError = 3, kOff = 4 };

/// Receives each message at or above the level. Called from any thread.
using LogSink = std::function<void(LogLevel, std::string_view)>;

/// Thread-safe.
class Log {
 public:
  /// Without a sink, messages go to stderr.
  explicit Log(LogLevel level, LogSink sink = {});
  ~Log();

  void debug(std::string_view message) const { write(LogLevel::kDebug, message); }
  void info(std::string_view message) const { write(LogLevel::kInfo, message); }
  void warn(std::string_view message) const { write(LogLevel::kWarn, message); }
  void error(std::string_view message) const { write(LogLevel::kError, message); }
  bool wants(LogLevel level) const { return level >= level_; }

 private:
  void write(LogLevel level, std::string_view message) const;

  struct Backend;
  LogLevel level_;
  LogSink sink_;
  std::unique_ptr<Backend> backend_;
};

}  // namespace sinter
