// SPDX-License-Identifier: Apache-2.0
#pragma once

// KernelHandle: what a caller of the runtime holds. It leads to one kernel for ever, or first to a stand-in and, from
// the moment that the host declares safe, to the kernel that was asked for.

#include <atomic>

namespace sinter {

class Kernel;

/// Thread-safe. Lives as long as its runtime.
class KernelHandle {
 public:
  /// A handle whose kernel never changes.
  explicit KernelHandle(const Kernel* kernel) : current_(kernel) {}
  KernelHandle(const KernelHandle&) = delete;
  KernelHandle& operator=(const KernelHandle&) = delete;

  const Kernel& kernel() const { return *current_.load(std::memory_order_acquire); }
  bool is_standing_in() const { return is_standing_in_.load(std::memory_order_acquire); }

  /// Before anybody has the handle: its kernel is a stand-in.
  void set_standing_in() { is_standing_in_.store(true, std::memory_order_release); }
  /// The one change of its life. Launches that run beside it use one kernel or the other.
  void swap_to(const Kernel* kernel) {
    current_.store(kernel, std::memory_order_release);
    is_standing_in_.store(false, std::memory_order_release);
  }

 private:
  std::atomic<const Kernel*> current_;
  std::atomic<bool> is_standing_in_{false};
};

}  // namespace sinter
