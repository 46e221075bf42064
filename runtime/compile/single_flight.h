// SPDX-License-Identifier: Apache-2.0
#pragma once

// SingleFlight: one build per key at a time in this process, however many threads ask. Waiters share the outcome,
// failures too.

#include <unistd.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/digest.h"
#include "base/fork_safe_condition.h"
#include "base/fork_safe_mutex.h"
#include "base/result.h"
#include "runtime/compile/compiled_code.h"

namespace sinter {

/// Thread-safe. No lock is held while building.
class SingleFlight {
 public:
  using Outcome = Result<CompiledCode>;

  /// The outcome of `build` for `key`: this thread's, or another's that was under way. The origin and the key that it is
  /// filed under are those of the build.
  Outcome run(const Digest& key, const std::function<Outcome()>& build);

 private:
  struct Flight {
    const pid_t process = ::getpid();  // in a forked child its thread is missing, and it never lands
    std::mutex mutex;
    ForkSafeCondition landed;
    std::optional<Outcome> outcome;  // guarded by mutex
  };

  ForkSafeMutex mutex_;  // guards flights_; never held while building or waiting
  std::map<Digest, std::shared_ptr<Flight>> flights_;
};

}  // namespace sinter
