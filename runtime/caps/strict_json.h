// SPDX-License-Identifier: Apache-2.0
#pragma once

// JSON as data files need it: a repeated key or an unknown field is an error, not a silent loss.

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"

namespace sinter {

/// Parses a whole document. Errors: kInvalidRequest with `file_name` and line and column, the repeated key, or too deep a
/// nesting.
Result<nlohmann::json> parse_strict_json(std::string_view text, std::string_view file_name);

/// Is `value` an object with these fields and no others? `where` starts the message: "quirks.json: quirk 3".
/// Errors: kInvalidRequest naming the first unknown or missing field.
Result<void> expect_fields(const nlohmann::json& value, std::string_view where,
                           const std::vector<std::string_view>& required,
                           const std::vector<std::string_view>& optional);

/// Member `field` of an object that has passed expect_fields, as text; `fallback` where it is absent.
/// Errors: kInvalidRequest for anything but a string, and for an empty one.
Result<std::string> string_field(const nlohmann::json& object, std::string_view where, std::string_view field,
                                 std::string_view fallback = {});

}  // namespace sinter
