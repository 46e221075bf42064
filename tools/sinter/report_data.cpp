// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/report_data.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "codegen/family.h"
#include "codegen/resolve.h"
#include "runtime/version.h"
#include "tools/sinter/cache_stats.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;

/// What the code of one entry needs of a device; kUnknown where its format does not say.
struct Needs {
  std::int64_t registers = kUnknown, shared_bytes = kUnknown;
};

using NeedsByKey = std::map<std::string, Needs, std::less<>>;

/// Shared memory that the kernel asks for at launch: no fact of the code, but of the plan.
std::int64_t dynamic_shared_bytes(std::string_view spec_name) {
  const auto spec = parse_spec_name(spec_name);
  if (!spec || spec->arch->vendor == Vendor::kHost) {
    return 0;  // On the host it is memory like any other.
  }
  const auto plan = make_plan(*spec);
  return plan ? plan->dynamic_shared_bytes : 0;
}

NeedsByKey needs_by_key(const ReportInput& input) {
  NeedsByKey needs;
  for (const auto& [key, facts] : input.facts) {
    const std::int64_t declared = facts.static_shared_bytes;
    needs.emplace(
        key, Needs{facts.registers, declared == kUnknown ? kUnknown : declared + dynamic_shared_bytes(facts.entry)});
  }
  return needs;
}

Needs needs_of(const NeedsByKey& needs, const EntryView& entry) {
  const auto it = needs.find(entry.info.key);
  return it == needs.end() ? Needs{} : it->second;
}

// --- What is there ---

ordered_json arch_mode(const std::vector<EntryView>& entries) {
  std::map<std::tuple<std::string, std::string, std::string>, Share> shares;
  for (const EntryView& entry : entries) {
    Share& share = shares[{entry.info.arch, entry.info.family, entry.traits.mode}];
    ++share.entries;
    share.bytes += entry.info.code_bytes;
  }
  auto array = ordered_json::array();
  for (const auto& [name, share] : shares) {
    const std::string& mode = std::get<2>(name);
    array.push_back({{"arch", std::get<0>(name)},
                     {"family", std::get<1>(name)},
                     {"mode", mode.empty() ? "?" : mode},
                     {"entries", share.entries},
                     {"bytes", share.bytes}});
  }
  return array;
}

/// Stored and possible tiles of one family and mode: how many kernels of each are stored, by arch.
struct TileMap {
  std::map<std::string, std::map<std::int64_t, std::int64_t>> archs;  // arch, packed tile: kernels
};

void add_tiles(TileMap& map, const KernelSpec& spec, const std::string& arch) {
  auto [row, is_new] = map.archs.try_emplace(arch);
  if (is_new) {
    const Body* body = spec.family->body(spec.arch->vendor);
    for (const TileShape tile : body == nullptr ? std::vector<TileShape>() : body->tiles(spec)) {
      row->second.try_emplace(pack_tile(tile), 0);
    }
  }
  ++row->second[spec[spec.family->param_index("tile")]];
}

ordered_json tiles(const std::vector<EntryView>& entries) {
  std::map<std::pair<std::string, std::string>, TileMap> maps;
  for (const EntryView& entry : entries) {
    const auto spec = parse_spec_name(entry.info.spec);
    if (spec && spec->family->param_index("tile") >= 0) {
      add_tiles(maps[{entry.info.family, entry.traits.mode}], *spec, entry.info.arch);
    }
  }
  auto array = ordered_json::array();
  for (const auto& [kind, map] : maps) {
    std::set<std::int64_t> all;
    for (const auto& [arch, row] : map.archs) {
      for (const auto& [tile, count] : row) {
        all.insert(tile);
      }
    }
    const std::vector<std::int64_t> columns(all.begin(), all.end());
    auto names = ordered_json::array(), archs = ordered_json::array(), cells = ordered_json::array();
    for (const std::int64_t tile : columns) {
      names.push_back(tile_to_string(unpack_tile(tile)));
    }
    for (const auto& [arch, row] : map.archs) {
      for (const auto& [tile, count] : row) {
        cells.push_back({archs.size(), std::ranges::lower_bound(columns, tile) - columns.begin(), count});
      }
      archs.push_back(arch);
    }
    array.push_back(
        {{"family", kind.first}, {"mode", kind.second}, {"tiles", names}, {"archs", archs}, {"cells", cells}});
  }
  return array;
}

// --- Compile times ---

/// Ten bins to a factor of ten, from 1 ms to 1000 s.
constexpr int kBinsPerDecade = 10, kDecades = 6;
constexpr int kCompileBins = kBinsPerDecade * kDecades;

ordered_json compile_edges() {
  auto edges = ordered_json::array();
  for (int i = 0; i <= kCompileBins; ++i) {
    edges.push_back(std::round(std::pow(10.0, static_cast<double>(i) / kBinsPerDecade) * 100) / 100);
  }
  return edges;
}

ordered_json compile_times(const std::vector<EntryView>& entries) {
  std::map<std::string, std::vector<double>> times;
  for (const EntryView& entry : entries) {
    times[entry.info.backend].push_back(entry.info.compile_ms);
  }
  auto array = ordered_json::array();
  for (auto& [backend, of_backend] : times) {
    std::ranges::sort(of_backend);
    std::vector<std::int64_t> bins(kCompileBins, 0);
    for (const double ms : of_backend) {
      const double bin = ms > 1 ? std::floor(std::log10(ms) * kBinsPerDecade) : 0;
      ++bins[static_cast<std::size_t>(std::clamp(bin, 0.0, kCompileBins - 1.0))];
    }
    const auto part = [&](std::size_t percent) { return of_backend[(of_backend.size() - 1) * percent / 100]; };
    array.push_back(
        {{"backend", backend}, {"bins", bins}, {"p50", part(50)}, {"p90", part(90)}, {"max", of_backend.back()}});
  }
  return array;
}

// --- Registers and shared memory ---

using Histogram = std::map<std::int64_t, std::int64_t>;

ordered_json to_json_pairs(const Histogram& histogram) {
  auto array = ordered_json::array();
  for (const auto& [value, count] : histogram) {
    array.push_back({value, count});
  }
  return array;
}

/// One number of the devices of an arch: [{value, devices}].
template <class Cell>
ordered_json limits(const std::vector<DeviceCaps>& devices, const std::string& arch, Cell cell) {
  std::map<std::int64_t, std::vector<std::string>> by_value;
  for (const DeviceCaps& device : devices) {
    const Sourced<std::int64_t>& limit = cell(device);
    if (device.arch != nullptr && device.arch->name == arch && limit.value) {
      by_value[*limit.value].push_back(device.name);
    }
  }
  auto array = ordered_json::array();
  for (const auto& [value, names] : by_value) {
    array.push_back({{"value", value}, {"devices", names}});
  }
  return array;
}

ordered_json resources(const std::vector<EntryView>& entries, const NeedsByKey& needs,
                       const std::vector<DeviceCaps>& devices) {
  struct Histograms {
    Histogram registers, shared;
  };
  std::map<std::string, Histograms> archs;
  for (const EntryView& entry : entries) {
    const Needs of_entry = needs_of(needs, entry);
    if (of_entry.registers != kUnknown) {
      ++archs[entry.info.arch].registers[of_entry.registers];
    }
    if (of_entry.shared_bytes > 0) {
      ++archs[entry.info.arch].shared[of_entry.shared_bytes];
    }
  }
  auto array = ordered_json::array();
  for (const auto& [arch, histograms] : archs) {
    array.push_back(
        {{"arch", arch},
         {"registers", to_json_pairs(histograms.registers)},
         {"shared", to_json_pairs(histograms.shared)},
         {"register_limits",
          limits(
              devices, arch, [](const DeviceCaps& caps) -> const auto& { return caps.registers_per_thread; })},
         {"shared_limits",
          limits(
              devices, arch, [](const DeviceCaps& caps) -> const auto& { return caps.shared_bytes_per_block; })}});
  }
  return array;
}

// --- Traffic, problems ---

ordered_json hours(const std::vector<HourCount>& counts) {
  constexpr std::string_view kHit = "hit ";
  std::map<std::int64_t, ordered_json> by_hour;
  for (const HourCount& count : counts) {
    if (count.hour == 0 || !(count.name == "miss" || count.name.starts_with(kHit))) {
      continue;
    }
    ordered_json& hour =
        by_hour
            .try_emplace(count.hour,
                         ordered_json{{"t", count.hour * 3600}, {"misses", 0}, {"hits", ordered_json::object()}})
            .first->second;
    if (count.name == "miss") {
      hour["misses"] = count.value;
    } else {
      hour["hits"][count.name.substr(kHit.size())] = count.value;
    }
  }
  auto array = ordered_json::array();
  for (auto& [hour, object] : by_hour) {
    array.push_back(std::move(object));
  }
  return array;
}

ordered_json causes(const Traffic& traffic) {
  std::vector<std::pair<std::string, std::int64_t>> sorted(traffic.causes.begin(), traffic.causes.end());
  std::ranges::stable_sort(sorted, std::greater(), &std::pair<std::string, std::int64_t>::second);
  auto array = ordered_json::array();
  for (const auto& [cause, count] : sorted) {
    array.push_back({{"cause", cause}, {"n", count}, {"text", cause_text(cause)}});
  }
  return array;
}

ordered_json quirk_rows(const std::vector<Quirk>& quirks, const std::vector<EntryView>& entries) {
  auto array = ordered_json::array();
  for (const Quirk& quirk : quirks) {
    const auto stored = std::ranges::count_if(
        entries, [&](const EntryView& entry) { return glob_match(quirk.spec_pattern, entry.info.spec); });
    array.push_back({quirk.id, quirk.effect == QuirkEffect::kDeny ? "deny" : "prefer", quirk.spec_pattern,
                     quirk.device_pattern, stored, quirk.reason, quirk.reference});
  }
  return array;
}

// --- The table ---

ordered_json rows(std::vector<EntryView> entries, const NeedsByKey& needs, std::size_t most) {
  const auto last = [](const EntryView& entry) {
    return std::max(entry.use.last_used_unix_s, entry.info.created_unix_s);
  };
  std::ranges::stable_sort(entries, [&](const EntryView& a, const EntryView& b) { return last(a) > last(b); });
  entries.resize(std::min(entries.size(), most));
  auto array = ordered_json::array();
  for (const EntryView& entry : entries) {
    const EntryInfo& info = entry.info;
    const Needs of_entry = needs_of(needs, entry);
    array.push_back({info.key, info.spec, info.arch, entry.traits.mode, entry.traits.tile, info.backend,
                     info.code_bytes, std::round(info.compile_ms * 10) / 10, of_entry.registers, of_entry.shared_bytes,
                     info.created_unix_s, entry.use.last_used_unix_s, entry.use.loads});
  }
  return array;
}

}  // namespace

Result<ReportInput> read_report_input(CacheAdmin& cache) {
  SINTER_TRY_VOID(cache.freeze());
  ReportInput input;
  input.database = cache.database_path();
  SINTER_TRY(input.entries, select_entries(cache, {}, 0));
  SINTER_TRY_VOID(
      cache.visit_facts([&](std::string_view key, const CodeFacts& facts) { input.facts.emplace(key, facts); }));
  SINTER_TRY(input.counts, cache.counts());
  SINTER_TRY(input.failures, cache.failures());
  SINTER_TRY(input.bad, cache.bad_entries());
  return input;
}

ordered_json report_data(const ReportInput& input, const std::vector<DeviceCaps>& devices,
                         const std::vector<Quirk>& quirks, const ReportOptions& options) {
  const NeedsByKey needs = needs_by_key(input);
  const Traffic traffic = traffic_of(input.counts, 0);
  std::set<std::string> archs;
  std::int64_t bytes = 0;
  double compile_ms = 0;
  for (const EntryView& entry : input.entries) {
    archs.insert(entry.info.arch);
    bytes += entry.info.code_bytes;
    compile_ms += entry.info.compile_ms;
  }
  auto failure_rows = ordered_json::array(), bad_rows = ordered_json::array(), layers = ordered_json::object();
  for (const FailedCompile& failure : input.failures) {
    failure_rows.push_back({failure.failed_unix_s, failure.spec,
                            (failure.crashed ? "the compiler crashed twice: " : "") + failure.message});
  }
  for (const BadEntry& entry : input.bad) {
    bad_rows.push_back({entry.found_unix_s, entry.spec, entry.reason});
  }
  for (const auto& [layer, hits] : traffic.hits) {
    layers[layer] = hits;
  }
  ordered_json data{{"version", kVersion},
                    {"database", input.database},
                    {"generated_unix_s", options.now_unix_s},
                    {"totals",
                     {{"entries", input.entries.size()},
                      {"bytes", bytes},
                      {"archs", archs.size()},
                      {"set_aside", input.bad.size()},
                      {"failures", input.failures.size()},
                      {"hits", traffic.all_hits()},
                      {"misses", traffic.misses},
                      {"compile_ms", compile_ms}}},
                    {"arch_mode", arch_mode(input.entries)},
                    {"tiles", tiles(input.entries)},
                    {"compile_edges_ms", compile_edges()},
                    {"compile", compile_times(input.entries)},
                    {"resources", resources(input.entries, needs, devices)},
                    {"layers", layers},
                    {"hours", hours(input.counts)},
                    {"causes", causes(traffic)},
                    {"failures", failure_rows},
                    {"set_aside", bad_rows},
                    {"quirks", quirk_rows(quirks, input.entries)}};
  data["rows"] = rows(input.entries, needs, options.max_rows);
  return data;
}

std::string script_safe(const ordered_json& data) {
  // ASCII, so that no line separator of Unicode is left; "<" stands in texts alone, where its escape means the same.
  std::string text = data.dump(-1, ' ', true, ordered_json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    if (c == '<' || c == '>' || c == '&') {
      safe += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      safe += c;
    }
  }
  return safe;
}

}  // namespace sinter::cli
