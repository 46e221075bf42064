// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a long build tells where it is: one line that is rewritten on a terminal, a line for each kernel in a log.

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>

namespace sinter::cli {

/// "45 s", "3 min 20 s", "2 h 5 min".
std::string duration_text(double seconds);

/// Thread-safe.
class Progress {
 public:
  /// `out` is a terminal or not (isatty); it must outlive this object.
  Progress(std::FILE* out, std::size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Whether a kernel took part of the time that is being estimated.
  enum class Work { kFound, kCompiled, kFailed };

  /// One more is done. `outcome` in words: "compiled in 310 ms". What failed stays to be read.
  void done(std::string_view name, Work work, std::string_view outcome);

 private:
  std::string remaining() const;

  std::FILE* const out_;
  const std::size_t total_;
  const bool terminal_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;  // guards what follows and the terminal's line
  std::size_t count_ = 0, worked_ = 0;
};

}  // namespace sinter::cli
