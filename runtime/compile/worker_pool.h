// SPDX-License-Identifier: Apache-2.0
#pragma once

// WorkerPool: compiles in child processes, as many at once as the machine has room for, and survives whatever they do.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/worker_protocol.h"
#include "codegen/arch.h"
#include "codegen/code_object.h"
#include "runtime/compile/compiler.h"
#include "runtime/compile/compiler_locations.h"
#include "runtime/compile/worker_slots.h"

namespace sinter {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::int64_t kDefaultWorkerMemoryBytes = 0;  // a sanitizer's shadow memory is beyond any limit
#else
inline constexpr std::int64_t kDefaultWorkerMemoryBytes = std::int64_t{4} << 30;
#endif

struct WorkerPoolOptions {
  std::int64_t max_workers = 0;  ///< 0: worker_budget() of this process.
  std::chrono::milliseconds time_limit{120'000};                ///< For one compile.
  std::int64_t memory_limit_bytes = kDefaultWorkerMemoryBytes;  ///< For one worker; 0: none.
  std::chrono::seconds idle_limit{60};                          ///< A worker without work leaves after this.
  std::string run_directory = {};  ///< Of NodeSlots; empty: the budget is this process's own.
  std::int64_t node_workers = 0;   ///< Most compiles at once on the node; 0: as many as the node's share has room for.
};

/// Two budgets hold: of this process, and of all processes of the node (NodeSlots). Workers are started when they are
/// needed, stay warm between compiles and are replaced when they end. A compile whose worker dies is tried once more, in
/// a fresh worker and with no other compile beside it; if that dies too, the job is to blame. One that runs out of time
/// is not tried again, nor one whose answer was garbage.
///
/// Thread-safe; callers block while they compile or wait for a free place, and no lock is held meanwhile. A child that
/// the host forks gets workers of its own. REQUIRES: no call is under way when the pool is destroyed.
class WorkerPool {
 public:
  /// `on_problem` gets a sentence when something degraded.
  WorkerPool(CompilerLocations locations, WorkerPoolOptions options, std::function<void(std::string)> on_problem = {});
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Errors: kCompilerUnavailable: no worker, no library, or it does not know the arch; kCompileFailed with log and
  /// source: the compiler refused it, or died twice over it; kTimeout with source; kInternal: the worker answered
  /// nonsense. A watch that stops it is a kTimeout within half a second.
  Result<CodeObject> compile(const CompileJob& job, const CompileWatch& watch = {});

  /// What one compiler says of itself; starts its worker if none is warm, and waits for no compile.
  /// Errors: kCompilerUnavailable.
  Result<protocol::BackendInfo> backend_info(std::string_view backend, const CompileWatch& watch = {});

  /// The same of the compiler that is installed now. A warm worker may have been started with an older one: those leave,
  /// and a new one is asked.
  Result<protocol::BackendInfo> ask_anew(std::string_view backend, const CompileWatch& watch = {});

  /// Asks every compiler; starts their workers.
  CompilerReport report();

  /// Reads a code object again: its facts and, where the worker can, its disassembly. By sinter-worker-llvm for AMD and
  /// host code if it is here, else by sinter-worker.
  /// Errors: kCompilerUnavailable, kTimeout, kInternal; kInvalidRequest if it cannot be read.
  Result<protocol::InspectReply> inspect(CodeFormat format, std::string_view entry,
                                         const std::vector<std::byte>& code, const CompileWatch& watch = {});

 private:
  struct State;
  class Lease;
  struct Attempt;

  State& state();
  Result<std::unique_ptr<WorkerProcess>> start(const BackendLocation& location, const CompileWatch& watch);
  Result<void> staff(Lease& lease, const BackendLocation& location, const CompileWatch& watch);
  Result<protocol::BackendInfo> info_of(std::unique_ptr<WorkerProcess> worker, const BackendLocation& location);
  Attempt attempt(const CompileJob& job, const BackendLocation& location, Company company, const CompileWatch& watch);
  Attempt try_once(const CompileJob& job, const BackendLocation& location, Company company, const CompileWatch& watch);

  const CompilerLocations locations_;
  const WorkerPoolOptions options_;
  const std::function<void(std::string)> on_problem_;
  /// Of the process that last called; a forked child leaves its parent's untouched and makes its own.
  std::atomic<State*> state_;
};

}  // namespace sinter
