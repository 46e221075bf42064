// SPDX-License-Identifier: Apache-2.0
#pragma once

// ForkSafeCondition: a condition variable that a forked child may destroy. Destroying one waits until its waiters have
// gone; a fork copies the number of waiters but not their threads, so a child would wait for ever.

#include <unistd.h>

#include <condition_variable>
#include <memory>

namespace sinter {

/// Works like std::condition_variable in the process that made it. In a child of fork it may be destroyed, which leaves
/// its few bytes behind, and nothing else.
class ForkSafeCondition {
 public:
  ForkSafeCondition() = default;
  ~ForkSafeCondition() {
    if (process_ != ::getpid()) {
      (void)condition_.release();
    }
  }
  ForkSafeCondition(const ForkSafeCondition&) = delete;
  ForkSafeCondition& operator=(const ForkSafeCondition&) = delete;

  std::condition_variable* operator->() const { return condition_.get(); }

 private:
  const pid_t process_ = ::getpid();
  std::unique_ptr<std::condition_variable> condition_ = std::make_unique<std::condition_variable>();
};

}  // namespace sinter
