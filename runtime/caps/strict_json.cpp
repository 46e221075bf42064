// SPDX-License-Identifier: Apache-2.0
#include "runtime/caps/strict_json.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/json_guard.h"

namespace sinter {

namespace {

using nlohmann::json;

Error bad(std::string message) { return make_error(ErrorCode::kInvalidRequest, std::move(message)); }

bool contains(const std::vector<std::string_view>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Result<json> parse_strict_json(std::string_view text, std::string_view file_name) {
  JsonGuard<json> guard;
  json document;
  try {
    document = json::parse(text, guard.callback());
  } catch (const json::exception& failure) {
    return bad(fmt::format("{}: {}", file_name, failure.what()));
  }
  if (!guard.problem().empty()) {
    return bad(fmt::format("{}: {}", file_name, guard.problem()));
  }
  return document;
}

Result<void> expect_fields(const json& value, std::string_view where, const std::vector<std::string_view>& required,
                           const std::vector<std::string_view>& optional) {
  if (!value.is_object()) {
    return bad(fmt::format("{}: is {}, must be an object", where, value.type_name()));
  }
  for (const auto& [field, unused] : value.items()) {
    if (!contains(required, field) && !contains(optional, field)) {
      return bad(fmt::format("{}, field '{}': unknown; known: {}{}{}", where, field, fmt::join(required, ", "),
                             required.empty() || optional.empty() ? "" : ", ", fmt::join(optional, ", ")));
    }
  }
  for (const std::string_view field : required) {
    if (!value.contains(std::string(field))) {
      return bad(fmt::format("{}, field '{}': missing", where, field));
    }
  }
  return {};
}

Result<std::string> string_field(const json& object, std::string_view where, std::string_view field,
                                 std::string_view fallback) {
  const auto found = object.find(std::string(field));
  if (found == object.end()) {
    return std::string(fallback);
  }
  if (!found->is_string() || found->get_ref<const std::string&>().empty()) {
    return bad(fmt::format("{}, field '{}': is {}, must be a text that is not empty", where, field, found->dump()));
  }
  return found->get<std::string>();
}

}  // namespace sinter
