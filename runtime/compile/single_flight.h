// SPDX-License-Identifier: Apache-2.0
#pragma once

// SingleFlight: one build per key in this process, however many threads ask. Waiters share the outcome, failures too; a
// failure is remembered for a while so that a hot loop does not compile a broken kernel again and again.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/digest.h"
#include "base/result.h"
#include "codegen/code_object.h"

namespace sinter {

/// Thread-safe. No lock is held while building.
class SingleFlight {
 public:
  using Outcome = Result<std::shared_ptr<const CodeObject>>;
  using Clock = std::chrono::steady_clock;

  explicit SingleFlight(Clock::duration remember_failures = std::chrono::seconds(30)) : remember_failures_(remember_failures) {}

  /// The outcome of `build` for `key`: this thread's, another's that was under way, or a recent failure's.
  Outcome run(const Digest& key, const std::function<Outcome()>& build);

  /// Forgets the failures, so that the next request tries again.
  void forget_failures();

 private:
  struct Flight {
    std::mutex mutex;
    std::condition_variable landed;
    std::optional<Outcome> outcome;  // guarded by mutex
  };
  struct Failure {
    Error error;
    Clock::time_point until;
  };

  const Clock::duration remember_failures_;
  std::mutex mutex_;  // guards the maps; never held while building or waiting
  std::map<Digest, std::shared_ptr<Flight>> flights_;
  std::map<Digest, Failure> failures_;
};

}  // namespace sinter
