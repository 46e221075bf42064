// SPDX-License-Identifier: Apache-2.0

// sinter prebuild: compile what a manifest, a model or a trace declares, for any archs, with no device at hand, into a
// cache and from there into bundles.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cache/cache_admin.h"
#include "cache/signing_key.h"
#include "runtime/compile/worker_budget.h"
#include "runtime/tuned_rows.h"
#include "tools/sinter/command.h"
#include "tools/sinter/prebuild_progress.h"
#include "tools/sinter/prebuild_report.h"
#include "tools/sinter/selection.h"

namespace sinter::cli {

namespace {

using State = BuildResult::State;

struct PrebuildOptions {
  CommonOptions common;
  SelectionOptions selection;
  int jobs = 0;
  bool keep_going = false;
  bool list_models = false;
  std::string out, name = "kernels", key_file;
  std::int64_t created_unix_s = 0;
};

Error invalid(std::string message) { return make_error(ErrorCode::kInvalidRequest, std::move(message)); }

// --- building ---

void build(Runtime& runtime, const PlannedKernel& kernel, BuildResult& result) {
  const auto start = std::chrono::steady_clock::now();
  auto compiled = runtime.compile_service().load_or_compile(kernel.spec, kernel.plan);
  result.ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (!compiled) {
    result.state = State::kFailed;
    result.error = std::move(compiled).error();
    return;
  }
  result.state = State::kBuilt;
  result.origin = compiled->origin;
  result.key = compiled->key.digest;
  result.bytes = compiled->code->code.size();
}

void show(Progress& progress, const BuildResult& result) {
  if (result.state != State::kBuilt) {
    progress.done(result.spec, Progress::Work::kFailed, "FAILED");
  } else if (result.origin == CodeOrigin::kCompiled) {
    progress.done(result.spec, Progress::Work::kCompiled, fmt::format("compiled in {:.0f} ms", result.ms));
  } else {
    progress.done(result.spec, Progress::Work::kFound, fmt::format("was there ({})", code_origin_name(result.origin)));
  }
}

/// As many at once as there are cores and memory for. After a failure nothing new is begun, unless it shall go on.
std::vector<BuildResult> build_all(Runtime& runtime, const std::vector<PlannedKernel>& kernels,
                                   const PrebuildOptions& options) {
  std::vector<BuildResult> results(kernels.size());
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    results[i].spec = kernels[i].name;
    results[i].arch = kernels[i].spec.arch;
  }
  Progress progress(stderr, kernels.size());
  std::atomic<std::size_t> next{0};
  std::atomic<bool> stop{false};
  const auto work = [&] {
    for (std::size_t i = next++; i < kernels.size() && !stop; i = next++) {
      build(runtime, kernels[i], results[i]);
      show(progress, results[i]);
      stop = stop || (results[i].state == State::kFailed && !options.keep_going);
    }
  };
  const auto jobs = static_cast<std::size_t>(options.jobs > 0 ? options.jobs : worker_budget(process_share()));
  std::vector<std::jthread> pool;
  for (std::size_t t = 1; t < std::min(kernels.size(), jobs); ++t) {
    pool.emplace_back(work);
  }
  work();
  pool.clear();
  return results;
}

BuildResult refusal_of(const RefusedKernel& refused) {
  BuildResult result;
  result.spec = refused.what;
  result.arch = refused.arch;
  result.state = State::kRefused;
  result.error = refused.error;
  return result;
}

// --- bundles ---

/// One bundle for each arch, of exactly what was built.
Result<std::vector<WrittenBundle>> write_bundles(const std::vector<BuildResult>& results, const std::string& cache_dir,
                                                 const PrebuildOptions& options, const SigningKey* key) {
  std::map<std::string_view, std::set<Digest>> archs;
  for (const BuildResult& result : results) {
    if (result.state == State::kBuilt) {
      archs[result.arch->name].insert(result.key);
    }
  }
  std::vector<WrittenBundle> bundles;
  if (archs.empty()) {
    return bundles;  // a shard may have nothing to build
  }
  SINTER_TRY(CacheAdmin cache, CacheAdmin::open(cache_dir));
  SINTER_TRY_VOID(cache.freeze());
  for (const auto& [arch, keys] : archs) {
    auto next = keys.begin();
    const RowSource rows = [&]() -> Result<std::optional<EntryRow>> {
      if (next == keys.end()) {
        return std::optional<EntryRow>();
      }
      SINTER_TRY(std::optional<EntryRow> row, cache.find_row(*next));
      if (!row) {
        return make_error(ErrorCode::kCacheError,
                          fmt::format("{} has lost the entry {}: build again", cache.database_path(), to_hex(*next)));
      }
      ++next;
      return row;
    };
    SINTER_TRY(WrittenBundle written, write_bundle(rows, {.directory = options.out,
                                                          .name = options.name,
                                                          .arch = std::string(arch),
                                                          .created_unix_s = options.created_unix_s,
                                                          .key = key}));
    bundles.push_back(std::move(written));
  }
  return bundles;
}

// --- the command ---

Result<Settings> prebuild_settings(const PrebuildOptions& options, Settings settings) {
  if (settings.cache_dir.empty()) {
    return invalid("prebuild needs a directory to keep the kernels in: give --cache DIR or set SINTER_CACHE_DIR");
  }
  if (options.jobs > 0) {
    settings.workers = options.jobs;
  }
  settings.compile = CompileMode::kOn;  // off is for servers, whose environment this may be
  // What was just built must not go before all is.
  settings.cache_max_bytes = 0;
  settings.cache_max_entries = 0;
  if (!options.out.empty()) {
    settings.bundles.clear();  // a new bundle is whole without the ones that others have
  }
  return settings;
}

Result<std::optional<SigningKey>> load_key(const PrebuildOptions& options) {
  if (options.key_file.empty()) {
    return std::optional<SigningKey>();
  }
  if (options.out.empty()) {
    return invalid("--sign is about bundles: give --out DIR for them");
  }
  SINTER_TRY(SigningKey key, SigningKey::load(options.key_file));
  return std::optional(std::move(key));
}

Result<BuildReport> prebuild(const PrebuildOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  SINTER_TRY(const Settings served, settings_for(options.common));
  SINTER_TRY(Settings settings, prebuild_settings(options, served));
  SINTER_TRY(const std::optional<SigningKey> key, load_key(options));
  SINTER_TRY(const std::unique_ptr<Runtime> runtime, Runtime::create({std::move(settings), {}, false}));
  // Measured rows may lie beside the bundles that are not looked into here.
  SINTER_TRY(const std::unique_ptr<TunedRows> tuned, TunedRows::create(served, runtime->log()));
  SINTER_TRY(const Selection selection, select_kernels(*runtime, tuned->table(), options.selection));
  for (const std::string& note : selection.notes) {
    fmt::print(stderr, "sinter: {}\n", note);
  }
  BuildReport report;
  report.results = build_all(*runtime, selection.plan.kernels, options);
  const std::string& directory = runtime->cache().directory();
  // What others compiled at the same time is kept by them.
  if (runtime->counters().cache.stores < static_cast<std::int64_t>(report.compiled())) {
    report.problems.push_back(fmt::format("not every kernel could be kept in {}", directory));
  }
  const bool whole = report.count(State::kBuilt) == report.results.size() && report.problems.empty();
  for (const RefusedKernel& refused : selection.plan.refused) {
    if (refused.device.empty()) {
      report.results.push_back(refusal_of(refused));
    }
  }
  if (!options.out.empty() && (whole || options.keep_going)) {
    if (auto bundles = write_bundles(report.results, directory, options, key ? &*key : nullptr)) {
      report.bundles = std::move(*bundles);
    } else {
      report.problems.push_back(bundles.error().message);
    }
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

int run_prebuild(const PrebuildOptions& options) {
  const auto report = prebuild(options);
  if (!report) {
    return fail(report.error(), options.common.json);
  }
  for (const std::string& problem : report->problems) {
    fmt::print(stderr, "sinter: {}\n", problem);
  }
  (options.common.json ? print_report_json : print_report)(*report);
  return report->ok() ? kGood : kProblem;
}

int list_models(bool json) {
  const auto models = parse_models(builtin_models_json(), "models.json");
  if (!models) {
    return fail(models.error(), json);
  }
  if (json) {
    auto list = nlohmann::ordered_json::array();
    for (const ModelPreset& model : *models) {
      list.push_back({{"name", model.name},
                      {"aliases", model.aliases},
                      {"hidden", model.hidden},
                      {"intermediate", model.intermediate},
                      {"experts", model.experts},
                      {"topk", model.topk},
                      {"shared", model.shared},
                      {"pad_to", model.pad_to},
                      {"quant", model.quants},
                      {"source", model.source}});
    }
    fmt::print("{}\n", nlohmann::ordered_json{{"models", std::move(list)}}.dump(2));
    return kGood;
  }
  fmt::print("{:<20} {:>6} {:>12} {:>7} {:>5} {:>6}  {}\n", "model", "hidden", "intermediate", "experts", "top-k",
             "shared", "quant");
  for (const ModelPreset& model : *models) {
    fmt::print("{:<20} {:>6} {:>12} {:>7} {:>5} {:>6}  {}\n", model.name, model.hidden, model.intermediate,
               model.experts, model.topk, model.shared, fmt::join(model.quants, ", "));
  }
  fmt::print("--json has the sources.\n");
  return kGood;
}

}  // namespace

void add_prebuild(CLI::App& app, int& status) {
  auto options = std::make_shared<PrebuildOptions>();
  CLI::App* command = app.add_subcommand(
      "prebuild", "Compile what a manifest, a model or a trace declares, for any archs; no device is needed");
  command->footer(
      "m.json:\n"
      "  {\"kernels\": [{\"family\": \"grouped_gemm\", \"quant\": [\"none\", \"fp8_block\"], \"n\": 2816, \"k\": 2048, "
      "\"groups\": 64,\n"
      "                \"tile\": [128, 128, 64], \"vskip\": \"auto\"}]}\n"
      "A list in place of a value is a sweep. What is left out is chosen for the arch and its devices. What is in the "
      "cache\n"
      "already is not compiled again: after an interruption the same command goes on.\n\n"
      "  sinter prebuild --manifest m.json --arch gfx942,sm_90a,x86-64-v3 --cache ./kernels\n"
      "  sinter prebuild --model deepseek-v3 --tp 8 --device MI300X,H200 --out ./bundles --sign release.key\n"
      "  sinter prebuild --trace requests.jsonl --keep-going\n\n"
      "Exit status: 0 all is there; 1 something failed or cannot be had, and the summary says what and why; 2 "
      "malformed input.");
  add_selection_options(*command, options->selection);
  command
      ->add_option("-j,--jobs", options->jobs,
                   "compiles at a time (default: as many as there are cores and memory for)")
      ->check(CLI::Range(1, 1024));
  command->add_flag("-k,--keep-going", options->keep_going,
                    "after a failure build the others, and bundles of what could be built");
  command->add_option("--out", options->out, "write a bundle for each arch to this directory")->type_name("DIR");
  command->add_option("--name", options->name, "name of the bundles: NAME-ARCH.sinter (default: kernels)");
  command->add_option("--sign", options->key_file, "private key that signs the bundles")->type_name("KEYFILE");
  command->add_option("--created", options->created_unix_s, "time of each entry of the bundles, in seconds since 1970")
      ->envname("SOURCE_DATE_EPOCH")
      ->check(CLI::NonNegativeNumber)
      ->type_name("SECONDS");
  command->add_flag("--list-models", options->list_models, "print the models that --model knows, and build nothing");
  add_common_options(*command, options->common);
  command->callback([options, &status] {
    status = options->list_models ? list_models(options->common.json) : run_prebuild(*options);
  });
}

}  // namespace sinter::cli
