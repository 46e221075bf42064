// SPDX-License-Identifier: Apache-2.0
#pragma once

// StandIn: a handle that leads to a resident kernel until the one that was asked for is built, and who builds that one.

#include <atomic>
#include <chrono>

#include "runtime/kernel_handle.h"

namespace sinter {

/// Thread-safe; takes no lock and allocates nothing. Lives as long as its runtime. In a child of fork the builders of the
/// parent do not count.
class StandIn {
 public:
  explicit StandIn(const Kernel* resident) : handle_(resident, this) {}

  const KernelHandle* handle() const { return &handle_; }
  /// The kernel that was asked for; null until it is built.
  const Kernel* own() const { return own_.load(std::memory_order_acquire); }

  /// Makes the caller the one who sees to the build. False if it is done, if somebody in this process sees to it, or if
  /// it failed a short time ago: a second at first, and each time twice as long, up to four minutes.
  bool begin_build();
  /// By whoever began it and could not start it, or whose build failed: somebody else may begin.
  void give_up_build() { builder_.store(0, std::memory_order_release); }
  void fail_build();
  /// By anybody who has the kernel. False if it was there already.
  bool finish_build(const Kernel* own);
  /// What made it fail may be gone.
  void retry_at_once() { not_before_.store({}, std::memory_order_release); }

  /// From now on the handle leads to the kernel that was asked for. REQUIRES: it is built.
  void swap() { handle_.swap_to(own()); }

 private:
  using Clock = std::chrono::steady_clock;

  KernelHandle handle_;
  std::atomic<const Kernel*> own_{nullptr};
  std::atomic<int> builder_{0};  // Its process; 0: nobody.
  std::atomic<int> failures_{0};
  std::atomic<Clock::time_point> not_before_{Clock::time_point()};
};

}  // namespace sinter
