// SPDX-License-Identifier: Apache-2.0
#pragma once

// UsageLog: adds what processes counted to the tables `counter` and `entry_load` of the database, so that a tool can
// say what a cache did for all of them over time. Losing some of it costs nothing but numbers: no row is checked.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "cache/connection_pool.h"
#include "cache/usage_counters.h"

namespace sinter {

/// Used by one thread at a time.
class UsageLog {
 public:
  explicit UsageLog(std::shared_ptr<UsageCounters> counters);

  /// True once a minute. Reads the clock and nothing else; from any thread.
  bool is_due() const;

  /// Adds what was counted since the last call, in one transaction; the tables are made if the database has none yet.
  /// Misses are explained by what is stored now. Does nothing, and opens nothing, if nothing was counted.
  /// Errors: kCacheError; the counts are kept for the next call, causes and loads are lost.
  Result<void> flush(ConnectionPool& pool, std::chrono::milliseconds longest_wait);

 private:
  using Clock = std::chrono::steady_clock;

  const std::shared_ptr<UsageCounters> counters_;
  std::array<std::int64_t, kUsageEvents> written_{};
  std::atomic<Clock::rep> next_;
};

}  // namespace sinter
