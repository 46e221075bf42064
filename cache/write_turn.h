// SPDX-License-Identifier: Apache-2.0
#pragma once

// WriteTurn: whose turn it is to write a database that several processes write, first come, first served. SQLite's own
// lock decides who may; but whoever waits for that tries again now and then, and loses to writers that need not wait,
// for as long as they come.

#include <chrono>
#include <string>
#include <utility>

#include "base/descriptor.h"

namespace sinter {

/// Used by one thread at a time, each with its own. Nothing depends on it but how long writers wait: without a turn, a
/// write is as right and may take longer.
///
/// The turn is a lock on the first byte of a file; waiting is one on the byte whose number is the time of arrival, so
/// that everybody can ask the kernel whether somebody else has waited longer. The kernel ends both with their owner.
/// Somebody who is stopped, or who forked while it had a turn, would hold up the rest: no wait is longer than
/// kLongestWait, and after one in vain turns are left alone for kLeaveAlone.
class WriteTurn {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kLongestWait{50};
  static constexpr std::chrono::seconds kLeaveAlone{1};

  /// The file is opened, or made, by the first take(), and stays open.
  explicit WriteTurn(std::string lock_file, std::chrono::milliseconds longest_wait = kLongestWait)
      : lock_file_(std::move(lock_file)), longest_wait_(longest_wait) {}
  ~WriteTurn() { give_back(); }
  WriteTurn(const WriteTurn&) = delete;
  WriteTurn& operator=(const WriteTurn&) = delete;

  /// Waits until it has the turn, until `deadline`, or for the longest wait.
  void take(Clock::time_point deadline);
  void give_back();
  bool is_held() const { return is_held_; }

 private:
  void wait_in_line(Clock::time_point deadline);

  const std::string lock_file_;
  const std::chrono::milliseconds longest_wait_;
  Descriptor file_;
  bool is_held_ = false;
  Clock::time_point leave_alone_until_{};
};

}  // namespace sinter
