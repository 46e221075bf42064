// SPDX-License-Identifier: Apache-2.0
#pragma once

// CompileService: spec -> code object, from the cache or a compiler. The embedded runtime and the offline prebuild both
// need exactly this and nothing more.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fork_safe_mutex.h"
#include "base/histogram.h"
#include "base/log.h"
#include "base/result.h"
#include "base/settings.h"
#include "cache/kernel_cache.h"
#include "codegen/family.h"
#include "runtime/compile/cache_key_inputs.h"
#include "runtime/compile/compiled_code.h"
#include "runtime/compile/compiler_locations.h"
#include "runtime/compile/failure_memory.h"
#include "runtime/compile/key_lease.h"
#include "runtime/compile/recent_keys.h"
#include "runtime/compile/single_flight.h"
#include "runtime/compile/worker_log.h"
#include "runtime/compile/worker_pool.h"

namespace sinter {

/// May a request that no cache can serve be compiled?
struct CompilePermission {
  bool is_granted = true;
  std::string_view why_not = {};  ///< "SINTER_COMPILE is off", for the message.
};

/// How long the steps took that requests waited for, in seconds.
struct CompileTimes {
  Histogram lookup;   ///< Of a key in the database and the bundles of this node; hits in memory are not timed.
  Histogram queue;    ///< Before a compile: for a free place, and for a worker to start.
  Histogram compile;  ///< Of a compiler, from the request to its answer; failed ones, too.
};

/// Thread-safe; no lock is held while compiling or reading a disk.
class CompileService {
 public:
  /// `cache` and `log` must outlive the service.
  CompileService(const Settings& settings, KernelCache& cache, const Log& log);
  ~CompileService();

  /// Steps 3 to 7 of a request: key, look up, render, compile, store; once per key however many threads of however many
  /// processes on one cache directory ask.
  /// A kernel in a bundle is preferred to compiling it, even if another compiler made it.
  /// A process that cannot compile (no compiler here, or compiling is off) takes what another compiler built for the
  /// same spec, template and parameters. What a compiler made is checked against its plan before it is stored.
  /// A failure is told to all that wait and remembered for a while (SINTER_FAILURE_MEMORY_S), by other processes on the
  /// cache directory, too; the message then says so.
  /// Without permission to compile, what no cache has is kNotPrebuilt.
  /// Errors: kNotPrebuilt, kCompilerUnavailable, kCompileFailed, kUnsupported, kTimeout, kInternal.
  Result<CompiledCode> load_or_compile(const KernelSpec& spec, const BodyPlan& plan, CompilePermission permission = {});

  /// The compiler that builds for this arch here, with its identity and options. The identity is asked of the compiler
  /// once per installed version: later processes find it in the cache by the files' stamps.
  /// Errors: kCompilerUnavailable naming what was looked for.
  Result<Toolchain> toolchain_for(const Arch& arch);

  /// Ends what waits for a compiler or for others, in any thread, within half a second: requests fail with kTimeout, and
  /// nothing of it is remembered. For the end of the runtime.
  void stop() { stop_.store(true, std::memory_order_release); }
  bool is_stopped() const { return stop_.load(std::memory_order_acquire); }

  /// Forgets what failed, so that the next request tries again. Other processes notice within half a minute.
  void retry_failures();

  WorkerPool& workers() { return pool_; }
  std::int64_t compiles() const { return compiles_; }
  std::int64_t failed_compiles() const { return failed_compiles_; }
  const CompileTimes& times() const { return times_; }

 private:
  /// What a compiler said of itself. That it said nothing is believed for a while: it may be absent, or was killed.
  struct KnownIdentity {
    Result<std::string> identity;
    std::chrono::steady_clock::time_point until;
  };

  std::optional<std::string> remembered_identity(const std::string& name);
  /// nullopt: only the compiler itself can say.
  Result<std::optional<std::string>> known_identity(const std::string& backend);
  /// The compilers for this arch, in the order in which they are asked.
  std::vector<std::string> backends_for(const Arch& arch) const;
  /// toolchain_for() without starting a worker: nullopt if that would take one, or if there is no compiler.
  std::optional<Toolchain> known_toolchain(const Arch& arch);

  Result<std::string> identity_of(const std::string& backend);
  void forget_identity(const std::string& backend, const std::string& expected);
  /// The first entry that differs from what would be asked for in nothing but the compiler: in the local cache and in
  /// bundles, and in bundles alone.
  std::optional<CompiledCode> built_elsewhere(const KernelSpec& spec, const BodyPlan& plan);
  std::optional<CompiledCode> find_in_bundles(const KernelSpec& spec, const BodyPlan& plan);
  std::optional<CompiledCode> find_but_compiler(const KernelSpec& spec, const BodyPlan& plan, std::vector<CacheKey> candidates);
  std::optional<CompiledCode> find_remotely(const KernelSpec& spec, const BodyPlan& plan, const CacheKey& key);
  std::optional<CompiledCode> find(const CacheKey& key);
  std::optional<Result<CompiledCode>> find_settled(const CacheKey& key);
  Result<CompiledCode> find_or_refuse(const KernelSpec& spec, const BodyPlan& plan, std::string_view why_not);
  RemoteLookup ask_remote(const KernelSpec& spec, const BodyPlan& plan, const CacheKey& key, RemoteWish wish, KeyLease& lease);
  Result<CompiledCode> find_or_build(const KernelSpec& spec, const BodyPlan& plan, Toolchain toolchain, CacheKey key);
  Result<std::shared_ptr<const CodeObject>> compile(const KernelSpec& spec, const BodyPlan& plan, const Toolchain& toolchain,
                                                    const CacheKey& key, const std::function<void()>& tick);
  Result<void> complete_facts(const KernelSpec& spec, CodeObject& code, const CompileWatch& watch);

  const Settings settings_;
  KernelCache& cache_;
  const Log& log_;
  const CompilerLocations locations_;
  std::atomic<bool> stop_{false};
  WorkerPool pool_;
  SingleFlight flights_;
  FailureMemory failures_;
  KeyLeases leases_;
  WorkerLog worker_log_;
  SingleFlight remote_flights_;  // Of requests that may not compile.
  RecentKeys not_remote_;
  std::atomic<std::int64_t> compiles_{0}, failed_compiles_{0};
  CompileTimes times_;

  ForkSafeMutex mutex_;  // guards identities_
  std::map<std::string, KnownIdentity, std::less<>> identities_;  // by backend
};

}  // namespace sinter
