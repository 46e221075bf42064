// SPDX-License-Identifier: Apache-2.0
#include "cache/usage_counters.h"

#include <mutex>
#include <utility>

namespace sinter {

std::string_view usage_event_name(UsageEvent event) {
  switch (event) {
    case UsageEvent::kMemoryHit: return "hit memory";
    case UsageEvent::kLocalHit: return "hit local";
    case UsageEvent::kBundleHit: return "hit bundle";
    case UsageEvent::kRemoteHit: return "hit remote";
    case UsageEvent::kMiss: return "miss";
    case UsageEvent::kStore: return "store";
  }
  return "?";
}

void UsageCounters::note_load(const Digest& key) {
  std::lock_guard lock(mutex_);
  if (const auto it = loads_.find(key); it != loads_.end()) {
    ++it->second;
  } else if (loads_.size() < kMaxNoted) {
    loads_.emplace(key, 1);
  }
}

void UsageCounters::note_cause(const Digest& key, std::string_view cause) {
  std::lock_guard lock(mutex_);
  if (causes_.size() < kMaxNoted) {
    causes_.insert_or_assign(key, std::string(cause));
  }
}

void UsageCounters::note_miss(const CacheKey& key) {
  count(UsageEvent::kMiss);
  std::lock_guard lock(mutex_);
  if (misses_.size() >= kMaxNoted) {
    return;
  }
  auto known = causes_.extract(key.digest);
  misses_.push_back({key, known.empty() ? std::string() : std::move(known.mapped())});
}

UsageCounters::Noted UsageCounters::take_noted() {
  std::lock_guard lock(mutex_);
  return {std::exchange(loads_, {}), std::exchange(misses_, {})};
}

}  // namespace sinter
