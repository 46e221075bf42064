// SPDX-License-Identifier: Apache-2.0
#pragma once

// Trace: which kernels this process asked for, one line of JSON each, so that `sinter prebuild` can build them before
// the next start. docs/prebuild.md has the fields.

#include <atomic>
#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/fork_safe_mutex.h"
#include "codegen/kernel_spec.h"

namespace sinter {

/// One request and what became of it. The references must outlive the call that takes it.
struct TraceRecord {
  const KernelRequest& request;
  std::string_view arch;            ///< Of the device, canonical.
  std::string_view device;          ///< DeviceCaps::name.
  std::string_view driver_version;  ///< Empty: unknown.
  std::string_view spec = {};       ///< Of the kernel it got; empty if it got none.
  std::string_view outcome = "ok";  ///< Or error_code_name().
  std::string_view layer = {};      ///< code_origin_name(), or "live": a kernel that another request had made.
  double milliseconds = 0;
};

/// Thread-safe, and safe to use in a forked child.
class Trace {
 public:
  /// `path`: empty for no trace. `on_problem` gets one sentence, once, if a line could not be written.
  Trace(std::string path, std::function<void(std::string)> on_problem);

  bool is_on() const { return !path_.empty(); }

  /// Appends a line, if this process has not asked device number `device` for this before, or not with this outcome. A
  /// request that goes on failing is told once, and so is one that is found anew.
  void write(int device, const TraceRecord& record);

  /// Requests that are remembered as told; what comes later may be told more than once.
  static constexpr std::size_t kMaxTold = 65'536;

 private:
  bool is_first(int device, const TraceRecord& record);

  const std::string path_;
  const std::function<void(std::string)> on_problem_;
  std::atomic<bool> has_complained_{false};
  ForkSafeMutex mutex_;                         // guards told_
  std::set<std::pair<int, std::string>> told_;  // device number; the request's bytes and the outcome
};

}  // namespace sinter
