// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/compile_service.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codegen/compile_options.h"
#include "codegen/render.h"
#include "runtime/caps/validate.h"
#include "runtime/compile/file_stamp.h"

namespace sinter {

namespace {

using Clock = std::chrono::steady_clock;

/// Long enough that an absent compiler costs nothing, short enough that a worker killed at its start costs little.
constexpr std::chrono::seconds kAskAgainAfter{2};

/// How long the remote tier is believed that it has not a kernel, where that is not compiled. Another node may be about
/// to send it.
constexpr std::chrono::seconds kMissBelieved{5};

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::int64_t unix_ns_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

const char* environment(const char* name) { return std::getenv(name); }

WorkerPoolOptions pool_options(const Settings& settings) {
  WorkerPoolOptions options;
  options.max_workers = settings.workers;
  options.run_directory = settings.run_dir;
  options.time_limit = std::chrono::seconds(settings.compile_timeout_s);
  return options;
}

std::function<void(std::string)> warn_through(const Log& log) {
  return [&log](const std::string& problem) { log.warn(problem); };
}

CodeOrigin origin_of(CacheLayer layer) {
  switch (layer) {
    case CacheLayer::kMemory: return CodeOrigin::kMemory;
    case CacheLayer::kLocal: return CodeOrigin::kLocal;
    case CacheLayer::kBundle: return CodeOrigin::kBundle;
    case CacheLayer::kRemote: return CodeOrigin::kRemote;
  }
  return CodeOrigin::kMemory;
}

// Everything that decides which compiler would answer, in words.
std::string memo_name(const BackendLocation& location) {
  return fmt::format("{} {} {}", location.backend, location.worker, fmt::join(location.libraries, " "));
}

}  // namespace

std::string_view code_origin_name(CodeOrigin origin) {
  switch (origin) {
    case CodeOrigin::kMemory: return "memory";
    case CodeOrigin::kLocal: return "disk";
    case CodeOrigin::kBundle: return "bundle";
    case CodeOrigin::kRemote: return "remote";
    case CodeOrigin::kCompiled: return "compiled";
  }
  return "unknown";
}

CompileService::CompileService(const Settings& settings, KernelCache& cache, const Log& log)
    : settings_(settings), cache_(cache), log_(log), locations_(find_compilers(settings, environment)), pool_(locations_, pool_options(settings), warn_through(log)),
      failures_(cache, std::chrono::seconds(settings.failure_memory_s)),
      leases_({.directory = cache.directory(), .allow_shared_directory = settings.shared_cache_dir}, warn_through(log)),
      worker_log_(settings.worker_log, warn_through(log)), not_remote_(kMissBelieved) {}

CompileService::~CompileService() = default;

Result<CompiledCode> CompileService::load_or_compile(const KernelSpec& spec, const BodyPlan& plan, CompilePermission permission) {
  if (settings_.compile == CompileMode::kOff) {
    return find_or_refuse(spec, plan, "SINTER_COMPILE is off");
  }
  if (!permission.is_granted) {
    return find_or_refuse(spec, plan, permission.why_not);
  }
  // 3. Name everything that can change the binary.
  std::optional<Toolchain> toolchain = known_toolchain(*spec.arch);
  if (!toolchain) {
    // Before a worker is started for its compiler's identity: a bundle's kernel is wanted whichever that is.
    if (auto found = find_in_bundles(spec, plan)) {
      return std::move(*found);
    }
    auto asked = toolchain_for(*spec.arch);
    if (!asked) {
      if (auto found = built_elsewhere(spec, plan)) {
        return std::move(*found);
      }
      return std::move(asked).error();
    }
    toolchain = std::move(*asked);
  }
  SINTER_TRY(CacheKey key, cache_key_of(spec, plan, *toolchain));

  // 4. Look it up. Memory waits for nobody; the disk is read by one thread for all that want the key.
  if (auto hit = cache_.lookup_memory(key)) {
    return CompiledCode{std::move(hit->code), CodeOrigin::kMemory, std::move(key)};
  }
  if (auto failure = failures_.find_here(key)) {
    return std::move(*failure);
  }

  // 4-7. Once per key: look up, render, compile, check, store.
  bool has_waited = true;
  auto outcome = flights_.run(key.digest, [&] {
    has_waited = false;
    return find_or_build(spec, plan, std::move(*toolchain), std::move(key));
  });
  if (outcome && has_waited) {
    outcome->origin = CodeOrigin::kMemory;  // The thread that it waited for tells where that found it.
  }
  return outcome;
}

// No worker is started, not even to ask a compiler who it is.
Result<CompiledCode> CompileService::find_or_refuse(const KernelSpec& spec, const BodyPlan& plan, std::string_view why_not) {
  std::optional<CacheKey> key;
  if (const std::optional<Toolchain> toolchain = known_toolchain(*spec.arch)) {
    SINTER_TRY(key, cache_key_of(spec, plan, *toolchain));
    if (auto found = find(*key)) {
      return std::move(*found);
    }
  }
  if (auto found = built_elsewhere(spec, plan)) {
    return std::move(*found);
  }
  if (key) {
    cache_.count_miss(*key);
    if (auto found = find_remotely(spec, plan, *key)) {
      return std::move(*found);
    }
  }
  return make_error(ErrorCode::kNotPrebuilt,
                    fmt::format("{} is in no cache ({}) and {}; build it with `sinter prebuild --arch {}`", spec.name(),
                                cache_.directory().empty() ? "memory only" : cache_.directory(), why_not, spec.arch->name));
}

// Asked by one thread for all that want the key, and not again for a while if it was in vain: a host may ask for what
// nobody has at every step. No lease: who holds one may be compiling, and that is not waited for.
std::optional<CompiledCode> CompileService::find_remotely(const KernelSpec& spec, const BodyPlan& plan, const CacheKey& key) {
  auto outcome = remote_flights_.run(key.digest, [&]() -> SingleFlight::Outcome {
    // Another thread may have asked since this one looked.
    if (auto hit = cache_.lookup_memory(key)) {
      return CompiledCode{std::move(hit->code), CodeOrigin::kMemory, key};
    }
    if (not_remote_.contains(key.digest)) {
      return make_error(ErrorCode::kNotPrebuilt, "");
    }
    KeyLease none;
    RemoteLookup remote = ask_remote(spec, plan, key, RemoteWish::kEntry, none);
    if (remote.hit) {
      return CompiledCode{std::move(remote.hit->code), CodeOrigin::kRemote, key};
    }
    not_remote_.add(key.digest);
    return make_error(ErrorCode::kNotPrebuilt, "");
  });
  return outcome ? std::optional<CompiledCode>(std::move(*outcome)) : std::nullopt;
}

// A miss is counted by the caller, once the bundles have no such kernel of another compiler either.
std::optional<CompiledCode> CompileService::find(const CacheKey& key) {
  const Clock::time_point start = Clock::now();
  auto hit = cache_.lookup(key, MissCount::kNotAgain);
  times_.lookup.observe(seconds_since(start));
  if (!hit) {
    return std::nullopt;
  }
  return CompiledCode{std::move(hit->code), origin_of(hit->layer), key};
}

// The kernel, or the failure that all others were told of.
std::optional<Result<CompiledCode>> CompileService::find_settled(const CacheKey& key) {
  if (auto found = find(key)) {
    return std::move(*found);
  }
  if (auto failure = failures_.find(key)) {
    return std::move(*failure);
  }
  return std::nullopt;
}

// The part that one thread does for all that want the key, and one process of the node for all the others.
Result<CompiledCode> CompileService::find_or_build(const KernelSpec& spec, const BodyPlan& plan, Toolchain toolchain, CacheKey key) {
  if (auto found = find(key)) {
    return std::move(*found);
  }
  // Before a remembered failure is told: the bundle may be what was to mend it.
  if (auto found = find_in_bundles(spec, plan)) {
    return std::move(*found);
  }
  cache_.count_miss(key);
  if (auto failure = failures_.find(key)) {
    return std::move(*failure);
  }
  std::optional<Result<CompiledCode>> settled;
  const auto look_again = [&] {
    settled = find_settled(key);
    return settled.has_value() || is_stopped();
  };
  KeyLease lease = leases_.acquire(key.digest, look_again);
  // Whoever had the lease before may have come to an end since the first look.
  if (settled || look_again()) {
    return settled ? std::move(*settled) : make_error(ErrorCode::kTimeout, spec.name() + " is not waited for any more");
  }
  RemoteLookup remote = ask_remote(spec, plan, key, RemoteWish::kEntryOrLease, lease);
  if (remote.hit) {
    return CompiledCode{std::move(remote.hit->code), CodeOrigin::kRemote, std::move(key)};
  }
  const auto tick = [&] {
    lease.tick();
    remote.lease.tick();
  };
  SINTER_TRY(auto code, compile(spec, plan, toolchain, key, tick));
  if (code->compiler != toolchain.identity) {
    // The compiler was replaced since its identity was asked: the code is filed under the one that made it.
    forget_identity(toolchain.backend, toolchain.identity);
    toolchain.identity = code->compiler;
    SINTER_TRY(key, cache_key_of(spec, plan, toolchain));
  }
  cache_.store(key, code, std::move(remote.lease));
  return CompiledCode{std::move(code), CodeOrigin::kCompiled, std::move(key)};
}

// One process of the node asks for all, while it has the node's lease.
RemoteLookup CompileService::ask_remote(const KernelSpec& spec, const BodyPlan& plan, const CacheKey& key, RemoteWish wish,
                                        KeyLease& lease) {
  const auto accept = [&](const CodeObject& code) { return check_code_object(spec, plan, code, caps_of_arch(*spec.arch)); };
  return cache_.lookup_remote(key, wish, accept, [&] {
    lease.tick();
    return !is_stopped();
  });
}

std::optional<CompiledCode> CompileService::built_elsewhere(const KernelSpec& spec, const BodyPlan& plan) {
  return find_but_compiler(spec, plan, cache_.keys_of_spec(spec.name(), spec.arch->name));
}

std::optional<CompiledCode> CompileService::find_in_bundles(const KernelSpec& spec, const BodyPlan& plan) {
  return settings_.bundles.empty() ? std::nullopt
                                   : find_but_compiler(spec, plan, cache_.bundle_keys_of_spec(spec.name(), spec.arch->name));
}

std::optional<CompiledCode> CompileService::find_but_compiler(const KernelSpec& spec, const BodyPlan& plan,
                                                              std::vector<CacheKey> candidates) {
  const auto wanted = cache_key_of(spec, plan, Toolchain{});
  if (!wanted) {
    return std::nullopt;
  }
  for (CacheKey& key : candidates) {
    if (!same_but_compiler(key, *wanted)) {
      continue;
    }
    if (auto hit = cache_.lookup(key, MissCount::kNotAgain)) {
      return CompiledCode{std::move(hit->code), origin_of(hit->layer), std::move(key)};
    }
  }
  return std::nullopt;
}

Result<std::shared_ptr<const CodeObject>> CompileService::compile(const KernelSpec& spec, const BodyPlan& plan,
                                                                  const Toolchain& toolchain, const CacheKey& key,
                                                                  const std::function<void()>& tick) {
  SINTER_TRY(GeneratedSource generated, render(spec, plan));
  ++compiles_;
  WorkerLogRecord record{.key = to_hex(key.digest), .spec = spec.name(), .backend = toolchain.backend};
  AttemptOutcome outcome = AttemptOutcome::kUnavailable;
  double compiling_s = 0;
  const auto log_attempt = [&](const CompileAttempt& attempt) {
    times_.compile.observe(attempt.milliseconds / 1e3);
    compiling_s += attempt.milliseconds / 1e3;
    outcome = attempt.outcome;
    record.milliseconds = attempt.milliseconds;
    record.outcome = attempt_outcome_name(outcome);
    record.code_bytes = attempt.code_bytes;
    if (outcome != AttemptOutcome::kOk) {
      worker_log_.write(record);
    }
  };
  const CompileWatch watch{tick, log_attempt, &stop_};
  const auto fail = [&](Error error) {
    ++failed_compiles_;
    if (outcome != AttemptOutcome::kKilled && !is_stopped()) {  // neither is the kernel's fault
      failures_.remember(key, {error.code, outcome == AttemptOutcome::kCrashed, 0, error.message, error.log, error.source});
    }
    return error;
  };
  const Clock::time_point start = Clock::now();
  auto compiled = pool_.compile({toolchain.backend, spec.arch, generated.entry, generated.source, std::move(generated.headers), toolchain.options},
                                watch);
  times_.queue.observe(std::max(0.0, seconds_since(start) - compiling_s));
  if (!compiled) {
    return fail(std::move(compiled).error());
  }
  auto code = std::make_shared<CodeObject>(std::move(*compiled));
  code->created_unix_s = static_cast<std::int64_t>(std::time(nullptr));
  auto checked = complete_facts(spec, *code, watch);
  if (checked) {
    checked = check_code_object(spec, plan, *code, caps_of_arch(*spec.arch));
  }
  record.outcome = checked ? record.outcome : "rejected";
  worker_log_.write(record);
  if (!checked) {
    Error error = std::move(checked).error();
    error.log = code->log;
    error.source = code->source;
    return fail(std::move(error));
  }
  return std::shared_ptr<const CodeObject>(std::move(code));
}

// hiprtc's worker has no disassembler. The LLVM worker reads what is missing, before the facts are stored with the code.
Result<void> CompileService::complete_facts(const KernelSpec& spec, CodeObject& code, const CompileWatch& watch) {
  if (spec.arch->vendor != Vendor::kAmd || code.facts.setvskip_count != kUnknown) {
    return {};
  }
  SINTER_TRY(const protocol::InspectReply inspected, pool_.inspect(code.format, code.entry, code.code, watch));
  SINTER_TRY(CodeFacts facts, code_facts_from_json(inspected.facts));
  if (facts.setvskip_count == kUnknown) {
    return make_error(ErrorCode::kCompilerUnavailable,
                      fmt::format("{} was compiled by {}, but whether it contains s_setvskip cannot be read without sinter-worker-llvm; "
                                  "install it beside sinter-worker",
                                  spec.name(), code.backend));
  }
  if (facts.entry != code.facts.entry || facts.target != code.facts.target || facts.registers != code.facts.registers ||
      facts.static_shared_bytes != code.facts.static_shared_bytes) {
    return make_error(ErrorCode::kInternal, fmt::format("two readers disagree about {}: {} and {}", spec.name(), to_json(code.facts), to_json(facts)));
  }
  code.facts = std::move(facts);
  return {};
}

void CompileService::retry_failures() {
  failures_.forget_all();
  not_remote_.clear();
  const std::lock_guard lock(mutex_);
  std::erase_if(identities_, [](const auto& entry) { return !entry.second.identity; });
}

std::vector<std::string> CompileService::backends_for(const Arch& arch) const {
  switch (arch.vendor) {
    case Vendor::kHost: return {"llvm"};
    case Vendor::kAmd: return {settings_.amd_compiler};
    case Vendor::kNvidia: break;
  }
  return settings_.nvidia_compiler.empty() ? std::vector<std::string>{"nvrtc", "llvm"} : std::vector<std::string>{settings_.nvidia_compiler};
}

Result<Toolchain> CompileService::toolchain_for(const Arch& arch) {
  std::string reasons;
  for (const std::string& backend : backends_for(arch)) {
    auto identity = identity_of(backend);
    if (identity) {
      return Toolchain{backend, std::move(*identity), default_options(backend, arch)};
    }
    reasons += fmt::format("{}{}", reasons.empty() ? "" : "; ", identity.error().message);
  }
  return make_error(ErrorCode::kCompilerUnavailable, fmt::format("no compiler for {}: {}", arch.name, reasons));
}

std::optional<std::string> CompileService::remembered_identity(const std::string& name) {
  const auto memo = cache_.compiler_identity(name);
  return memo ? open_memo(*memo) : std::nullopt;
}

std::optional<Toolchain> CompileService::known_toolchain(const Arch& arch) {
  for (const std::string& backend : backends_for(arch)) {
    auto identity = known_identity(backend);
    if (identity && *identity) {
      return Toolchain{backend, std::move(**identity), default_options(backend, arch)};
    }
    if (identity) {
      return std::nullopt;  // Its worker might answer, and would go before the next compiler.
    }
  }
  return std::nullopt;
}

Result<std::optional<std::string>> CompileService::known_identity(const std::string& backend) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = identities_.find(backend); it != identities_.end() && Clock::now() < it->second.until) {
      const Result<std::string>& identity = it->second.identity;
      return identity ? Result<std::optional<std::string>>(*identity) : identity.error();
    }
  }
  SINTER_TRY(const BackendLocation location, locations_.require(backend));
  std::optional<std::string> known = remembered_identity(memo_name(location));
  if (known) {
    const std::lock_guard lock(mutex_);
    identities_.insert_or_assign(backend, KnownIdentity{*known, Clock::time_point::max()});
  }
  return known;
}

Result<std::string> CompileService::identity_of(const std::string& backend) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = identities_.find(backend); it != identities_.end() && Clock::now() < it->second.until) {
      return it->second.identity;
    }
  }
  const auto ask = [&]() -> Result<std::string> {
    SINTER_TRY(const BackendLocation location, locations_.require(backend));
    const std::string name = memo_name(location);
    if (auto identity = remembered_identity(name)) {
      return std::move(*identity);
    }
    // Asked by one process of the node, not by each: it takes the start of a worker.
    std::optional<std::string> identity;
    const auto look_again = [&] {
      identity = remembered_identity(name);
      return identity.has_value() || is_stopped();
    };
    KeyLease lease = leases_.acquire(sha256(as_bytes("identity of " + name)), look_again);
    if (identity || look_again()) {
      return identity ? Result<std::string>(std::move(*identity)) : make_error(ErrorCode::kTimeout, backend + " is not asked any more");
    }
    const std::int64_t asked = unix_ns_now();
    SINTER_TRY(protocol::BackendInfo info, pool_.ask_anew(backend, {[&lease] { lease.tick(); }, {}, &stop_}));
    if (const auto sealed = seal_memo({info.identity, std::move(info.files)}, asked)) {
      cache_.remember_compiler_identity(name, *sealed);
    }
    return info.identity;
  };
  auto identity = ask();
  const std::lock_guard lock(mutex_);
  const auto until = identity ? Clock::time_point::max() : Clock::now() + kAskAgainAfter;
  identities_.insert_or_assign(backend, KnownIdentity{identity, until});
  return identity;
}

// Of two compilers that answer either may be the older one: the next request asks anew, here and in other processes.
void CompileService::forget_identity(const std::string& backend, const std::string& expected) {
  if (const auto location = locations_.require(backend)) {
    const std::string name = memo_name(*location);
    if (remembered_identity(name) == expected) {
      cache_.remember_compiler_identity(name, "");
    }
  }
  const std::lock_guard lock(mutex_);
  if (const auto it = identities_.find(backend); it != identities_.end() && it->second.identity && *it->second.identity == expected) {
    identities_.erase(it);
  }
}

}  // namespace sinter
