// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/compile_service.h"

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

const char* environment(const char* name) { return std::getenv(name); }

WorkerPoolOptions pool_options(const Settings& settings) {
  WorkerPoolOptions options;
  options.max_workers = settings.workers;
  options.time_limit = std::chrono::seconds(settings.compile_timeout_s);
  return options;
}

std::function<void(std::string)> warn_through(const Log& log) {
  return [&log](const std::string& problem) { log.warn(problem); };
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
    case CodeOrigin::kCompiled: return "compiled";
  }
  return "unknown";
}

CompileService::CompileService(const Settings& settings, KernelCache& cache, const Log& log)
    : settings_(settings), cache_(cache), log_(log), locations_(find_compilers(settings, environment)), pool_(locations_, pool_options(settings)),
      leases_({.directory = cache.directory(), .allow_shared_directory = settings.shared_cache_dir}, warn_through(log)),
      worker_log_(settings.worker_log, warn_through(log)) {}

CompileService::~CompileService() = default;

Result<CompiledCode> CompileService::load_or_compile(const KernelSpec& spec, const BodyPlan& plan) {
  if (settings_.compile == CompileMode::kOff) {
    if (auto found = built_elsewhere(spec, plan)) {
      return std::move(*found);
    }
    return make_error(ErrorCode::kNotPrebuilt,
                      fmt::format("{} is in no cache ({}) and SINTER_COMPILE is off; build it with `sinter prebuild --arch {}`", spec.name(),
                                  cache_.directory().empty() ? "memory only" : cache_.directory(), spec.arch->name));
  }
  // 3. Name everything that can change the binary.
  auto toolchain = toolchain_for(*spec.arch);
  if (!toolchain) {
    if (auto found = built_elsewhere(spec, plan)) {
      return std::move(*found);
    }
    return std::move(toolchain).error();
  }
  SINTER_TRY(CacheKey key, cache_key_of(spec, plan, *toolchain));

  // 4. Look it up. Memory waits for nobody; the disk is read by one thread for all that want the key.
  if (auto hit = cache_.lookup_memory(key)) {
    return CompiledCode{std::move(hit->code), CodeOrigin::kMemory, std::move(key)};
  }

  // 4-7. Once per key: look up, render, compile, check, store.
  CompiledCode result{nullptr, CodeOrigin::kCompiled, key};
  auto outcome = flights_.run(key.digest, [&]() -> SingleFlight::Outcome {
    SINTER_TRY(result, find_or_build(spec, plan, std::move(*toolchain), std::move(key)));
    return result.code;
  });
  SINTER_TRY(result.code, std::move(outcome));
  return result;
}

std::optional<CompiledCode> CompileService::find(const CacheKey& key, MissCount count) {
  auto hit = cache_.lookup(key, count);
  if (!hit) {
    return std::nullopt;
  }
  return CompiledCode{std::move(hit->code), hit->layer == CacheLayer::kMemory ? CodeOrigin::kMemory : CodeOrigin::kLocal, key};
}

// The part that one thread does for all that want the key, and one process of the node for all the others.
Result<CompiledCode> CompileService::find_or_build(const KernelSpec& spec, const BodyPlan& plan, Toolchain toolchain, CacheKey key) {
  auto found = find(key, MissCount::kCounted);
  if (found) {
    return std::move(*found);
  }
  const auto look_again = [&] {
    found = find(key, MissCount::kNotAgain);
    return found.has_value();
  };
  KeyLease lease = leases_.acquire(key.digest, look_again);
  // Whoever had the lease before may have stored the kernel since the first look.
  if (found || look_again()) {
    return std::move(*found);
  }
  SINTER_TRY(auto code, compile(spec, plan, toolchain, key, lease));
  if (code->compiler != toolchain.identity) {
    // The compiler was replaced since its identity was asked: the code is filed under the one that made it.
    toolchain.identity = code->compiler;
    SINTER_TRY(key, cache_key_of(spec, plan, toolchain));
    const std::lock_guard lock(mutex_);
    identities_.erase(toolchain.backend);
  }
  cache_.store(key, code);
  return CompiledCode{std::move(code), CodeOrigin::kCompiled, std::move(key)};
}

// The newest entry that differs from what would be asked for in nothing but the compiler.
std::optional<CompiledCode> CompileService::built_elsewhere(const KernelSpec& spec, const BodyPlan& plan) {
  const auto wanted = cache_key_of(spec, plan, Toolchain{});
  if (!wanted) {
    return std::nullopt;
  }
  for (CacheKey& key : cache_.keys_of_spec(spec.name(), spec.arch->name)) {
    if (!same_but_compiler(key, *wanted)) {
      continue;
    }
    if (auto hit = cache_.lookup(key)) {
      const CodeOrigin origin = hit->layer == CacheLayer::kMemory ? CodeOrigin::kMemory : CodeOrigin::kLocal;
      return CompiledCode{std::move(hit->code), origin, std::move(key)};
    }
  }
  return std::nullopt;
}

SingleFlight::Outcome CompileService::compile(const KernelSpec& spec, const BodyPlan& plan, const Toolchain& toolchain, const CacheKey& key,
                                             KeyLease& lease) {
  SINTER_TRY(GeneratedSource generated, render(spec, plan));
  ++compiles_;
  WorkerLogRecord record{.key = to_hex(key.digest), .spec = spec.name(), .backend = toolchain.backend};
  const auto log_attempt = [&](const CompileAttempt& attempt) {
    record.milliseconds = attempt.milliseconds;
    record.outcome = attempt_outcome_name(attempt.outcome);
    record.code_bytes = attempt.code_bytes;
    if (attempt.outcome != AttemptOutcome::kOk) {
      worker_log_.write(record);
    }
  };
  auto compiled = pool_.compile({toolchain.backend, spec.arch, generated.entry, generated.source, std::move(generated.headers), toolchain.options},
                                {[&lease] { lease.tick(); }, log_attempt});
  if (!compiled) {
    ++failed_compiles_;
    return std::move(compiled).error();
  }
  auto code = std::make_shared<CodeObject>(std::move(*compiled));
  code->created_unix_s = static_cast<std::int64_t>(std::time(nullptr));
  auto checked = complete_facts(spec, *code);
  if (checked) {
    checked = check_code_object(spec, plan, *code, caps_of_arch(*spec.arch));
  }
  record.outcome = checked ? record.outcome : "rejected";
  worker_log_.write(record);
  if (!checked) {
    ++failed_compiles_;
    Error error = std::move(checked).error();
    error.log = code->log;
    error.source = code->source;
    return error;
  }
  return std::shared_ptr<const CodeObject>(std::move(code));
}

// hiprtc's worker has no disassembler. The LLVM worker reads what is missing, before the facts are stored with the code.
Result<void> CompileService::complete_facts(const KernelSpec& spec, CodeObject& code) {
  if (spec.arch->vendor != Vendor::kAmd || code.facts.setvskip_count != kUnknown) {
    return {};
  }
  SINTER_TRY(const protocol::InspectReply inspected, pool_.inspect(code.format, code.entry, code.code));
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

Result<Toolchain> CompileService::toolchain_for(const Arch& arch) {
  std::vector<std::string> candidates;
  switch (arch.vendor) {
    case Vendor::kHost: candidates = {"llvm"}; break;
    case Vendor::kAmd: candidates = {settings_.amd_compiler}; break;
    case Vendor::kNvidia:
      candidates = settings_.nvidia_compiler.empty() ? std::vector<std::string>{"nvrtc", "llvm"} : std::vector<std::string>{settings_.nvidia_compiler};
      break;
  }
  std::string reasons;
  for (const std::string& backend : candidates) {
    auto identity = identity_of(backend);
    if (identity) {
      return Toolchain{backend, std::move(*identity), default_options(backend, arch)};
    }
    reasons += fmt::format("{}{}", reasons.empty() ? "" : "; ", identity.error().message);
  }
  return make_error(ErrorCode::kCompilerUnavailable, fmt::format("no compiler for {}: {}", arch.name, reasons));
}

Result<std::string> CompileService::identity_of(const std::string& backend) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = identities_.find(backend); it != identities_.end()) {
      return it->second;
    }
  }
  const auto ask = [&]() -> Result<std::string> {
    SINTER_TRY(const BackendLocation location, locations_.require(backend));
    if (const auto memo = cache_.compiler_identity(memo_name(location))) {
      if (auto identity = open_memo(*memo)) {
        return std::move(*identity);
      }
    }
    SINTER_TRY(protocol::BackendInfo info, pool_.backend_info(backend));
    if (const auto sealed = seal_memo({info.identity, std::move(info.files)})) {
      cache_.remember_compiler_identity(memo_name(location), *sealed);
    }
    return info.identity;
  };
  auto identity = ask();
  const std::lock_guard lock(mutex_);
  identities_.insert_or_assign(backend, identity);
  return identity;
}

}  // namespace sinter
