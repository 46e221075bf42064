// SPDX-License-Identifier: Apache-2.0
#pragma once

// FailureMemory: failed compiles, so that a broken kernel costs one compile and not one for each request of each
// process. A new build of the compiler has other keys and so is tried at once.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "base/digest.h"
#include "base/fork_safe_mutex.h"
#include "base/result.h"
#include "cache/cache_key.h"
#include "cache/compile_failure.h"
#include "cache/kernel_cache.h"

namespace sinter {

/// How long each kind of failure is believed, in this process and, through the cache's database, by all others:
/// - the compiler or a check of its code said no: `keep`;
/// - the compiler died over it, and again when it was alone: a day, for whoever asks next would lose a worker, too;
/// - it ran out of time or answered nonsense, which a busy or faulty machine may have caused: one minute, enough for
///   those who wait at this moment;
/// - no compiler was found: half a minute in this process, and other processes look for themselves.
///
/// Thread-safe; the lock is never held while reading a disk.
class FailureMemory {
 public:
  /// `keep` 0: nothing is remembered. `cache` must outlive this.
  FailureMemory(KernelCache& cache, std::chrono::seconds keep) : cache_(cache), keep_(keep) {}

  /// The error to give without compiling, if this process remembers one. It says since when, and the way out.
  std::optional<Error> find_here(const CacheKey& key);
  /// The same, asking the cache's database too.
  std::optional<Error> find(const CacheKey& key);

  /// `failure.failed_unix_s` is set here.
  void remember(const CacheKey& key, CompileFailure failure);

  /// Forgets everything, in the database too.
  void forget_all();

 private:
  using Clock = std::chrono::steady_clock;
  struct Remembered {
    CompileFailure failure;
    Clock::time_point until;
  };

  std::chrono::seconds kept_for(const CompileFailure& failure) const;
  void remember_here(const CacheKey& key, CompileFailure failure, std::chrono::seconds left);
  Error to_error(const CacheKey& key, CompileFailure failure) const;

  KernelCache& cache_;
  const std::chrono::seconds keep_;
  ForkSafeMutex mutex_;  // guards here_
  std::map<Digest, Remembered> here_;
};

}  // namespace sinter
