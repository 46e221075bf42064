// SPDX-License-Identifier: Apache-2.0
#pragma once

// GoldenCheck: before a kernel is handed out for the first time on a device, it is tried on small random data
// (golden_trial.h), and refused if it is wrong. The verdict is kept with the kernel's entry in the cache, so that it is
// found out once.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/digest.h"
#include "base/fork_safe_mutex.h"
#include "base/log.h"
#include "base/result.h"
#include "cache/golden_verdict.h"
#include "cache/kernel_cache.h"
#include "runtime/compile/single_flight.h"
#include "runtime/device/driver.h"
#include "runtime/kernel.h"

namespace sinter {

/// What a verdict holds for: a device's name and its driver.
GoldenPlace golden_place(const DeviceProperties& properties);

/// Thread-safe; no lock is held during a trial. One thread tries a kernel while the others that want it wait.
class GoldenCheck {
 public:
  /// Of the check: a verdict of another version is not believed. To be raised when the check learns to find more, or when
  /// it was wrong.
  static constexpr std::int64_t kVersion = 1;

  struct Counters {
    std::int64_t passed = 0, failed = 0;  ///< Trials that were made here.
    std::int64_t left_out = 0;            ///< Kernels that could not be tried.
  };

  /// `cache` and `log` must outlive this.
  GoldenCheck(KernelCache& cache, const Log& log) : cache_(cache), log_(log) {}

  /// Says whether the kernel may be launched on the device called `name` here: that it was right, now or when it was tried
  /// before, as a sentence. One that cannot be tried, for lack of memory above all, may be launched: that is logged.
  /// Errors: kUnsupported with what was wrong, when that was found, and the ways out.
  Result<std::string> admit(const std::string& name, const DeviceProperties& properties, Driver& driver, const Kernel& kernel,
                            const Digest& key);

  Counters counters() const { return {passed_, failed_, left_out_}; }

 private:
  using Clock = std::chrono::steady_clock;

  /// A kernel that failed here; then the database is asked again, since somebody may have told it to forget.
  struct Failed {
    GoldenVerdict verdict;
    Clock::time_point until;
  };

  /// What a trial is about. Equal ones have the same verdict.
  struct Subject {
    Digest key;   ///< Of the entry.
    Digest code;  ///< SHA-256.
    GoldenPlace place;
    Digest id;    ///< Of all of these.
  };

  static Subject subject_of(const Kernel& kernel, const Digest& key, const DeviceProperties& properties);
  std::optional<GoldenVerdict> find(const Subject& subject);
  /// nullopt: the kernel could not be tried, and `why` says what stood in the way.
  std::optional<GoldenVerdict> try_now(const Subject& subject, Driver& driver, int ordinal, const Kernel& kernel, std::string& why);
  void remember(const Subject& subject, const GoldenVerdict& verdict);

  KernelCache& cache_;
  const Log& log_;
  SingleFlight flights_;
  std::atomic<std::int64_t> passed_{0}, failed_{0}, left_out_{0};
  ForkSafeMutex mutex_;  // guards failed_here_
  std::map<Digest, Failed> failed_here_;
};

}  // namespace sinter
