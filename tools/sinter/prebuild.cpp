// SPDX-License-Identifier: Apache-2.0

// sinter prebuild: compile the kernels of a manifest for any archs, with no device at hand, into a cache.

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/cpu_count.h"
#include "base/read_file.h"
#include "codegen/resolve.h"
#include "runtime/caps/device_caps.h"
#include "tools/sinter/command.h"
#include "tools/sinter/manifest.h"

namespace sinter::cli {

namespace {

struct PrebuildOptions {
  CommonOptions common;
  std::string manifest;
  std::vector<std::string> archs;
  int jobs = 0;
};

// One kernel for one arch: to be built, or refused before that.
struct BuildItem {
  KernelSpec spec;
  BodyPlan plan;
  std::string name;
  std::optional<Error> refused;
};

struct BuildResult {
  std::string spec, arch;
  bool ok = false;
  CodeOrigin origin = CodeOrigin::kCompiled;
  std::string key;
  std::size_t bytes = 0;
  double ms = 0;
  Error error;
};

// vskip "auto" may resolve differently on different devices of one arch: build what any of them may ask for.
std::vector<bool> vskip_answers(const std::vector<DeviceCaps>& table, const Arch& arch) {
  std::set<bool> answers{false};
  for (const DeviceCaps& caps : table) {
    if (caps.arch != nullptr && runs_on(arch, *caps.arch) && may_be_vskip_safe(caps)) {
      answers.insert(true);
    }
  }
  return {answers.begin(), answers.end()};
}

Result<std::vector<const Arch*>> parse_archs(const std::vector<std::string>& names) {
  std::vector<const Arch*> archs;
  for (const std::string& name : names) {
    SINTER_TRY(const Arch* arch, parse_arch(name));
    if (std::ranges::find(archs, arch) == archs.end()) {
      archs.push_back(arch);
    }
  }
  return archs;
}

// Everything is resolved and planned before anything is compiled: a manifest with a mistake builds nothing. A kernel that
// one of the archs cannot have is no mistake of the manifest; it fails by itself and the others are built.
Result<std::vector<BuildItem>> plan_items(const Runtime& runtime, const PrebuildOptions& options) {
  SINTER_TRY(const std::vector<const Arch*> archs, parse_archs(options.archs));
  SINTER_TRY(const std::string text, read_text_file(options.manifest));
  SINTER_TRY(const std::vector<ManifestKernel> kernels, parse_manifest(text, options.manifest));
  std::vector<BuildItem> items;
  std::set<std::string> names;
  const std::optional<bool> asked = runtime.settings().vskip;
  const std::int64_t open_vskip = !asked ? kVskipAuto : *asked ? kVskipOn : kVskipOff;
  for (const Arch* arch : archs) {
    const std::vector<bool> answers = vskip_answers(runtime.capability_table(), *arch);
    for (const ManifestKernel& kernel : kernels) {
      for (const bool vskip_safe : answers) {
        const auto located = [&](Error error) {
          error.message = fmt::format("{}: {}: {}", options.manifest, kernel.where, error.message);
          return error;
        };
        BuildItem item;
        auto spec = resolve(kernel.request, {arch, vskip_safe, 0, open_vskip});
        auto plan = spec ? make_plan(*spec) : Result<BodyPlan>(spec.error());
        if (plan) {
          item = {*spec, std::move(*plan), spec->name(), {}};
        } else if (plan.error().code == ErrorCode::kUnsupported) {
          item.name = fmt::format("{} for {}", kernel.where, arch->name);
          item.spec.arch = arch;
          item.refused = located(plan.error());
        } else {
          return located(plan.error());
        }
        if (names.insert(item.name).second) {
          items.push_back(std::move(item));
        }
      }
    }
  }
  return items;
}

BuildResult build(Runtime& runtime, const BuildItem& item) {
  BuildResult result;
  result.spec = item.name;
  result.arch = item.spec.arch->name;
  if (item.refused) {
    result.error = *item.refused;
    return result;
  }
  const auto start = std::chrono::steady_clock::now();
  auto compiled = runtime.compile_service().load_or_compile(item.spec, item.plan);
  result.ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (!compiled) {
    result.error = compiled.error();
    return result;
  }
  result.ok = true;
  result.origin = compiled->origin;
  result.key = to_hex(compiled->key.digest);
  result.bytes = compiled->code->code.size();
  return result;
}

// Progress on stderr: one line that is rewritten on a terminal, plain lines elsewhere.
class Progress {
 public:
  explicit Progress(std::size_t total) : total_(total), terminal_(::isatty(STDERR_FILENO) == 1) {}

  void done(const BuildResult& result) {
    const std::lock_guard lock(mutex_);
    ++count_;
    const std::string outcome = result.ok ? fmt::format("{} in {:.0f} ms", code_origin_name(result.origin), result.ms) : "FAILED";
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const double left = seconds / static_cast<double>(count_) * static_cast<double>(total_ - count_);
    fmt::print(stderr, "{}[{}/{}] {} {}{}{}", terminal_ ? "\r\033[K" : "", count_, total_, result.spec, outcome,
               count_ < total_ && left >= 1 ? fmt::format(", about {:.0f} s left", left) : "", terminal_ && count_ < total_ ? "" : "\n");
  }

 private:
  const std::size_t total_;
  const bool terminal_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;  // guards count_ and the terminal line
  std::size_t count_ = 0;
};

std::vector<BuildResult> build_all(Runtime& runtime, const std::vector<BuildItem>& items, int jobs) {
  std::vector<BuildResult> results(items.size());
  std::atomic<std::size_t> next{0};
  Progress progress(items.size());
  const auto work = [&] {
    for (std::size_t i = next++; i < items.size(); i = next++) {
      results[i] = build(runtime, items[i]);
      progress.done(results[i]);
    }
  };
  const auto cores = static_cast<std::size_t>(available_cpus());
  const std::size_t threads = std::min(items.size(), jobs > 0 ? static_cast<std::size_t>(jobs) : cores);
  std::vector<std::jthread> pool;
  for (std::size_t t = 1; t < threads; ++t) {
    pool.emplace_back(work);
  }
  work();
  pool.clear();
  return results;
}

void print_json(const std::vector<BuildResult>& results) {
  auto list = nlohmann::ordered_json::array();
  for (const BuildResult& result : results) {
    nlohmann::ordered_json object{{"spec", result.spec}, {"arch", result.arch}, {"ok", result.ok}, {"ms", result.ms}};
    if (result.ok) {
      object.update({{"key", result.key}, {"origin", code_origin_name(result.origin)}, {"bytes", result.bytes}});
    } else {
      object["error"] = {{"code", error_code_name(result.error.code)}, {"message", result.error.message}, {"log", result.error.log}};
    }
    list.push_back(std::move(object));
  }
  fmt::print("{}\n", nlohmann::ordered_json{{"kernels", std::move(list)}}.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void print_text(const std::vector<BuildResult>& results) {
  std::size_t compiled = 0, present = 0;
  for (const BuildResult& result : results) {
    if (!result.ok) {
      fmt::print("failed: {}: {}\n{}{}", result.spec, result.error.message, result.error.log, result.error.log.empty() ? "" : "\n");
    }
    (result.origin == CodeOrigin::kCompiled ? compiled : present) += result.ok ? 1 : 0;
  }
  fmt::print("{} kernels: {} compiled, {} were there, {} failed\n", results.size(), compiled, present, results.size() - compiled - present);
}

int prebuild_command(PrebuildOptions options) {
  const bool json = options.common.json;
  auto settings = settings_for(options.common);
  if (!settings) {
    return fail(settings.error(), json);
  }
  if (options.jobs > 0) {
    settings->workers = options.jobs;
  }
  if (settings->cache_dir.empty()) {
    return fail(make_error(ErrorCode::kInvalidRequest, "prebuild needs a directory to keep the kernels in: give --cache DIR or set SINTER_CACHE_DIR"), json);
  }
  auto runtime = Runtime::create({std::move(*settings), {}, false});
  if (!runtime) {
    return fail(runtime.error(), json);
  }
  const auto items = plan_items(**runtime, options);
  if (!items) {
    return fail(items.error(), json);
  }
  const std::vector<BuildResult> results = build_all(**runtime, *items, options.jobs);
  (json ? print_json : print_text)(results);
  // What others compiled at the same time is kept by them.
  const auto compiled = std::ranges::count_if(results, [](const BuildResult& result) { return result.ok && result.origin == CodeOrigin::kCompiled; });
  const bool kept = (*runtime)->counters().cache.stores >= compiled;
  if (!kept) {
    fmt::print(stderr, "sinter: not every kernel could be kept in {}\n", (*runtime)->cache().directory());
  }
  return kept && std::ranges::all_of(results, &BuildResult::ok) ? kGood : kProblem;
}

}  // namespace

void add_prebuild(CLI::App& app, int& status) {
  auto options = std::make_shared<PrebuildOptions>();
  CLI::App* command = app.add_subcommand("prebuild", "Compile the kernels of a manifest for any archs; no device is needed");
  command->footer(
      "m.json:\n"
      "  {\"kernels\": [{\"family\": \"grouped_gemm\", \"quant\": [\"none\", \"fp8_block\"], \"n\": 2816, \"k\": 2048, \"groups\": 64,\n"
      "                \"tile\": [128, 128, 64], \"vskip\": \"auto\"}]}\n"
      "A list in place of a value is a sweep. What is left out is chosen for the arch.\n\n"
      "  sinter prebuild --manifest m.json --arch gfx942,sm_90a,x86-64-v3 --cache ./kernels");
  command->add_option("--manifest", options->manifest, "JSON file of kernels")->required()->type_name("FILE");
  command->add_option("--arch", options->archs, "archs to build for, comma-separated")->required()->delimiter(',')->type_name("ARCH,...");
  command->add_option("-j,--jobs", options->jobs, "compiles at a time (default: one per core)")->check(CLI::Range(1, 1024));
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = prebuild_command(*options); });
}

}  // namespace sinter::cli
