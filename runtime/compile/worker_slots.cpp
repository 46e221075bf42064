// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/worker_slots.h"

#include <algorithm>
#include <utility>

namespace sinter {

bool WorkerSlots::may_enter(Company company) const {
  if (has_lone_) {
    return false;
  }
  return company == Company::kAlone ? busy_ == 0 : busy_ < places_ && waiting_alone_ == 0;
}

std::unique_ptr<WorkerProcess> WorkerSlots::enter(const std::string& kind, Company company, const CompileWatch& watch) {
  Workers leaving;  // declared before the lock: ended after it is released
  std::unique_lock lock(mutex_);
  waiting_alone_ += company == Company::kAlone ? 1 : 0;
  while (!changed_.wait_for(lock, kProgressInterval, [&] { return may_enter(company); }) && !watch.is_stopped()) {
    lock.unlock();
    watch.tell_progress();
    lock.lock();
  }
  waiting_alone_ -= company == Company::kAlone ? 1 : 0;
  has_lone_ = company == Company::kAlone;
  ++busy_;
  std::unique_ptr<WorkerProcess> worker = company == Company::kShared ? take_idle(kind, leaving) : nullptr;
  retire(leaving);
  return worker;
}

std::unique_ptr<WorkerProcess> WorkerSlots::borrow(const std::string& kind) {
  Workers leaving;
  const std::lock_guard lock(mutex_);
  return take_idle(kind, leaving);
}

void WorkerSlots::dismiss(const std::string& kind) {
  Workers leaving;
  const std::lock_guard lock(mutex_);
  for (Idle& idle : idle_) {
    if (idle.kind == kind) {
      leaving.push_back(std::move(idle.worker));
    }
  }
  std::erase_if(idle_, [](const Idle& idle) { return idle.worker == nullptr; });
}

void WorkerSlots::keep(const std::string& kind, std::unique_ptr<WorkerProcess> worker) {
  Workers leaving;
  const std::lock_guard lock(mutex_);
  idle_.push_back({kind, std::move(worker), Clock::now()});
  retire(leaving);
}

void WorkerSlots::leave(const std::string& kind, Company company, std::unique_ptr<WorkerProcess> worker) {
  Workers leaving;
  {
    const std::lock_guard lock(mutex_);
    --busy_;
    has_lone_ = company == Company::kAlone ? false : has_lone_;
    if (worker != nullptr && worker->state() == WorkerProcess::State::kReady) {
      idle_.push_back({kind, std::move(worker), Clock::now()});
    }
    retire(leaving);
  }
  changed_.notify_all();
}

std::unique_ptr<WorkerProcess> WorkerSlots::take_idle(const std::string& kind, Workers& leaving) {
  // The one that was busy last has the warmest caches.
  for (auto it = idle_.end(); it != idle_.begin();) {
    --it;
    if (it->kind != kind) {
      continue;
    }
    std::unique_ptr<WorkerProcess> worker = std::move(it->worker);
    it = idle_.erase(it);
    if (worker->is_usable()) {
      return worker;
    }
    leaving.push_back(std::move(worker));
  }
  return nullptr;
}

void WorkerSlots::retire(Workers& leaving) {
  const auto deadline = Clock::now() - idle_limit_;
  const auto crowded = [&] { return busy_ + static_cast<std::int64_t>(idle_.size()) > std::max(places_, busy_); };
  while (!idle_.empty() && (crowded() || idle_.front().since < deadline)) {
    leaving.push_back(std::move(idle_.front().worker));
    idle_.erase(idle_.begin());
  }
}

}  // namespace sinter
