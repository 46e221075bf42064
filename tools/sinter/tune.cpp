// SPDX-License-Identifier: Apache-2.0

// sinter tune: measures what a request may leave open, on a device that is here, and keeps the decision.

#include <charconv>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cache/tuning_store.h"
#include "codegen/resolve.h"
#include "codegen/row_spread.h"
#include "tools/sinter/command.h"
#include "tools/sinter/tune_commands.h"
#include "tools/sinter/tuner.h"

namespace sinter::cli {

namespace {

struct TuneOptions {
  CommonOptions common;
  std::string device = "host", arch, family;
  std::map<std::string, std::string> params;  // by name; empty: not given
  std::int64_t rows = 0, largest = 0;
  std::string lengths;
  TunerOptions tuner;
  bool dry_run = false;
};

Error invalid(std::string message) { return make_error(ErrorCode::kInvalidRequest, std::move(message)); }

Result<std::vector<std::int64_t>> parse_lengths(std::string_view text) {
  std::vector<std::int64_t> lengths;
  std::int64_t sum = 0;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    std::int64_t number = -1;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + comma, number);
    if (error != std::errc{} || end != text.data() + comma || number < 0 || number > kMaxRows - sum) {
      return invalid(fmt::format("--lengths '{}' is no list of rows, such as 512,0,384, of at most {} in all", text, kMaxRows));
    }
    sum += number;
    lengths.push_back(number);
    at = comma + 1;
  }
  return sum > 0 ? Result<std::vector<std::int64_t>>(std::move(lengths)) : invalid("--lengths has no rows at all");
}

Result<std::vector<std::int64_t>> rows_of_groups(const TuneOptions& options, std::int64_t groups) {
  if (options.lengths.empty() == (options.rows == 0)) {
    return invalid("give the rows of a launch: --rows, and --largest if some groups have many; or --lengths, the rows of each group");
  }
  if (options.lengths.empty()) {
    return spread_rows(options.rows, groups, options.largest);
  }
  SINTER_TRY(std::vector<std::int64_t> lengths, parse_lengths(options.lengths));
  if (static_cast<std::int64_t>(lengths.size()) != groups) {
    return invalid(fmt::format("--lengths has {} numbers for {} groups", lengths.size(), groups));
  }
  return lengths;
}

Result<KernelRequest> make_request(const TuneOptions& options) {
  if (options.family.empty()) {
    return invalid("give --family and its parameters, or one of list, show, export, import, forget");
  }
  KernelRequest request;
  SINTER_TRY(request.family, find_family(options.family));
  for (const auto& [name, value] : options.params) {
    if (!value.empty()) {
      SINTER_TRY_VOID(set_param(request, name, std::string_view(value)));
    }
  }
  return request;
}

std::int64_t groups_of(const KernelRequest& request) {
  const int index = all_families()[request.family]->param_index("groups");
  const std::int64_t groups = index < 0 ? 1 : request.values[static_cast<std::size_t>(index)];
  return groups == kUnset ? 1 : groups;
}

void print_outcome(const TuneOptions& options, const TuningOutcome& outcome) {
  if (options.common.json) {
    auto document = nlohmann::ordered_json::parse(to_json(outcome.row));
    document["without_measurements"] = {{"source", choice_source_name(outcome.source)},
                                        {"choice", to_string(outcome.heuristic)},
                                        {"over_best", outcome.heuristic_ratio}};
    document["decision"] = to_hex(decision_of(outcome.row));
    document["stored"] = !options.dry_run;
    fmt::print("{}\n", document.dump(2));
    return;
  }
  print_row(outcome.row);
  const std::string loss = outcome.heuristic_ratio > 0 ? fmt::format("{:.1f} % over the best", 100 * (outcome.heuristic_ratio - 1)) : "not timed";
  fmt::print("  without measurements, by {}: {}, {}\n", choice_source_name(outcome.source), to_string(outcome.heuristic), loss);
}

Result<TuningOutcome> run(const TuneOptions& options) {
  SINTER_TRY(const KernelRequest request, make_request(options));
  SINTER_TRY(const std::vector<std::int64_t> rows, rows_of_groups(options, groups_of(request)));
  SINTER_TRY(auto runtime, make_runtime(options.common));
  const Arch* arch = nullptr;
  if (!options.arch.empty()) {
    SINTER_TRY(arch, parse_arch(options.arch));
  }
  SINTER_TRY(const int device, runtime->open_device(options.device, arch));
  const auto on_step = [](const std::string& step) { fmt::print(stderr, "{}\n", step); };
  SINTER_TRY(TuningOutcome outcome, tune(*runtime, device, request, rows, options.tuner, on_step));
  if (!options.dry_run) {
    const Settings& settings = runtime->settings();
    const auto warn = [](const std::string& problem) { fmt::print(stderr, "sinter: {}\n", problem); };
    SINTER_TRY_VOID(write_tuning({settings.cache_dir, settings.shared_cache_dir}, {outcome.row}, warn));
  }
  return outcome;
}

int tune_command(const TuneOptions& options) {
  const auto outcome = run(options);
  if (!outcome) {
    return fail(outcome.error(), options.common.json);
  }
  print_outcome(options, *outcome);
  return outcome->any_wrong ? kProblem : kGood;
}

}  // namespace

void add_tune(CLI::App& app, int& status) {
  auto options = std::make_shared<TuneOptions>();
  CLI::App* command = app.add_subcommand("tune", "Measure which tile is fastest for a shape on a device, and keep the answer");
  command->footer("  sinter tune --device cuda:0 --family grouped_gemm --n 2816 --k 2048 --groups 64 --rows 24576\n"
                  "  sinter tune export tuned.json; SINTER_TUNED=tuned.json ...");
  command->require_subcommand(0, 1);
  command->add_option("--device", options->device, "host, cuda:N or hip:N (default: host)")->type_name("NAME");
  command->add_option("--arch", options->arch, "tune code for another arch that the device runs, such as compute_80 (PTX)")->type_name("ARCH");
  command->add_option("--family", options->family, "grouped_gemm, grouped_wgrad or quantize");
  for (const Family* family : all_families()) {
    for (const ParamInfo& param : family->params()) {
      const std::string name(param.name);
      if (name != "tile" && options->params.try_emplace(name).second) {
        command->add_option("--" + name, options->params[name], std::string(param.help))->type_name("VALUE");
      }
    }
  }
  command->add_option("--rows", options->rows, "rows of a launch, spread evenly over the groups")->type_name("N")->check(CLI::Range(std::int64_t{1}, kMaxRows));
  command->add_option("--largest", options->largest, "rows of the largest group; the others fall off from it")->type_name("N")->check(CLI::Range(std::int64_t{1}, kMaxRows));
  command->add_option("--lengths", options->lengths, "rows of each group, instead: 512,0,384,...")->type_name("LIST");
  command->add_option("--samples", options->tuner.samples, "timed launches of each candidate (default: 15)")->check(CLI::Range(1, 100000));
  command->add_option("--pause-ms", options->tuner.pause_ms, "pause before each of them (default: 5)")->check(CLI::Range(0, 10000));
  command->add_option("--seed", options->tuner.seed, "of the random operands (default: 1)");
  command->add_flag("--dry-run", options->dry_run, "measure and print, store nothing");
  add_common_options(*command, options->common);
  add_tune_rows(*command, status);
  command->callback([command, options, &status] {
    if (command->get_subcommands().empty()) {
      status = tune_command(*options);
    }
  });
}

}  // namespace sinter::cli
