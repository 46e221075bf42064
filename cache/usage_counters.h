// SPDX-License-Identifier: Apache-2.0
#pragma once

// UsageCounters: what one process asked of its cache and got, counted in memory at the cost of an atomic addition.
// UsageLog (cache/usage_log.h) adds it to the database's tables now and then, for tools.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/fork_safe_mutex.h"
#include "cache/cache_key.h"

namespace sinter {

enum class UsageEvent : std::uint8_t {
  kMemoryHit,
  kLocalHit,
  kBundleHit,
  kRemoteHit,
  kMiss,   ///< No layer could answer, for whatever reason.
  kStore,  ///< A code object reached the local database.
};
inline constexpr std::size_t kUsageEvents = 6;
/// As in the table of counters: "hit memory", "hit local", "hit bundle", "hit remote", "miss", "store".
std::string_view usage_event_name(UsageEvent event);

/// Causes of a miss that are known when it happens. Every other cause is found by comparing with what is stored, and is
/// named after the first key field that differs.
inline constexpr std::string_view kCauseDamaged = "damaged", kCauseUntrusted = "untrusted", kCauseStorage = "storage";

/// A lookup that found nothing, to be explained later.
struct NotedMiss {
  CacheKey key;
  std::string cause;  ///< Empty: not known yet.
};

/// Thread-safe; also in a child of fork.
class UsageCounters {
 public:
  void count(UsageEvent event) { values_[index(event)].fetch_add(1, std::memory_order_relaxed); }
  /// Since construction.
  std::int64_t value(UsageEvent event) const { return values_[index(event)].load(std::memory_order_relaxed); }

  /// An entry was read from the local database.
  void note_load(const Digest& key);
  /// The reason for which the next miss of `key` is one.
  void note_cause(const Digest& key, std::string_view cause);
  /// Counts a miss. Beyond kMaxNoted it is not remembered which key it was, and its cause stays unknown.
  void note_miss(const CacheKey& key);

  /// What was noted since the last call.
  struct Noted {
    std::map<Digest, std::int64_t> loads;
    std::vector<NotedMiss> misses;
  };
  Noted take_noted();

  static constexpr std::size_t kMaxNoted = 1024;

 private:
  static constexpr std::size_t index(UsageEvent event) { return static_cast<std::size_t>(event); }

  std::array<std::atomic<std::int64_t>, kUsageEvents> values_{};
  ForkSafeMutex mutex_;  // Guards what follows; held for moments.
  std::map<Digest, std::int64_t> loads_;
  std::map<Digest, std::string> causes_;
  std::vector<NotedMiss> misses_;
};

}  // namespace sinter
