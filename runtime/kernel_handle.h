// SPDX-License-Identifier: Apache-2.0
#pragma once

// KernelHandle: what a caller of the runtime holds. It leads to one kernel for ever, or first to a stand-in and, from
// the moment that the host declares safe, to the kernel that was asked for.

#include <atomic>

namespace sinter {

class Kernel;
class StandIn;

/// Thread-safe. Lives as long as its runtime.
class KernelHandle {
 public:
  /// A handle whose kernel never changes, or that of a stand-in.
  explicit KernelHandle(const Kernel* kernel, StandIn* stand_in = nullptr) : current_(kernel), stand_in_(stand_in) {}
  KernelHandle(const KernelHandle&) = delete;
  KernelHandle& operator=(const KernelHandle&) = delete;

  const Kernel& kernel() const { return *current_.load(std::memory_order_acquire); }
  bool is_standing_in() const { return stand_in() != nullptr; }
  /// Who knows of the kernel that was asked for; null once the handle leads there.
  StandIn* stand_in() const { return stand_in_.load(std::memory_order_acquire); }

  /// The one change of its life. Launches that run beside it use one kernel or the other.
  void swap_to(const Kernel* kernel) {
    current_.store(kernel, std::memory_order_release);
    stand_in_.store(nullptr, std::memory_order_release);
  }

 private:
  std::atomic<const Kernel*> current_;
  std::atomic<StandIn*> stand_in_;
};

}  // namespace sinter
