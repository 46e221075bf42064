// SPDX-License-Identifier: Apache-2.0
#pragma once

// RemoteBreaker: stops asking a remote tier that fails, so that one that is down costs a few requests their time limit
// and the others nothing.

#include <chrono>
#include <cstdint>
#include <mutex>

#include "base/fork_safe_mutex.h"

namespace sinter {

/// Closed: everything passes. After kFailuresToOpen failures in a row it is open: nothing passes for a pause. Then one
/// call passes as a probe: its success closes the breaker, its failure opens it for twice the pause. Thread-safe; the
/// caller gives the time.
class RemoteBreaker {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr int kFailuresToOpen = 3;
  static constexpr std::chrono::seconds kFirstPause{5};
  static constexpr std::chrono::seconds kLongestPause{60};

  /// Whether to try. Who gets true must tell how it went.
  bool may_pass(Clock::time_point now);
  void succeeded();
  void failed(Clock::time_point now);
  void not_tried();  ///< What passed was not done after all, for a reason that says nothing of the remote tier.

  bool is_open() const;

 private:
  mutable ForkSafeMutex mutex_;  // Guards what follows.
  int failures_ = 0;             // In a row.
  bool is_probing_ = false;
  std::chrono::seconds pause_ = kFirstPause;
  Clock::time_point open_until_{};
};

}  // namespace sinter
