// SPDX-License-Identifier: Apache-2.0
#include "runtime/caps/quirks.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "codegen/family.h"
#include "runtime/caps/strict_json.h"

namespace sinter {

namespace {

using nlohmann::json;

constexpr int kFormat = 1;

Error bad(std::string message) { return make_error(ErrorCode::kInvalidRequest, std::move(message)); }

bool is_in_ranges(const Quirk& quirk, const KernelSpec& spec) {
  for (const QuirkRange& range : quirk.ranges) {
    const int param = spec.family->param_index(range.param);
    if (param < 0 || spec[param] < range.min || spec[param] > range.max) {
      return false;
    }
  }
  return true;
}

// Names a range may use: words and tiles are matched by the pattern over the spec's name.
std::vector<std::string_view> integer_params() {
  std::vector<std::string_view> names;
  for (const Family* family : all_families()) {
    for (const ParamInfo& param : family->params()) {
      if (param.kind == ParamKind::kInteger && std::find(names.begin(), names.end(), param.name) == names.end()) {
        names.push_back(param.name);
      }
    }
  }
  return names;
}

Result<std::int64_t> parse_bound(const json& range, std::string_view field, std::int64_t open, std::string_view where) {
  const auto found = range.find(std::string(field));
  if (found == range.end()) {
    return open;
  }
  const bool too_large = found->is_number_unsigned() && found->get<std::uint64_t>() > std::uint64_t{INT64_MAX};
  if (!found->is_number_integer() || too_large) {
    return bad(fmt::format("{}, field '{}': is {}, must be a whole number of at most {}", where, field, found->dump(),
                           INT64_MAX));
  }
  return found->get<std::int64_t>();
}

Result<std::vector<QuirkRange>> parse_ranges(const json& value, std::string_view where) {
  std::vector<QuirkRange> ranges;
  if (!value.is_object()) {
    return bad(fmt::format("{}, field 'ranges': is {}, must be an object", where, value.type_name()));
  }
  for (const auto& [param, bounds] : value.items()) {
    const std::string here = fmt::format("{}, range '{}'", where, param);
    const auto known = integer_params();
    if (std::find(known.begin(), known.end(), param) == known.end()) {
      return bad(
          fmt::format("{}: no family has a numeric parameter of this name; known: {}", here, fmt::join(known, ", ")));
    }
    SINTER_TRY_VOID(expect_fields(bounds, here, {}, {"min", "max"}));
    QuirkRange range;
    range.param = param;
    SINTER_TRY(range.min, parse_bound(bounds, "min", range.min, here));
    SINTER_TRY(range.max, parse_bound(bounds, "max", range.max, here));
    if (range.min > range.max) {
      return bad(fmt::format("{}: min {} is above max {}", here, range.min, range.max));
    }
    ranges.push_back(std::move(range));
  }
  return ranges;
}

Result<Quirk> parse_quirk(const json& value, std::string_view file_name, std::size_t index) {
  const bool named = value.is_object() && value.contains("id") && value["id"].is_string();
  const std::string where = named ? fmt::format("{}: quirk '{}'", file_name, value["id"].get<std::string>())
                                  : fmt::format("{}: quirk {}", file_name, index);
  SINTER_TRY_VOID(expect_fields(value, where, {"id", "spec", "reason", "reference"},
                                {"device", "driver", "driver_min", "driver_max", "ranges"}));
  Quirk quirk;
  SINTER_TRY(quirk.id, string_field(value, where, "id"));
  SINTER_TRY(quirk.spec_pattern, string_field(value, where, "spec"));
  SINTER_TRY(quirk.device_pattern, string_field(value, where, "device", quirk.device_pattern));
  SINTER_TRY(quirk.drivers.driver, string_field(value, where, "driver"));
  SINTER_TRY(quirk.drivers.min, string_field(value, where, "driver_min"));
  SINTER_TRY(quirk.drivers.max, string_field(value, where, "driver_max"));
  SINTER_TRY(quirk.reason, string_field(value, where, "reason"));
  SINTER_TRY(quirk.reference, string_field(value, where, "reference"));
  for (const std::string* version : {&quirk.drivers.min, &quirk.drivers.max}) {
    if (!version->empty() && !is_dotted_number(*version)) {
      return bad(fmt::format("{}, field '{}': '{}' is not dotted numbers, such as 6.8.5", where,
                             version == &quirk.drivers.min ? "driver_min" : "driver_max", *version));
    }
  }
  if (value.contains("ranges")) {
    SINTER_TRY(quirk.ranges, parse_ranges(value["ranges"], where));
  }
  return quirk;
}

}  // namespace

Result<std::vector<Quirk>> parse_quirks(std::string_view text, std::string_view file_name) {
  SINTER_TRY(const json document, parse_strict_json(text, file_name));
  SINTER_TRY_VOID(expect_fields(document, file_name, {"format", "quirks"}, {"comment"}));
  if (document["format"] != kFormat) {
    return bad(fmt::format("{}, field 'format': is {}, must be {}", file_name, document["format"].dump(), kFormat));
  }
  if (!document["quirks"].is_array()) {
    return bad(fmt::format("{}, field 'quirks': must be a list", file_name));
  }
  std::vector<Quirk> quirks;
  for (const json& value : document["quirks"]) {
    SINTER_TRY(Quirk quirk, parse_quirk(value, file_name, quirks.size()));
    for (const Quirk& other : quirks) {
      if (other.id == quirk.id) {
        return bad(fmt::format("{}: quirk '{}', field 'id': used twice", file_name, quirk.id));
      }
    }
    quirks.push_back(std::move(quirk));
  }
  return quirks;
}

bool quirk_matches(const Quirk& quirk, const KernelSpec& spec, const DeviceCaps& caps,
                   std::string_view driver_version) {
  return glob_match(quirk.spec_pattern, spec.name()) && glob_match(quirk.device_pattern, caps.name) &&
         driver_in_range(quirk.drivers, driver_version) != InRange::kNo && is_in_ranges(quirk, spec);
}

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0;
  // Where to go on after a mismatch: the last star takes one character more.
  std::size_t star = std::string_view::npos, taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace sinter
