// SPDX-License-Identifier: Apache-2.0
#include "runtime/background_work.h"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <system_error>
#include <utility>

#include "base/blocked_signals.h"

namespace sinter {

namespace {

/// Without a job for this long a thread ends.
constexpr std::chrono::seconds kLinger{2};

}  // namespace

BackgroundWork::BackgroundWork(std::size_t max_threads)
    : max_threads_(std::max<std::size_t>(max_threads, 1)), process_(getpid()), threads_(max_threads_), is_free_(max_threads_, true) {}

BackgroundWork::~BackgroundWork() {
  if (process_ != getpid()) {
    for (std::thread& thread : threads_) {
      (void)new std::thread(std::move(thread));  // Not ours to join; a joinable one must not be destroyed.
    }
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    jobs_.clear();
  }
  changed_->notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) {
      thread.join();
    }
  }
}

bool BackgroundWork::add(Job job) {
  if (process_ != getpid()) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  if (!ensure_thread()) {
    return false;
  }
  jobs_.push_back(std::move(job));
  changed_->notify_all();
  return true;
}

std::size_t BackgroundWork::pending() const {
  if (process_ != getpid()) {
    return 0;
  }
  const std::lock_guard lock(mutex_);
  return jobs_.size() + running_;
}

bool BackgroundWork::wait(std::chrono::milliseconds longest) const {
  if (process_ != getpid()) {
    return true;
  }
  std::unique_lock lock(mutex_);
  return changed_->wait_for(lock, longest, [this] { return jobs_.empty() && running_ == 0; });
}

// A job that waits for a thread that is busy is as good as one that waits for a thread that is new.
bool BackgroundWork::ensure_thread() {
  if (alive_ > running_ + jobs_.size() || alive_ == max_threads_) {
    return true;
  }
  const auto slot = static_cast<std::size_t>(std::find(is_free_.begin(), is_free_.end(), true) - is_free_.begin());
  if (threads_[slot].joinable()) {
    threads_[slot].join();  // It has nothing left to do but return.
  }
  const BlockedSignals blocked;
  try {
    threads_[slot] = std::thread([this, slot] { loop(slot); });
    is_free_[slot] = false;
    ++alive_;
  } catch (const std::system_error&) {
    return alive_ > 0;
  }
  return true;
}

void BackgroundWork::loop(std::size_t slot) {
  std::unique_lock lock(mutex_);
  while (changed_->wait_for(lock, kLinger, [this] { return stop_ || !jobs_.empty(); }) && !stop_) {
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    ++running_;
    lock.unlock();
    try {
      job();
    } catch (const std::exception&) {
      // Memory has run out. Nobody waits for the job, and an exception that leaves a thread ends the host.
    }
    job = nullptr;  // What it holds goes before it counts as done.
    lock.lock();
    --running_;
    changed_->notify_all();
  }
  --alive_;
  is_free_[slot] = true;
}

}  // namespace sinter
