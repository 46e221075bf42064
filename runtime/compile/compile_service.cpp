// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/compile_service.h"

#include <chrono>
#include <cstdlib>
#include <ctime>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codegen/compile_options.h"
#include "codegen/render.h"
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

// Paths of a BackendInfo::library: one, or several behind semicolons.
std::vector<std::string> split_paths(std::string_view text) {
  std::vector<std::string> paths;
  while (!text.empty()) {
    const auto end = std::min(text.find(';'), text.size());
    if (end > 0) {
      paths.emplace_back(text.substr(0, end));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return paths;
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
    : settings_(settings), cache_(cache), log_(log), locations_(find_compilers(settings, environment)), pool_(locations_, pool_options(settings)) {}

CompileService::~CompileService() = default;

Result<CompiledCode> CompileService::load_or_compile(const KernelSpec& spec, const BodyPlan& plan) {
  // 3. Name everything that can change the binary.
  SINTER_TRY(const Toolchain toolchain, toolchain_for(*spec.arch));
  CompiledCode result;
  SINTER_TRY(result.key, cache_key_of(spec, plan, toolchain));
  const auto from_cache = [&]() -> std::shared_ptr<const CodeObject> {
    auto hit = cache_.lookup(result.key);
    if (!hit) {
      return nullptr;
    }
    result.origin = hit->layer == CacheLayer::kMemory ? CodeOrigin::kMemory : CodeOrigin::kLocal;
    return hit->code;
  };

  // 4. Look it up: a hit waits for no compile.
  result.code = from_cache();
  if (result.code != nullptr) {
    return result;
  }
  if (settings_.compile == CompileMode::kOff) {
    return make_error(ErrorCode::kNotPrebuilt,
                      fmt::format("{} is in no cache ({}) and SINTER_COMPILE is off; build it with `sinter prebuild --arch {}`", spec.name(),
                                  cache_.directory().empty() ? "memory only" : cache_.directory(), spec.arch->name));
  }

  // 5-7. Once per key: render, compile, store.
  auto outcome = flights_.run(result.key.digest, [&]() -> SingleFlight::Outcome {
    if (auto code = from_cache()) {
      return code;  // another thread's flight landed between our look-up and this one
    }
    result.origin = CodeOrigin::kCompiled;
    auto compiled = compile(spec, plan, toolchain);
    if (compiled) {
      cache_.store(result.key, *compiled);
    }
    return compiled;
  });
  SINTER_TRY(result.code, std::move(outcome));
  return result;
}

SingleFlight::Outcome CompileService::compile(const KernelSpec& spec, const BodyPlan& plan, const Toolchain& toolchain) {
  SINTER_TRY(GeneratedSource generated, render(spec, plan));
  ++compiles_;
  auto compiled = pool_.compile({toolchain.backend, spec.arch, generated.entry, generated.source, std::move(generated.headers), toolchain.options});
  if (!compiled) {
    ++failed_compiles_;
    return std::move(compiled).error();
  }
  auto code = std::make_shared<CodeObject>(std::move(*compiled));
  code->compiler = toolchain.identity;
  code->created_unix_s = static_cast<std::int64_t>(std::time(nullptr));
  complete_facts(spec, *code);
  return std::shared_ptr<const CodeObject>(std::move(code));
}

// hiprtc's worker has no disassembler. Where the LLVM worker is present it reads what is missing, before the facts are
// stored with the code.
void CompileService::complete_facts(const KernelSpec& spec, CodeObject& code) {
  if (spec.arch->vendor != Vendor::kAmd || code.facts.setvskip_count != kUnknown) {
    return;
  }
  auto inspected = pool_.inspect(code.format, code.entry, code.code);
  if (!inspected || !inspected->ok) {
    log_.debug(fmt::format("{}: no disassembly: {}", code.entry, inspected ? inspected->error : inspected.error().message));
    return;
  }
  if (auto facts = code_facts_from_json(inspected->facts)) {
    code.facts = std::move(*facts);
  }
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
  SINTER_TRY(const BackendLocation location, locations_.require(backend));
  const std::string name = memo_name(location);
  std::optional<std::string> identity;
  if (const auto memo = cache_.compiler_identity(name)) {
    identity = open_memo(*memo);
  }
  if (!identity) {
    SINTER_TRY(const protocol::BackendInfo info, pool_.backend_info(backend));
    identity = info.identity;
    IdentityMemo memo{info.identity, split_paths(info.library)};
    memo.files.push_back(location.worker);
    if (const auto sealed = seal_memo(memo)) {
      cache_.remember_compiler_identity(name, *sealed);
    }
  }
  const std::lock_guard lock(mutex_);
  return identities_[backend] = *identity;
}

}  // namespace sinter
