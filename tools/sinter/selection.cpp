// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/selection.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/read_file.h"

namespace sinter::cli {

namespace {

/// A fleet that traces for a month.
constexpr std::uint64_t kMaxTraceBytes = std::uint64_t{1} << 30;

Error invalid(std::string message) { return make_error(ErrorCode::kInvalidRequest, std::move(message)); }

bool is_live(const std::string& device) {
  return device == "host" || device.starts_with("cuda:") || device.starts_with("hip:");
}

Result<std::vector<PlanTarget>> named_devices(Runtime& runtime, const SelectionOptions& options) {
  std::vector<PlanTarget> targets;
  for (const std::string& name : options.devices) {
    if (is_live(name)) {
      if (!options.driver_version.empty()) {
        return invalid(
            fmt::format("{} tells its driver itself: leave out --driver, or name a row of `sinter devices`", name));
      }
      SINTER_TRY(const int number, runtime.open_device(name));
      const Device& device = runtime.device(number);
      targets.push_back({device.build_arch, device.caps, device.properties});
      targets.back().caps.driver_version = device.properties.driver_version;
      continue;
    }
    SINTER_TRY(const DeviceCaps* row, find_device_caps(runtime.capability_table(), name));
    targets.push_back({row->arch, *row, {}});
    targets.back().caps.driver_version = options.driver_version;
  }
  return targets;
}

Result<std::vector<PlanTarget>> read_targets(Runtime& runtime, const SelectionOptions& options) {
  SINTER_TRY(std::vector<PlanTarget> targets, named_devices(runtime, options));
  std::vector<const Arch*> archs;
  for (const std::string& name : options.archs) {
    SINTER_TRY(const Arch* arch, parse_arch(name));
    if (std::ranges::find(archs, arch) != archs.end()) {
      continue;
    }
    archs.push_back(arch);
    std::ranges::move(targets_of_arch(*arch, runtime.capability_table(), options.driver_version),
                      std::back_inserter(targets));
  }
  // Devices of one arch share its kernels: they stand together.
  std::ranges::stable_sort(targets, {}, [](const PlanTarget& target) { return target.arch; });
  return targets;
}

Result<std::vector<ManifestKernel>> read_kernels(const SelectionOptions& options) {
  std::vector<ManifestKernel> kernels;
  for (const std::string& file : options.manifests) {
    SINTER_TRY(const std::string text, read_text_file(file));
    SINTER_TRY(std::vector<ManifestKernel> more, parse_manifest(text, file));
    for (ManifestKernel& kernel : more) {
      kernel.where = fmt::format("{}: {}", file, kernel.where);
    }
    std::ranges::move(more, std::back_inserter(kernels));
  }
  if (!options.model.empty()) {
    SINTER_TRY(const std::vector<ModelPreset> models, parse_models(builtin_models_json(), "models.json"));
    SINTER_TRY(const ModelPreset* model, find_model(models, options.model));
    SINTER_TRY(std::vector<ManifestKernel> more, model_kernels(*model, options.split));
    std::ranges::move(more, std::back_inserter(kernels));
  }
  return kernels;
}

Result<std::vector<TracedKernel>> read_traces(const SelectionOptions& options, std::vector<std::string>& notes) {
  std::vector<TracedKernel> kernels;
  for (const std::string& file : options.traces) {
    SINTER_TRY(const std::string text, read_text_file(file, kMaxTraceBytes));
    SINTER_TRY(TraceContents contents, parse_trace(text, std::filesystem::path(file).filename().string()));
    if (contents.unreadable > 0) {
      notes.push_back(fmt::format("{}: {} of {} lines cannot be read and are left out; the first: {}", file,
                                  contents.unreadable, contents.lines, contents.first_problem));
    }
    if (contents.refused > 0) {
      notes.push_back(
          fmt::format("{}: {} requests were invalid or not for their device and are left out", file, contents.refused));
    }
    std::ranges::move(contents.kernels, std::back_inserter(kernels));
  }
  return kernels;
}

Result<void> check_options(const SelectionOptions& options) {
  if (options.manifests.empty() && options.traces.empty() && options.model.empty()) {
    return invalid(
        "nothing is declared: give --manifest FILE, --model NAME or --trace FILE (sinter prebuild --list-models shows "
        "the models)");
  }
  const bool only_traced = options.manifests.empty() && options.model.empty();
  if (options.archs.empty() && options.devices.empty() && !only_traced) {
    return invalid(
        "for what? give --arch ARCH,... or --device NAME,... (sinter devices shows both); only a trace says it by "
        "itself");
  }
  const ModelSplit& split = options.split;
  const bool is_split = split.tensor_parallel != 1 || split.expert_parallel != 1 || split.fuse_shared ||
                        !split.quants.empty() || !split.tokens.empty();
  return options.model.empty() && is_split
             ? Result<void>(invalid("--tp, --ep, --fuse-shared, --quant and --tokens are about a --model"))
             : Result<void>();
}

}  // namespace

void add_selection_options(CLI::App& command, SelectionOptions& options) {
  command.add_option("--manifest", options.manifests, "JSON file of kernels (more than once: all of them)")
      ->type_name("FILE");
  command.add_option("--model", options.model, "the layer of a known model; --list-models has the names")
      ->type_name("NAME");
  command.add_option("--tp", options.split.tensor_parallel, "of a model: ranks that share each expert")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  command.add_option("--ep", options.split.expert_parallel, "of a model: groups of ranks that share the experts")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  command.add_flag("--fuse-shared", options.split.fuse_shared,
                   "of a model: shared experts are further groups of the same launch");
  command.add_option("--quant", options.split.quants, "of a model: these modes instead of its own")
      ->delimiter(',')
      ->type_name("MODE,...");
  command.add_option("--tokens", options.split.tokens, "of a model: tokens of a step, for serving that hints rows")
      ->delimiter(',')
      ->type_name("N,...");
  command.add_option("--trace", options.traces, "file that SINTER_TRACE recorded (more than once: all of them)")
      ->type_name("FILE");
  command.add_option("--arch", options.archs, "for every device of these archs")->delimiter(',')->type_name("ARCH,...");
  command
      .add_option("--device", options.devices,
                  "for these devices alone: rows of `sinter devices`, or cuda:0, hip:0, host of this machine")
      ->delimiter(',')
      ->type_name("NAME,...");
  command.add_option("--driver", options.driver_version, "driver that they have (default: any)")->type_name("VERSION");
  command.add_option("--shard", options.shard, "only part I of N, the same on every machine; I counts from 0")
      ->type_name("I/N");
}

Result<Selection> select_kernels(Runtime& runtime, const TunedTable& tuned, const SelectionOptions& options) {
  SINTER_TRY_VOID(check_options(options));
  Shard shard;
  if (!options.shard.empty()) {
    SINTER_TRY(shard, parse_shard(options.shard));
  }
  Selection selection;
  SINTER_TRY(selection.targets, read_targets(runtime, options));
  SINTER_TRY(const std::vector<ManifestKernel> kernels, read_kernels(options));
  SINTER_TRY(const std::vector<TracedKernel> traced, read_traces(options, selection.notes));
  SINTER_TRY(selection.plan, plan_kernels(kernels, traced, selection.targets,
                                          {runtime.capability_table(), runtime.quirks(), tuned, runtime.settings()}));
  keep_shard(selection.plan, shard);
  return selection;
}

}  // namespace sinter::cli
