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

// Names a range may use: words and tiles are matched by the pattern over the spec's name.
std::vector<std::string_view> shape_numbers() {
  std::vector<std::string_view> names;
  for (const Family* family : all_families()) {
    for (const ParamInfo& param : family->params()) {
      if (param.kind == ParamKind::kInteger && std::find(names.begin(), names.end(), param.name) == names.end()) {
        names.push_back(param.name);
      }
    }
  }
  for (const Family* family : all_families()) {
    for (const ArgumentInfo& argument : family->arguments()) {
      if (argument.kind == ArgumentKind::kScalar && std::find(names.begin(), names.end(), argument.name) == names.end()) {
        names.push_back(argument.name);
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

Result<std::vector<std::int64_t>> parse_values(const json& value, std::string_view where) {
  std::vector<std::int64_t> values;
  if (!value.is_array() || value.empty()) {
    return bad(fmt::format("{}, field 'in': is {}, must be a list of whole numbers", where, value.dump()));
  }
  for (const json& number : value) {
    SINTER_TRY(const std::int64_t parsed, parse_bound(json{{"in", number}}, "in", 0, where));
    values.push_back(parsed);
  }
  return values;
}

// What kPrefer prefers: texts by parameter. Which values a family knows is its own affair.
Result<std::vector<std::pair<std::string, std::string>>> parse_instead(const json& value, std::string_view where) {
  std::vector<std::pair<std::string, std::string>> instead;
  if (!value.is_object() || value.empty()) {
    return bad(fmt::format("{}, field 'instead': is {}, must be an object such as {{\"vskip\": \"off\"}}", where, value.dump()));
  }
  for (const auto& [param, text] : value.items()) {
    const auto has_param = [&param](const Family* family) { return family->param_index(param) >= 0; };
    if (!text.is_string() || std::none_of(all_families().begin(), all_families().end(), has_param)) {
      return bad(fmt::format("{}, field 'instead': '{}': {} is no text for a parameter of a family", where, param, text.dump()));
    }
    instead.emplace_back(param, text.get<std::string>());
  }
  return instead;
}

Result<void> parse_effect(const json& value, std::string_view where, Quirk& quirk) {
  SINTER_TRY(const std::string effect, string_field(value, where, "effect", "deny"));
  if (effect != "deny" && effect != "prefer") {
    return bad(fmt::format("{}, field 'effect': '{}' is neither deny nor prefer", where, effect));
  }
  quirk.effect = effect == "prefer" ? QuirkEffect::kPrefer : QuirkEffect::kDeny;
  if ((quirk.effect == QuirkEffect::kPrefer) != value.contains("instead")) {
    return bad(fmt::format("{}, field 'instead': belongs to the effect prefer, and only to it", where));
  }
  if (value.contains("instead")) {
    SINTER_TRY(quirk.instead, parse_instead(value["instead"], where));
  }
  return {};
}

Result<std::vector<QuirkRange>> parse_ranges(const json& value, std::string_view where) {
  std::vector<QuirkRange> ranges;
  if (!value.is_object()) {
    return bad(fmt::format("{}, field 'ranges': is {}, must be an object", where, value.type_name()));
  }
  for (const auto& [param, bounds] : value.items()) {
    const std::string here = fmt::format("{}, range '{}'", where, param);
    const auto known = shape_numbers();
    if (std::find(known.begin(), known.end(), param) == known.end()) {
      return bad(
          fmt::format("{}: no family has a numeric parameter or scalar of this name; known: {}", here, fmt::join(known, ", ")));
    }
    SINTER_TRY_VOID(expect_fields(bounds, here, {}, {"min", "max", "in", "multiple_of", "not_multiple_of"}));
    QuirkRange range;
    range.param = param;
    SINTER_TRY(range.min, parse_bound(bounds, "min", range.min, here));
    SINTER_TRY(range.max, parse_bound(bounds, "max", range.max, here));
    if (range.min > range.max) {
      return bad(fmt::format("{}: min {} is above max {}", here, range.min, range.max));
    }
    SINTER_TRY(range.multiple_of, parse_bound(bounds, "multiple_of", range.multiple_of, here));
    SINTER_TRY(range.not_multiple_of, parse_bound(bounds, "not_multiple_of", range.not_multiple_of, here));
    if (range.multiple_of < 1 || range.not_multiple_of < 0) {
      return bad(fmt::format("{}: multiples are of whole numbers above 0", here));
    }
    if (bounds.contains("in")) {
      SINTER_TRY(range.one_of, parse_values(bounds["in"], here));
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
                                {"device", "driver", "driver_min", "driver_max", "ranges", "effect", "instead"}));
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
  SINTER_TRY_VOID(parse_effect(value, where, quirk));
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

}  // namespace sinter
