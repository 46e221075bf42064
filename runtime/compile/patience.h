// SPDX-License-Identifier: Apache-2.0
#pragma once

// Patience: how to wait for another process that may be stopped or gone without waiting for ever.

#include <chrono>
#include <cstdint>
#include <random>

namespace sinter {

/// Waits in short sleeps, 2 ms at first and 50 ms at last, each of random length so that waiters do not move in step.
/// Time is the sum of the sleeps and never read from a clock: a clock that jumps and a waiter that was stopped itself
/// change nothing. One thread at a time.
class Patience {
 public:
  using Duration = std::chrono::microseconds;

  /// `limit`: the longest time without progress.
  explicit Patience(Duration limit);

  /// Sleeps once. `progress` is any number that changes as long as the other side goes on. False, without a sleep, once
  /// it did not change for the limit.
  bool wait(std::uint64_t progress);

  /// Slept since construction.
  Duration slept() const { return slept_; }

 private:
  const Duration limit_;
  Duration pause_;
  Duration slept_{0};
  Duration since_progress_{0};
  std::uint64_t last_progress_ = 0;
  std::minstd_rand random_;
};

}  // namespace sinter
