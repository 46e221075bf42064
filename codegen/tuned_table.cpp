// SPDX-License-Identifier: Apache-2.0
#include "codegen/tuned_table.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include <fmt/format.h>

#include "codegen/resolve.h"
#include "codegen/template_store.h"

namespace sinter {

namespace {

constexpr std::string_view kTile = "tile", kVskip = "vskip";

std::string value_text(const ParamInfo& param, std::int64_t value) {
  switch (param.kind) {
    case ParamKind::kWord: return std::string(param.words[static_cast<std::size_t>(value)]);
    case ParamKind::kTile: return tile_to_string(unpack_tile(value));
    case ParamKind::kInteger: break;
  }
  return fmt::format("{}", value);
}

bool is_open(const ParamInfo& param, std::int64_t asked, std::int64_t resolved) {
  if (param.name == kTile) {
    return asked == kUnset;
  }
  // Resolved to "on", it may be on or off here.
  return param.name == kVskip && (asked == kUnset || asked == kVskipAuto) && resolved == kVskipOn;
}

ParamTexts params_where(const KernelRequest& request, const KernelSpec& spec, bool open) {
  ParamTexts texts;
  const auto params = spec.family->params();
  for (std::size_t i = 0; i < params.size(); ++i) {
    // As in a spec's name: rows of before a parameter go on to serve its default.
    if (params[i].named_if_set && spec.values[i] == params[i].default_value) {
      continue;
    }
    if (is_open(params[i], request.values[i], spec.values[i]) == open) {
      texts.emplace_back(params[i].name, value_text(params[i], spec.values[i]));
    }
  }
  return texts;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

/// How far a row's shape is from the request's, in half octaves; nullopt where words differ, or it is another family's.
std::optional<std::int64_t> distance(const TuningRow& row, const KernelRequest& request, const KernelSpec& spec,
                                     const ParamTexts& fixed) {
  if (row.problem.family != spec.family->name() || row.problem.params.size() != fixed.size()) {
    return std::nullopt;
  }
  std::int64_t sum = 0, groups = 1, own_groups = 1;
  for (std::size_t i = 0; i < fixed.size(); ++i) {
    const auto& [name, text] = fixed[i];
    const auto& [row_name, row_text] = row.problem.params[i];
    const int index = spec.family->param_index(name);
    if (name != row_name) {
      return std::nullopt;
    }
    if (spec.family->params()[static_cast<std::size_t>(index)].kind != ParamKind::kInteger) {
      if (text != row_text) return std::nullopt;
      continue;
    }
    const auto number = whole_number(row_text);
    if (!number || *number < 1) {
      return std::nullopt;
    }
    if (name == "groups") {
      groups = *number;
      own_groups = spec[index];
    }
    // Numbers that differ are no exact match, however near.
    sum += text == row_text ? 0 : std::max<std::int64_t>(1, std::abs(half_octaves(*number) - half_octaves(spec[index])));
  }
  const std::int64_t rows = rows_hint(request);
  if (rows > 0) {
    // What matters to a tile is how many rows a group has; their number follows from the groups.
    const auto rows_of_group = [](std::int64_t all, std::int64_t count) { return half_octaves(std::max<std::int64_t>(1, 1024 * all / count)); };
    sum += groups == own_groups ? std::abs(half_octaves(row.problem.rows) - half_octaves(rows))
                                : std::abs(rows_of_group(row.problem.rows, groups) - rows_of_group(rows, own_groups));
    sum += std::abs(spread_step(row.problem.rows, groups, row.problem.largest) -
                    spread_step(rows, own_groups, std::min(largest_hint(request), rows)));
  }
  return sum;
}

}  // namespace

std::string_view choice_source_name(ChoiceSource source) {
  switch (source) {
    case ChoiceSource::kAsked: return "asked";
    case ChoiceSource::kTunedExact: return "exact";
    case ChoiceSource::kTunedNearest: return "nearest";
    case ChoiceSource::kTunedArch: return "same arch";
    case ChoiceSource::kHeuristic: return "heuristic";
    case ChoiceSource::kGeneral: return "general";
  }
  return "?";
}

ParamTexts open_params(const KernelRequest& request, const KernelSpec& spec) { return params_where(request, spec, true); }
ParamTexts fixed_params(const KernelRequest& request, const KernelSpec& spec) { return params_where(request, spec, false); }

ParamTexts params_of(const KernelSpec& spec, const ParamTexts& names) {
  ParamTexts texts;
  for (const auto& [name, ignored] : names) {
    const auto index = static_cast<std::size_t>(spec.family->param_index(name));
    texts.emplace_back(name, value_text(spec.family->params()[index], spec.values[index]));
  }
  return texts;
}

bool apply_params(const ParamTexts& params, KernelSpec& spec) {
  // Read as a request's are: in their ranges, and of the words that there are.
  KernelRequest request;
  const auto families = all_families();
  request.family = static_cast<std::uint64_t>(std::ranges::find(families, spec.family) - families.begin());
  KernelSpec changed = spec;
  for (const auto& [name, text] : params) {
    const int index = spec.family->param_index(name);
    if (index < 0 || !set_param(request, name, std::string_view(text))) {
      return false;
    }
    changed.values[static_cast<std::size_t>(index)] = request.values[static_cast<std::size_t>(index)];
  }
  spec = changed;
  return true;
}

std::string template_digest(const KernelSpec& spec) {
  const Body* body = spec.family->body(spec.arch->vendor);
  const int tile_index = spec.family->param_index(kTile);
  DigestBuilder builder;
  builder.field("arch", spec.arch->name);
  if (body == nullptr || tile_index < 0) {
    return to_hex(builder.finish());
  }
  for (const TileShape tile : body->tiles(spec)) {
    KernelSpec candidate = spec;
    candidate.values[static_cast<std::size_t>(tile_index)] = pack_tile(tile);
    builder.field("tile", tile_to_string(tile));
    if (const auto plan = body->plan(candidate); plan) {
      const TemplateFile* file = find_template(plan->template_path);
      builder.field("template", file == nullptr ? std::string_view() : file->digest);
      builder.field("params", plan->params);
    }
  }
  return to_hex(builder.finish());
}

bool is_stale(const TuningRow& row) {
  KernelSpec spec;
  spec.arch = find_arch(row.device.arch);
  if (const auto family = find_family(row.problem.family); family) {
    spec.family = all_families()[*family];
  }
  if (spec.arch == nullptr || spec.family == nullptr || !apply_params(row.problem.params, spec) || !apply_params(row.choice, spec)) {
    return true;
  }
  // An open vskip was on when the candidates were listed.
  if (std::ranges::find(row.choice, kVskip, &ParamTexts::value_type::first) != row.choice.end()) {
    spec.values[static_cast<std::size_t>(spec.family->param_index(kVskip))] = kVskipOn;
  }
  return template_digest(spec) != row.templates;
}

TunedTable::TunedTable(std::vector<TuningRow> rows) {
  std::vector<std::pair<Digest, TuningRow>> keyed;
  for (TuningRow& row : rows) {
    const Digest decision = decision_of(row);
    keyed.emplace_back(decision, std::move(row));
  }
  std::ranges::stable_sort(keyed, {}, [](const auto& pair) -> const Digest& { return pair.first; });
  DigestBuilder builder;
  for (std::size_t i = 0; i < keyed.size(); ++i) {
    if (i == 0 || keyed[i].first != keyed[i - 1].first) {
      builder.field("row", to_json(keyed[i].second));
      rows_.push_back(std::move(keyed[i].second));
    }
  }
  digest_ = to_hex(builder.finish());
}

std::vector<TunedMatch> TunedTable::find(const TuningDevice& device, const KernelRequest& request, const KernelSpec& spec) const {
  std::vector<TunedMatch> matches;
  if (rows_.empty()) {
    return matches;
  }
  const ParamTexts fixed = fixed_params(request, spec);
  const bool rows_known = rows_hint(request) > 0;
  for (const TuningRow& row : rows_) {
    const bool is_own = is_same_kind(row.device, device);
    if (!is_own && (row.device.arch != device.arch || row.device.simulated || device.simulated)) {
      continue;
    }
    if (const auto far = distance(row, request, spec, fixed); far && *far <= kFarthest) {
      const ChoiceSource source = !is_own ? ChoiceSource::kTunedArch : *far == 0 && rows_known ? ChoiceSource::kTunedExact : ChoiceSource::kTunedNearest;
      matches.push_back({&row, source, *far});
    }
  }
  const auto order = [&](const TunedMatch& match) {
    // Another device is the nearer the nearer its number of units.
    const std::int64_t units = std::abs(match.row->device.unit_count - device.unit_count);
    return std::tuple(match.source, match.distance, units, rows_known ? 0 : -match.row->problem.rows);
  };
  std::ranges::stable_sort(matches, {}, order);  // equal ones stay in the order of their decisions
  return matches;
}

}  // namespace sinter
