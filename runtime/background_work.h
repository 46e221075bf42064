// SPDX-License-Identifier: Apache-2.0
#pragma once

// BackgroundWork: jobs that nobody waits for, done by threads that exist only while there are jobs.

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "base/fork_safe_condition.h"
#include "base/lingering_thread.h"

namespace sinter {

/// Thread-safe. In a child of fork every call does nothing: the threads stayed with the parent.
class BackgroundWork {
 public:
  using Job = std::function<void()>;

  explicit BackgroundWork(std::size_t max_threads);
  /// Drops the jobs that wait and waits for those that run.
  ~BackgroundWork();
  BackgroundWork(const BackgroundWork&) = delete;
  BackgroundWork& operator=(const BackgroundWork&) = delete;

  /// False if no thread is to be had: then the job was not taken.
  bool add(Job job);
  /// Jobs that wait or run.
  std::size_t pending() const;
  /// Waits until there are none, `longest` at most. True if there are none.
  bool wait(std::chrono::milliseconds longest) const;

 private:
  bool ensure_thread();  // REQUIRES: mutex_ is held.
  void loop(LingeringThread& thread);
  bool is_inherited() const { return threads_.front().is_inherited(); }

  mutable std::mutex mutex_;  // Guards what follows; held for moments.
  ForkSafeCondition changed_;
  std::deque<Job> jobs_;
  bool stop_ = false;
  std::size_t running_ = 0;
  std::size_t alive_ = 0;  // Threads that still take jobs.
  std::vector<LingeringThread> threads_;
};

}  // namespace sinter
