// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/miss_reason.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codegen/family.h"
#include "codegen/kernel_spec.h"
#include "tools/sinter/cache_stats.h"
#include "tools/sinter/cache_view.h"

namespace sinter::cli {

namespace {

std::string value_text(const ParamInfo& param, std::int64_t value) {
  if (param.kind == ParamKind::kTile) {
    return tile_to_string(unpack_tile(value));
  }
  if (param.kind == ParamKind::kWord && value >= 0 && value < std::ssize(param.words)) {
    return std::string(param.words[static_cast<std::size_t>(value)]);
  }
  return fmt::format("{}", value);
}

/// Parameters in which two specs of one family differ; empty if either cannot be read.
std::vector<KeyDifference> param_differences(std::string_view wanted_name, std::string_view stored_name) {
  const auto wanted = parse_spec_name(wanted_name), stored = parse_spec_name(stored_name);
  std::vector<KeyDifference> differences;
  if (!wanted || !stored || wanted->family != stored->family) {
    return differences;
  }
  const auto params = wanted->family->params();
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (wanted->values[i] != stored->values[i]) {
      differences.push_back({std::string(params[i].name), value_text(params[i], wanted->values[i]),
                             value_text(params[i], stored->values[i])});
    }
  }
  return differences;
}

bool is_of_compiler(std::string_view field) { return field == "backend" || field == "compiler" || field == "options"; }

std::string names_of(const std::vector<KeyDifference>& differences) {
  std::vector<std::string_view> names;
  for (const KeyDifference& difference : differences) {
    names.push_back(difference.name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

MissReason same_kernel_reason(const CacheKey& wanted, const NearKey& near, std::vector<KeyDifference> differences) {
  MissReason reason;
  reason.cause = first_difference(wanted, near.key);
  reason.nearest = to_hex(near.key.digest);
  reason.nearest_spec = near.key.field(kSpecKeyField);
  const bool compiler_alone =
      !differences.empty() &&
      std::ranges::all_of(differences, [](const KeyDifference& difference) { return is_of_compiler(difference.name); });
  reason.why = fmt::format("the same kernel is stored, but not under this key: {} ({})", cause_text(reason.cause),
                           names_of(differences));
  reason.advice = compiler_alone ? "Compile it once with the compiler that is installed now (a request does, or "
                                   "`sinter prebuild`). To use kernels of another compiler, "
                                   "ship them as a bundle (SINTER_BUNDLES): those are taken whatever compiler made "
                                   "them; or set SINTER_COMPILE=off."
                                 : "The kernel was stored by another Sinter, whose templates or parameters differ: "
                                   "compile it again (a request does, or `sinter prebuild`). "
                                   "Old entries go by themselves when room is needed.";
  reason.differences = std::move(differences);
  return reason;
}

}  // namespace

MissReason hit_reason(std::string layer, std::string key) {
  MissReason reason;
  reason.why = fmt::format("{} {}", layer == "bundle" ? "a bundle has it: entry" : "the database has it: entry",
                           key.substr(0, 12));
  reason.layer = std::move(layer);
  return reason;
}

MissReason damaged_reason(const std::string& key, const std::string& problem) {
  return {.layer = {},
          .cause = "damaged",
          .why = fmt::format("entry {} is there but failed its checks: {}", key.substr(0, 12), problem),
          .advice =
              "The next request compiles it again and stores it in its place. If it happens again, `sinter cache "
              "verify` says how much of the "
              "database is damaged; suspect the disk or its file system.",
          .nearest = {},
          .nearest_spec = {},
          .differences = {}};
}

MissReason untrusted_reason(const std::string& key) {
  return {.layer = {},
          .cause = "untrusted",
          .why = fmt::format("entry {} is there but not signed, and SINTER_SIGNATURES is all", key.substr(0, 12)),
          .advice =
              "Set SINTER_SIGNING_KEY where kernels are compiled, or SINTER_SIGNATURES to signed, which asks for "
              "signatures of bundles alone.",
          .nearest = {},
          .nearest_spec = {},
          .differences = {}};
}

MissReason failing_reason(const FailedCompile& failure) {
  return {.layer = {},
          .cause = "failing",
          .why = fmt::format("its last compile failed at {}{}: {}", time_text(failure.failed_unix_s),
                             failure.crashed ? ", where the compiler crashed twice" : "", failure.message),
          .advice = fmt::format("It is tried again when the failure is old enough (SINTER_FAILURE_MEMORY_S), or after "
                                "`sinter cache forget {}`.",
                                failure.key.substr(0, 12)),
          .nearest = {},
          .nearest_spec = {},
          .differences = {}};
}

MissReason no_cache_reason(const std::string& directory) {
  return {.layer = {},
          .cause = "no cache",
          .why = directory.empty() ? "there is no cache directory: HOME is not set"
                                   : fmt::format("there is no cache in {} yet", directory),
          .advice =
              "Give the directory that the serving process uses (--cache DIR or SINTER_CACHE_DIR), or fill one with "
              "`sinter prebuild`.",
          .nearest = {},
          .nearest_spec = {},
          .differences = {}};
}

MissReason nothing_reason(const CacheKey& wanted) {
  return {.layer = {},
          .cause = "new",
          .why = fmt::format("the cache has no {} kernel for {} at all", wanted.field(kFamilyKeyField),
                             wanted.field(kArchKeyField)),
          .advice = fmt::format("Is it the cache of that machine (`sinter cache stats` says which archs it has)? Else "
                                "build for it: `sinter prebuild --arch {}`.",
                                wanted.field(kArchKeyField)),
          .nearest = {},
          .nearest_spec = {},
          .differences = {}};
}

MissReason nearest_reason(const CacheKey& wanted, const NearKey& near) {
  std::vector<KeyDifference> differences = key_differences(wanted.fields, near.key.fields);
  if (near.same_spec) {
    return same_kernel_reason(wanted, near, std::move(differences));
  }
  MissReason reason;
  reason.cause = "new";
  reason.nearest = to_hex(near.key.digest);
  reason.nearest_spec = near.key.field(kSpecKeyField);
  reason.differences = param_differences(wanted.field(kSpecKeyField), reason.nearest_spec);
  if (reason.differences.empty()) {
    reason.differences = std::move(differences);
  }
  const bool tile_alone = reason.differences.size() == 1 && reason.differences.front().name == "tile";
  reason.why =
      fmt::format("this kernel was never stored; the nearest that was differs in {}", names_of(reason.differences));
  reason.advice = tile_alone ? "The tile was chosen for this device and number of rows: `sinter check --explain` says "
                               "how. Ask for the stored tile by --tile, or "
                               "put this one into the prebuild manifest."
                             : "If the numbers above are what the model really asks for, put them into the prebuild "
                               "manifest; else correct the request.";
  return reason;
}

}  // namespace sinter::cli
