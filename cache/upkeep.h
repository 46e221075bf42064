// SPDX-License-Identifier: Apache-2.0
#pragma once

// Upkeep: what the local store owes its database but no request should wait for. A thread that exists only while there
// is something to do stamps entries that were used, folds the write-ahead log into the file, removes what exceeds the
// limits, and writes down what was counted.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/digest.h"
#include "base/fork_safe_condition.h"
#include "base/lingering_thread.h"
#include "cache/connection_pool.h"
#include "cache/gc.h"
#include "cache/usage_log.h"

namespace sinter {

/// Thread-safe. No call waits for a disk or another process. In a child of fork every call does nothing.
class Upkeep {
 public:
  /// `pool` must outlive it. `usage` may be null. `on_problem` is called from the thread, with what made it give up for
  /// a while.
  Upkeep(ConnectionPool& pool, CacheLimits limits, std::shared_ptr<UsageCounters> usage,
         std::function<void(std::string)> on_problem);
  /// Waits for the step that is running, some milliseconds, stamps what was used last and writes the last counts.
  ~Upkeep();
  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;

  /// An entry was read. A process that reads one starts no thread for it: its stamp is written at the end.
  void note_use(const Digest& key);
  /// Something was counted; it is written once a minute.
  void note_count();
  /// An entry was stored; the write-ahead log has `log_pages` pages now.
  void note_store(std::int64_t bytes, int log_pages);

 private:
  using Clock = std::chrono::steady_clock;
  struct Work {
    std::set<Digest> used;
    bool checkpoint = false;
    bool collect = false;
    bool count = false;
    bool is_empty() const { return used.empty() && !checkpoint && !collect && !count; }
  };

  void wake_thread();  // REQUIRES: mutex_ is held.
  void loop();
  void do_work(const Work& work);
  void collect();
  Result<void> stamp(const std::set<Digest>& used, std::chrono::milliseconds longest_wait);

  ConnectionPool& pool_;
  const CacheLimits limits_;
  const std::function<void(std::string)> on_problem_;
  UsageLog usage_;     // Flushed by the thread, and at the end when there is none.

  std::mutex mutex_;  // Guards what follows; held for moments.
  ForkSafeCondition changed_;
  Work work_;
  bool stop_ = false;
  bool is_log_long_ = false;  // After the last store.
  Clock::time_point last_store_{};
  bool has_stored_ = false;
  std::int64_t stores_ = 0, stored_bytes_ = 0;  // Since the limits were looked at.
  LingeringThread thread_;
};

}  // namespace sinter
