// SPDX-License-Identifier: Apache-2.0
#pragma once

// WorkerLog: one line for each time that a compiler was asked for a kernel, by every process that names the same file.
// For counting compiles and finding slow ones.

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace sinter {

struct WorkerLogRecord {
  std::string key = {};      ///< The cache key, in hex.
  std::string spec = {};
  std::string backend = {};
  double milliseconds = 0;
  std::string outcome = {};  ///< attempt_outcome_name(), or "rejected": compiled, but the code failed its checks.
  std::size_t code_bytes = 0;
};

/// Thread-safe.
class WorkerLog {
 public:
  /// `path`: empty for no log. `on_problem` gets one sentence, once, if a line could not be written.
  WorkerLog(std::string path, std::function<void(std::string)> on_problem);

  /// Appends the record with the time and this process's id as one line of JSON, by one write(2) in append mode, so
  /// that lines of many processes do not mix. The file is opened for each line: it may be moved away at any time.
  void write(const WorkerLogRecord& record);

 private:
  const std::string path_;
  const std::function<void(std::string)> on_problem_;
  std::atomic<bool> has_complained_{false};
};

}  // namespace sinter
