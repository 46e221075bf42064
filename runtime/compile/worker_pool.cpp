// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/worker_pool.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/compile/worker_budget.h"
#include "runtime/compile/worker_process.h"
#include "runtime/compile/worker_slots.h"

namespace sinter {
namespace {

/// A worker leaves by itself this much after the pool would not use it any more: never between choice and request.
constexpr std::chrono::seconds kIdleGrace{5};

/// A start that fails sooner than this is tried once more after the pause: what it failed for often passes, such as a
/// limit on descriptors or processes, a full file system, or a kill.
constexpr std::chrono::seconds kQuickFailure{5};
constexpr std::chrono::milliseconds kPauseBeforeRestart{50};

const protocol::BackendInfo* find_backend(const protocol::Hello& hello, std::string_view backend) {
  const auto it = std::find_if(hello.backends.begin(), hello.backends.end(),
                               [&](const protocol::BackendInfo& info) { return info.backend == backend; });
  return it != hello.backends.end() ? &*it : nullptr;
}

std::string_view without_last_newline(std::string_view text) {
  return text.substr(0, text.find_last_not_of('\n') + 1);
}

/// A compiler's log with what it wrote to stderr instead, as hiprtc's assembler does.
std::string with_stderr(std::string log, const std::string& text) {
  if (!text.empty()) {
    log += log.empty() || log.ends_with('\n') ? "" : "\n";
    log += text;
  }
  return log;
}

Error nonsense(std::string_view backend, std::string_view why) {
  return make_error(ErrorCode::kInternal,
                    fmt::format("the {} worker gave an answer that cannot be used: {}", backend, why));
}

/// Of an exchange that gave no frame.
AttemptOutcome outcome_of(const WorkerProcess& worker) {
  switch (worker.state()) {
    case WorkerProcess::State::kTimedOut: return AttemptOutcome::kTimeout;
    case WorkerProcess::State::kDied:
      return worker.was_killed() ? AttemptOutcome::kKilled : AttemptOutcome::kCrashed;
    case WorkerProcess::State::kReady:
    case WorkerProcess::State::kGarbage: break;
  }
  return AttemptOutcome::kGarbage;
}

bool worker_died(AttemptOutcome outcome) {
  return outcome == AttemptOutcome::kCrashed || outcome == AttemptOutcome::kKilled;
}

/// Checks the reply against the job: a worker is not believed.
Result<CodeObject> to_code_object(const CompileJob& job, protocol::CompileReply reply,
                                  const protocol::BackendInfo& info) {
  const CodeFormat format = code_format_of(*job.arch, job.backend);
  if (reply.format != code_format_name(format) || reply.code.empty()) {
    return nonsense(job.backend, fmt::format("{} bytes of '{:.20}' where {} was asked for", reply.code.size(),
                                             reply.format, code_format_name(format)));
  }
  auto facts = code_facts_from_json(reply.facts);
  if (!facts) {
    return nonsense(job.backend, facts.error().message);
  }
  if (facts->entry != job.entry) {
    return nonsense(job.backend, fmt::format("facts of '{:.100}' where '{}' was asked for", facts->entry, job.entry));
  }
  CodeObject object;
  object.format = format;
  object.entry = job.entry;
  object.code = std::move(reply.code);
  object.facts = std::move(*facts);
  object.backend = job.backend;
  object.compiler = info.identity;
  object.log = std::move(reply.log);
  object.source = job.source;
  object.compile_ms = reply.milliseconds;
  object.created_unix_s = static_cast<std::int64_t>(std::time(nullptr));
  return object;
}

}  // namespace

std::string_view attempt_outcome_name(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::kOk: return "ok";
    case AttemptOutcome::kRefused: return "refused";
    case AttemptOutcome::kCrashed: return "crashed";
    case AttemptOutcome::kKilled: return "killed";
    case AttemptOutcome::kTimeout: return "timeout";
    case AttemptOutcome::kGarbage: return "garbage";
    case AttemptOutcome::kUnavailable: return "unavailable";
  }
  return "unknown";
}

/// What belongs to one process. A fork copies it in an unknown state, so the child never touches the copy.
struct WorkerPool::State {
  State(std::int64_t places, std::chrono::seconds idle_limit, NodeSlots::Options node_options,
        std::function<void(std::string)> on_problem)
      : owner(::getpid()), slots(places, idle_limit), node(std::move(node_options), std::move(on_problem)) {}

  const pid_t owner;
  WorkerSlots slots;
  NodeSlots node;
};

/// A place to compile in, of this process and of the node, and a worker in it that has the backend.
class WorkerPool::Lease {
 public:
  /// Waits. `state` must outlive the lease.
  Lease(State& state, std::string kind, Company company, const CompileWatch& watch)
      : state_(state), kind_(std::move(kind)), company_(company), worker_(state.slots.enter(kind_, company, watch)) {
    slot_ = state_.node.enter(company, watch);
    if (worker_ != nullptr && !worker_->is_usable()) {
      worker_ = nullptr;  // it left during the wait
    }
  }
  ~Lease() {
    if (worker_ != nullptr && !worker_->may_stay_warm(state_.node.places())) {
      worker_ = nullptr;
    }
    state_.slots.leave(kind_, company_, std::move(worker_));
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  bool has_worker() const { return worker_ != nullptr; }
  void set_worker(std::unique_ptr<WorkerProcess> worker) { worker_ = std::move(worker); }
  WorkerProcess& worker() { return *worker_; }

  /// Tells the node and `watch`. The lease and `watch` must outlive it.
  CompileWatch watch(const CompileWatch& watch) {
    return {[this, &watch] {
              slot_.tick();
              watch.tell_progress();
            },
            {},
            watch.stop};
  }

 private:
  State& state_;
  std::string kind_;
  Company company_;
  std::unique_ptr<WorkerProcess> worker_;
  NodeSlot slot_;
};

struct WorkerPool::Attempt {
  Result<CodeObject> result;
  AttemptOutcome outcome = AttemptOutcome::kUnavailable;
  double milliseconds = 0;  ///< Without the wait for a place.
};

WorkerPool::WorkerPool(CompilerLocations locations, WorkerPoolOptions options,
                       std::function<void(std::string)> on_problem)
    : locations_(std::move(locations)),
      options_(std::move(options)),
      on_problem_(std::move(on_problem)),
      state_(nullptr) {}

WorkerPool::~WorkerPool() {
  State* mine = state_.load();
  if (mine != nullptr && mine->owner == ::getpid()) {
    delete mine;
  }
}

WorkerPool::State& WorkerPool::state() {
  State* current = state_.load();
  if (current != nullptr && current->owner == ::getpid()) {
    return *current;
  }
  const std::int64_t places = options_.max_workers > 0 ? options_.max_workers : worker_budget(process_share());
  NodeSlots::Options node;
  node.directory = options_.run_directory;
  node.places = options_.node_workers > 0 ? options_.node_workers : worker_budget(node_share());
  auto fresh = std::make_unique<State>(places, options_.idle_limit, std::move(node), on_problem_);
  // A parent's state is left as it is: its lock may be held by a thread that this process does not have, and its
  // workers answer the parent.
  if (state_.compare_exchange_strong(current, fresh.get())) {
    return *fresh.release();
  }
  return *current;
}

Result<std::unique_ptr<WorkerProcess>> WorkerPool::start(const BackendLocation& location, const CompileWatch& watch) {
  WorkerCommand command;
  command.program = location.worker;
  command.arguments = location.arguments();
  const std::int64_t idle_s = options_.idle_limit.count() + kIdleGrace.count();
  command.arguments.insert(command.arguments.end(), {"--idle-seconds", std::to_string(idle_s)});
  command.environment = locations_.environment;
  command.start_limit = options_.time_limit;
  command.memory_limit_bytes = options_.memory_limit_bytes;
  command.warm_file = state().node.warm_file();
  const auto begin = std::chrono::steady_clock::now();
  auto worker = WorkerProcess::start(command, watch);
  if (!worker && !watch.is_stopped() && std::chrono::steady_clock::now() - begin < kQuickFailure) {
    std::this_thread::sleep_for(kPauseBeforeRestart);
    worker = WorkerProcess::start(command, watch);
  }
  return worker;
}

Result<void> WorkerPool::staff(Lease& lease, const BackendLocation& location, const CompileWatch& watch) {
  if (!lease.has_worker()) {
    SINTER_TRY(auto worker, start(location, watch));
    lease.set_worker(std::move(worker));
  }
  return {};
}

Result<CodeObject> WorkerPool::compile(const CompileJob& job, const CompileWatch& watch) {
  SINTER_TRY(const BackendLocation location, locations_.require(job.backend));
  Attempt first = attempt(job, location, Company::kShared, watch);
  if (!worker_died(first.outcome)) {
    return std::move(first.result);
  }
  Attempt second = attempt(job, location, Company::kAlone, watch);
  if (!worker_died(second.outcome)) {
    return std::move(second.result);
  }
  Error error = std::move(second.result).error();
  error.code = ErrorCode::kCompileFailed;
  error.message = fmt::format("{} died twice over {}, the second time in a fresh worker by itself: {}", job.backend,
                              job.entry, error.message);
  return error;
}

WorkerPool::Attempt WorkerPool::attempt(const CompileJob& job, const BackendLocation& location, Company company,
                                        const CompileWatch& watch) {
  Attempt attempt = try_once(job, location, company, watch);
  if (watch.attempted) {
    watch.attempted({attempt.outcome, attempt.milliseconds, attempt.result ? attempt.result->code.size() : 0});
  }
  return attempt;
}

WorkerPool::Attempt WorkerPool::try_once(const CompileJob& job, const BackendLocation& location, Company company,
                                         const CompileWatch& watch) {
  Lease leased(state(), location.backend, company, watch);
  const CompileWatch telling = leased.watch(watch);
  if (auto staffed = staff(leased, location, telling); !staffed) {
    return {std::move(staffed).error()};
  }
  WorkerProcess& worker = leased.worker();
  const protocol::BackendInfo* info = find_backend(worker.hello(), job.backend);
  if (info == nullptr) {
    const Error error = make_error(ErrorCode::kCompilerUnavailable,
                                   fmt::format("{} cannot compile: {} ({})", job.backend, location.searched,
                                               without_last_newline(worker.hello().problems)));
    worker.reject_answer();
    return {error};
  }
  if (std::find(info->archs.begin(), info->archs.end(), job.arch->name) == info->archs.end()) {
    return {make_error(ErrorCode::kCompilerUnavailable,
                       fmt::format("{} {} ({}) cannot compile for {}, only for {}; install a version that can, or "
                                   "choose another compiler",
                                   info->backend, info->version,
                                   info->library.empty() ? location.worker : info->library, job.arch->name,
                                   fmt::join(info->archs, ", ")))};
  }
  const protocol::CompileRequest request{job.backend, std::string(job.arch->name), job.entry, job.source, job.headers,
                                         job.options};
  const auto start = std::chrono::steady_clock::now();
  const auto frame = worker.exchange(protocol::encode(request), options_.time_limit, telling);
  const double milliseconds =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  const auto failed = [&](AttemptOutcome outcome, Error error, std::string log) {
    error.log = with_stderr(std::move(log), worker.take_stderr());
    error.source = job.source;
    return Attempt{std::move(error), outcome, milliseconds};
  };
  if (!frame) {
    const AttemptOutcome outcome = outcome_of(worker);
    Error error = frame.error();
    if (outcome == AttemptOutcome::kTimeout) {
      error.message = fmt::format("compiling {}: {}", job.entry, error.message);
    }
    return failed(outcome, std::move(error), {});
  }
  auto reply = protocol::decode_compile_reply(*frame);
  if (!reply) {
    worker.reject_answer();
    return failed(AttemptOutcome::kGarbage, nonsense(job.backend, reply.error().message), {});
  }
  if (!reply->ok) {
    return failed(AttemptOutcome::kRefused,
                  make_error(ErrorCode::kCompileFailed,
                             fmt::format("{} refused {}: {}", job.backend, job.entry, reply->error)),
                  std::move(reply->log));
  }
  auto object = to_code_object(job, std::move(*reply), *info);
  if (!object) {
    worker.reject_answer();
    return failed(AttemptOutcome::kGarbage, std::move(object).error(), {});
  }
  object->log = with_stderr(std::move(object->log), worker.take_stderr());
  return {std::move(object), AttemptOutcome::kOk, milliseconds};
}

Result<protocol::BackendInfo> WorkerPool::backend_info(std::string_view backend, const CompileWatch& watch) {
  SINTER_TRY(const BackendLocation location, locations_.require(backend));
  // In no place: the answer costs little, and a place may be free only after somebody's compile.
  auto worker = state().slots.borrow(location.backend);
  if (worker == nullptr) {
    SINTER_TRY(worker, start(location, watch));
  }
  return info_of(std::move(worker), location);
}

Result<protocol::BackendInfo> WorkerPool::ask_anew(std::string_view backend, const CompileWatch& watch) {
  SINTER_TRY(const BackendLocation location, locations_.require(backend));
  state().slots.dismiss(location.backend);
  SINTER_TRY(auto worker, start(location, watch));
  return info_of(std::move(worker), location);
}

Result<protocol::BackendInfo> WorkerPool::info_of(std::unique_ptr<WorkerProcess> worker, const BackendLocation& location) {
  const protocol::Hello& hello = worker->hello();
  if (const protocol::BackendInfo* found = find_backend(hello, location.backend)) {
    const protocol::BackendInfo info = *found;
    State& mine = state();
    if (worker->may_stay_warm(mine.node.places())) {
      mine.slots.keep(location.backend, std::move(worker));
    }
    return info;
  }
  const Error error = make_error(ErrorCode::kCompilerUnavailable,
                                 fmt::format("{} cannot compile: {} ({})", location.backend, location.searched,
                                             without_last_newline(hello.problems)));
  worker->reject_answer();
  return error;
}

CompilerReport WorkerPool::report() {
  CompilerReport report;
  for (const BackendLocation& location : locations_.backends) {
    if (auto info = backend_info(location.backend)) {
      report.backends.push_back(std::move(*info));
    } else {
      report.problems += info.error().message + "\n";
    }
  }
  return report;
}

Result<protocol::InspectReply> WorkerPool::inspect(CodeFormat format, std::string_view entry,
                                                   const std::vector<std::byte>& code, const CompileWatch& watch) {
  const bool wants_llvm = format == CodeFormat::kHsaco || format == CodeFormat::kSharedObject;
  const BackendLocation* llvm = locations_.find("llvm");
  const bool has_llvm = llvm != nullptr && !llvm->worker.empty();
  const bool by_llvm = wants_llvm && (has_llvm || format == CodeFormat::kSharedObject);
  SINTER_TRY(BackendLocation location, locations_.require(by_llvm ? "llvm" : "nvrtc"));
  if (!by_llvm) {
    // The same program without a compiler: reading facts needs none.
    location.backend = "facts";
    location.libraries.clear();
  }
  Lease leased(state(), location.backend, Company::kShared, watch);
  const CompileWatch telling = leased.watch(watch);
  SINTER_TRY_VOID(staff(leased, location, telling));
  WorkerProcess& worker = leased.worker();
  const protocol::InspectRequest request{std::string(code_format_name(format)), std::string(entry), code};
  SINTER_TRY(const auto frame, worker.exchange(protocol::encode(request), options_.time_limit, telling));
  auto reply = protocol::decode_inspect_reply(frame);
  if (!reply) {
    worker.reject_answer();
    return nonsense(location.backend, reply.error().message);
  }
  if (!reply->ok) {
    return make_error(ErrorCode::kInvalidRequest, reply->error);
  }
  return reply;
}

}  // namespace sinter
