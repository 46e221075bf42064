// SPDX-License-Identifier: Apache-2.0

// sinter cache why: is this request a hit, and if not, why? The request walks the steps of a real one up to the
// look-up; then the stored key that is nearest is compared with its own.

#include <algorithm>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "codegen/resolve.h"
#include "runtime/caps/choose.h"
#include "runtime/caps/tuning_device.h"
#include "runtime/caps/validate.h"
#include "tools/sinter/cache_commands.h"
#include "tools/sinter/cache_view.h"
#include "tools/sinter/key_text.h"
#include "tools/sinter/miss_reason.h"
#include "tools/sinter/request_options.h"
#include "tools/sinter/safetensors.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;

struct WhyCommand {
  CommonOptions common;
  RequestOptions request;
  std::string device = "host";
  std::string arch, driver_version, input;
};

/// The kernel that the request means on the device, and its key.
struct WantedKernel {
  KernelSpec spec;
  CacheKey key;
  std::string device;
  std::string no_compiler;  ///< Why no compiler would be asked; empty: one would.
};

Result<KernelRequest> wanted_request(const WhyCommand& options) {
  SINTER_TRY(KernelRequest request, make_request(options.request));
  if (!options.input.empty()) {
    SINTER_TRY(const SafetensorsFile file, SafetensorsFile::open(options.input));
    std::vector<TensorInfo> infos;
    for (const TensorView& tensor : file.tensors()) {
      infos.push_back(tensor.info);
    }
    SINTER_TRY_VOID(all_families()[request.family]->request_from_tensors(request, infos));
  }
  return request;
}

struct Place {
  DeviceCaps caps;
  const Arch* arch = nullptr;
  std::string driver_version;
  TuningDevice tuning;
};

bool is_live_name(std::string_view name) {
  return name == "host" || name.starts_with("cuda:") || name.starts_with("hip:");
}

Result<Place> find_place(Runtime& runtime, const WhyCommand& options) {
  const Arch* arch = nullptr;
  if (!options.arch.empty()) {
    SINTER_TRY(arch, parse_arch(options.arch));
  }
  if (is_live_name(options.device)) {
    SINTER_TRY(const int number, runtime.open_device(options.device, arch));
    const Device& device = runtime.device(number);
    return Place{device.caps, device.build_arch, device.properties.driver_version,
                 tuning_device(device.caps, *device.build_arch, &device.properties)};
  }
  SINTER_TRY(const DeviceCaps* row, find_device_caps(runtime.capability_table(), options.device));
  Place place{*row, arch != nullptr ? arch : row->arch, options.driver_version, {}};
  place.caps.driver_version = options.driver_version;
  place.tuning = tuning_device(place.caps, *place.arch, nullptr);
  return place;
}

Result<WantedKernel> find_wanted(Runtime& runtime, const WhyCommand& options) {
  SINTER_TRY(const Place place, find_place(runtime, options));
  SINTER_TRY(const KernelRequest request, wanted_request(options));
  SINTER_TRY(const KernelChoice choice,
             choose_kernel({.request = request,
                            .target = resolve_target(place.caps, *place.arch, runtime.settings()),
                            .caps = place.caps,
                            .driver_version = place.driver_version,
                            .quirks = runtime.quirks(),
                            .tuned = &runtime.tuned(),
                            .device = place.tuning}));
  SINTER_TRY(const BodyPlan plan, make_plan(choice.spec));
  SINTER_TRY_VOID(check_spec(choice.spec, plan, place.caps, false));
  SINTER_TRY_VOID(check_quirks(choice.spec, place.caps, place.driver_version, runtime.quirks()));
  WantedKernel wanted{choice.spec, {}, fmt::format("{} ({})", place.caps.name, choice.spec.arch->name), {}};
  Toolchain toolchain;
  if (auto found = runtime.compile_service().toolchain_for(*choice.spec.arch)) {
    toolchain = std::move(*found);
  } else {
    wanted.no_compiler = found.error().message;
  }
  SINTER_TRY(wanted.key, cache_key_of(choice.spec, plan, toolchain));
  return wanted;
}

/// What the local database has to say.
Result<MissReason> ask_database(CacheAdmin& cache, const WantedKernel& wanted, const Settings& settings,
                                bool any_compiler) {
  SINTER_TRY_VOID(cache.freeze());
  const std::string key = to_hex(wanted.key.digest);
  SINTER_TRY(const bool present, cache.contains(wanted.key.digest));
  if (present) {
    SINTER_TRY(const CacheEntry entry, cache.show(key));
    if (entry.problem.empty() && settings.signatures == SignaturePolicy::kAll && !entry.is_signed) {
      return untrusted_reason(key);
    }
    return entry.problem.empty() ? hit_reason("local", key) : damaged_reason(key, entry.problem);
  }
  SINTER_TRY(const std::vector<BadEntry> bad, cache.bad_entries());
  if (const auto it = std::ranges::find(bad, key, &BadEntry::key); it != bad.end()) {
    return damaged_reason(key, it->reason);
  }
  SINTER_TRY(const std::vector<FailedCompile> failures, cache.failures());
  if (const auto it = std::ranges::find(failures, key, &FailedCompile::key); it != failures.end()) {
    return failing_reason(*it);
  }
  SINTER_TRY(const std::optional<NearKey> near, cache.nearest(wanted.key));
  if (any_compiler && near && near->same_spec && same_but_compiler(near->key, wanted.key)) {
    return hit_reason("local", to_hex(near->key.digest));
  }
  return near ? nearest_reason(wanted.key, *near) : nothing_reason(wanted.key);
}

Result<MissReason> find_reason(Runtime& runtime, const WantedKernel& wanted, bool has_cache, std::string& database) {
  const Settings& settings = runtime.settings();
  const bool any_compiler = settings.compile == CompileMode::kOff || !wanted.no_compiler.empty();
  // Bundles' kernels are taken whatever compiler made them.
  for (const CacheKey& key : runtime.cache().bundle_keys_of_spec(wanted.spec.name(), wanted.spec.arch->name)) {
    if (same_but_compiler(key, wanted.key)) {
      return hit_reason("bundle", to_hex(key.digest));
    }
  }
  if (!has_cache) {
    return no_cache_reason(settings.cache_dir);
  }
  SINTER_TRY(CacheAdmin cache, CacheAdmin::open(settings.cache_dir));
  database = cache.database_path();
  SINTER_TRY(MissReason reason, ask_database(cache, wanted, settings, any_compiler));
  if (!reason.is_hit() && settings.compile == CompileMode::kOff) {
    reason.advice += " SINTER_COMPILE is off here: until then the request is refused.";
  } else if (!reason.is_hit() && !wanted.no_compiler.empty()) {
    reason.advice += fmt::format(" Nothing can be compiled here: {}.", wanted.no_compiler);
  }
  return reason;
}

void print_json(const WantedKernel& wanted, const MissReason& reason, const std::string& database) {
  auto fields = ordered_json::object();
  for (const KeyField& field : wanted.key.fields) {
    fields[field.name] = field.value;
  }
  auto differences = ordered_json::array();
  for (const KeyDifference& difference : reason.differences) {
    differences.push_back({{"name", difference.name}, {"wanted", difference.left}, {"stored", difference.right}});
  }
  fmt::print("{}\n", dump({{"verdict", reason.is_hit() ? "hit" : "miss"},
                           {"layer", reason.is_hit() ? ordered_json(reason.layer) : ordered_json(nullptr)},
                           {"cause", reason.is_hit() ? ordered_json(nullptr) : ordered_json(reason.cause)},
                           {"why", reason.why},
                           {"advice", reason.advice},
                           {"device", wanted.device},
                           {"spec", wanted.spec.name()},
                           {"key", to_hex(wanted.key.digest)},
                           {"key_fields", fields},
                           {"database", database.empty() ? ordered_json(nullptr) : ordered_json(database)},
                           {"nearest", reason.nearest.empty()
                                           ? ordered_json(nullptr)
                                           : ordered_json{{"key", reason.nearest}, {"spec", reason.nearest_spec}}},
                           {"differences", differences}}));
}

void print_text(const WantedKernel& wanted, const MissReason& reason, const std::string& database) {
  fmt::print("{:<9} {}\n{:<9} {}\n{:<9} {}\n", "device", wanted.device, "kernel", wanted.spec.name(), "key",
             to_hex(wanted.key.digest));
  if (!database.empty()) {
    fmt::print("{:<9} {}\n", "cache", database);
  }
  fmt::print("{:<9} {}\n", "verdict",
             reason.is_hit() ? fmt::format("hit ({})", reason.layer) : fmt::format("MISS: {}", reason.cause));
  fmt::print("{:<9} {}\n", "why", reason.why);
  if (!reason.nearest.empty()) {
    fmt::print("{:<9} {}  {}\n", "nearest", reason.nearest.substr(0, 12), reason.nearest_spec);
    fmt::print("what differs (- this request, + what is stored)\n{}", differences_text(reason.differences));
  }
  if (!reason.advice.empty()) {
    fmt::print("{:<9} {}\n", "way out", reason.advice);
  }
}

int why(const WhyCommand& options) {
  const bool json = options.common.json;
  auto runtime = make_runtime(options.common);
  if (!runtime) {
    return fail(runtime.error(), json);
  }
  // Asked first: finding the compiler's identity may make the database.
  const std::string& directory = (*runtime)->settings().cache_dir;
  const bool has_cache = !directory.empty() && CacheAdmin::exists(directory);
  const auto wanted = find_wanted(**runtime, options);
  if (!wanted) {
    return fail(wanted.error(), json);
  }
  std::string database;
  const auto reason = find_reason(**runtime, *wanted, has_cache, database);
  if (!reason) {
    return fail(reason.error(), json);
  }
  (json ? print_json : print_text)(*wanted, *reason, database);
  return reason->is_hit() ? kGood : kProblem;
}

}  // namespace

void add_cache_why(CLI::App& cache, int& status) {
  auto options = std::make_shared<WhyCommand>();
  CLI::App* command =
      cache.add_subcommand("why", "Why a request is a miss: the nearest stored kernel, and what differs");
  command->footer(
      "Takes a request as `sinter check` and `sinter run` do, and looks it up without compiling anything. Exit 0: a "
      "hit; 1: a miss, or refused.\n\n"
      "  sinter cache why --family grouped_gemm --n 2816 --k 2048 --groups 64\n"
      "  sinter cache why --family grouped_gemm --input x.safetensors --device cuda:0");
  command->add_option("--family", options->request.family, "grouped_gemm, grouped_wgrad or quantize")->required();
  command
      ->add_option("--device", options->device,
                   "host, cuda:N, hip:N, or a row of `sinter devices`, which need not be here (default: host)")
      ->type_name("NAME");
  command->add_option("--arch", options->arch, "compile for another arch that the device runs")->type_name("ARCH");
  command
      ->add_option("--driver", options->driver_version,
                   "driver version of a device that is not here (default: unknown)")
      ->type_name("VERSION");
  command->add_option("--input", options->input, "take n, k, groups and quant from the tensors of a safetensors file")
      ->type_name("FILE");
  add_request_options(*command, options->request);
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = why(*options); });
}

}  // namespace sinter::cli
