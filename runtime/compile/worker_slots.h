// SPDX-License-Identifier: Apache-2.0
#pragma once

// WorkerSlots: who may compile now, and the warm workers that wait for work. The scheduling half of WorkerPool.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/compile/compiler.h"
#include "runtime/compile/node_slots.h"
#include "runtime/compile/worker_process.h"

namespace sinter {

/// A limited number of places to compile in. Thread-safe; workers are started and ended outside of the lock.
class WorkerSlots {
 public:
  WorkerSlots(std::int64_t places, std::chrono::seconds idle_limit) : places_(places), idle_limit_(idle_limit) {}

  /// Waits for a place and occupies it; one too many if the wait is stopped. Returns a warm worker of this kind, or null: the caller starts one. Who wants
  /// to be alone always starts one, and has no other compile of this process beside it.
  std::unique_ptr<WorkerProcess> enter(const std::string& kind, Company company, const CompileWatch& watch = {});

  /// A warm worker without a place to compile in, for a question that costs no compile; null if there is none.
  std::unique_ptr<WorkerProcess> borrow(const std::string& kind);

  /// Frees the place and keeps the worker warm. `worker` may be null or gone.
  void leave(const std::string& kind, Company company, std::unique_ptr<WorkerProcess> worker);

  /// The warm workers of this kind leave.
  void dismiss(const std::string& kind);

  /// Keeps a worker that was borrowed, or started beside the places.
  void keep(const std::string& kind, std::unique_ptr<WorkerProcess> worker);

 private:
  using Clock = std::chrono::steady_clock;
  using Workers = std::vector<std::unique_ptr<WorkerProcess>>;

  struct Idle {
    std::string kind;
    std::unique_ptr<WorkerProcess> worker;
    Clock::time_point since;
  };

  bool may_enter(Company company) const;
  std::unique_ptr<WorkerProcess> take_idle(const std::string& kind, Workers& leaving);
  /// Moves the workers that have waited too long, or for which there is no room, from idle_ to `leaving`.
  void retire(Workers& leaving);

  const std::int64_t places_;
  const std::chrono::seconds idle_limit_;

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::int64_t busy_ = 0;
  std::int64_t waiting_alone_ = 0;  // they go first, or a busy pool would starve them
  bool has_lone_ = false;
  std::vector<Idle> idle_;  // the longest idle first
};

}  // namespace sinter
