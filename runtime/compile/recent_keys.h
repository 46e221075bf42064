// SPDX-License-Identifier: Apache-2.0
#pragma once

// RecentKeys: keys that something was found out about a moment ago.

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>

#include "base/digest.h"
#include "base/fork_safe_mutex.h"

namespace sinter {

/// Thread-safe. Bounded: a set that is full forgets everything, which costs no more than finding it out again.
class RecentKeys {
 public:
  static constexpr std::size_t kMost = 4096;

  explicit RecentKeys(std::chrono::milliseconds kept_for) : kept_for_(kept_for) {}

  void add(const Digest& key) {
    const std::lock_guard lock(mutex_);
    if (until_.size() >= kMost) {
      until_.clear();
    }
    until_.insert_or_assign(key, Clock::now() + kept_for_);
  }
  bool contains(const Digest& key) {
    const std::lock_guard lock(mutex_);
    const auto it = until_.find(key);
    return it != until_.end() && Clock::now() < it->second;
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    until_.clear();
  }

 private:
  using Clock = std::chrono::steady_clock;

  const std::chrono::milliseconds kept_for_;
  ForkSafeMutex mutex_;  // guards until_
  std::map<Digest, Clock::time_point> until_;
};

}  // namespace sinter
