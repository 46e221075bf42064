// SPDX-License-Identifier: Apache-2.0
#pragma once

// Upkeep: what the local store owes its database but no request should wait for. A thread that exists only while there
// is something to do stamps entries that were used, folds the write-ahead log into the file, and removes what exceeds
// the limits.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "base/digest.h"
#include "cache/connection_pool.h"
#include "cache/gc.h"

namespace sinter {

/// Thread-safe. No call waits for a disk or another process. In a child of fork every call does nothing.
class Upkeep {
 public:
  /// `pool` must outlive it. `on_problem` is called from the thread, with what made it give up for a while.
  Upkeep(ConnectionPool& pool, CacheLimits limits, std::function<void(std::string)> on_problem);
  /// Waits for the step that is running, some milliseconds, and stamps what was used last.
  ~Upkeep();
  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;

  /// An entry was read. A process that reads one starts no thread for it: its stamp is written at the end.
  void note_use(const Digest& key);
  /// An entry was stored; the write-ahead log has `log_pages` pages now.
  void note_store(std::int64_t bytes, int log_pages);

 private:
  struct Work {
    std::set<Digest> used;
    bool checkpoint = false;
    bool collect = false;
    bool is_empty() const { return used.empty() && !checkpoint && !collect; }
  };

  void start_thread();  // REQUIRES: mutex_ is held.
  void loop();
  void do_work(const Work& work);
  void collect();
  Result<void> stamp(const std::set<Digest>& used, std::chrono::milliseconds longest_wait);

  ConnectionPool& pool_;
  const CacheLimits limits_;
  const std::function<void(std::string)> on_problem_;
  const int process_;  // The pid that made it.

  std::mutex mutex_;  // Guards what follows; held for moments.
  std::condition_variable changed_;
  Work work_;
  bool stop_ = false;
  bool is_running_ = false;
  bool has_stored_ = false;
  std::int64_t stores_ = 0, stored_bytes_ = 0;  // Since the limits were looked at.
  std::unique_ptr<std::thread> thread_;
};

}  // namespace sinter
