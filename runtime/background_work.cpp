// SPDX-License-Identifier: Apache-2.0
#include "runtime/background_work.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace sinter {

namespace {

/// Without a job for this long a thread ends.
constexpr std::chrono::seconds kLinger{2};

}  // namespace

BackgroundWork::BackgroundWork(std::size_t max_threads) : threads_(std::max<std::size_t>(max_threads, 1)) {}

BackgroundWork::~BackgroundWork() {
  if (is_inherited()) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    jobs_.clear();
  }
  changed_->notify_all();
  for (LingeringThread& thread : threads_) {
    thread.join();
  }
}

bool BackgroundWork::add(Job job) {
  if (is_inherited()) {
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
  if (is_inherited()) {
    return 0;
  }
  const std::lock_guard lock(mutex_);
  return jobs_.size() + running_;
}

bool BackgroundWork::wait(std::chrono::milliseconds longest) const {
  if (is_inherited()) {
    return true;
  }
  std::unique_lock lock(mutex_);
  return changed_->wait_for(lock, longest, [this] { return jobs_.empty() && running_ == 0; });
}

// A job that waits for a thread that is busy is as good as one that waits for a thread that is new.
bool BackgroundWork::ensure_thread() {
  if (alive_ > running_ + jobs_.size() || alive_ == threads_.size()) {
    return true;
  }
  LingeringThread& thread = *std::ranges::find(threads_, false, &LingeringThread::is_running);
  if (!thread.start([this, &thread] { loop(thread); })) {
    return alive_ > 0;
  }
  ++alive_;
  return true;
}

void BackgroundWork::loop(LingeringThread& thread) {
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
  thread.leave();
}

}  // namespace sinter
