// SPDX-License-Identifier: Apache-2.0
#include "cache/remote_breaker.h"

#include <algorithm>

namespace sinter {

bool RemoteBreaker::may_pass(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (failures_ < kFailuresToOpen) {
    return true;
  }
  if (is_probing_ || now < open_until_) {
    return false;
  }
  is_probing_ = true;
  return true;
}

void RemoteBreaker::succeeded() {
  const std::lock_guard lock(mutex_);
  failures_ = 0;
  is_probing_ = false;
  pause_ = kFirstPause;
}

void RemoteBreaker::failed(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (failures_ < kFailuresToOpen && ++failures_ < kFailuresToOpen) {
    return;
  }
  // A call that had passed before the breaker opened fails beside the probe: it changes nothing.
  if (is_probing_ || now >= open_until_) {
    open_until_ = now + pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
  }
  is_probing_ = false;
}

void RemoteBreaker::not_tried() {
  const std::lock_guard lock(mutex_);
  is_probing_ = false;
}

bool RemoteBreaker::is_open() const {
  const std::lock_guard lock(mutex_);
  return failures_ >= kFailuresToOpen;
}

}  // namespace sinter
