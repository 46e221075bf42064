// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_key.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace sinter {
namespace {

/// The plain texts that nearly all fields are, without the library: a first hit spends a tenth of its time there. False,
/// with part of it appended, for a text that needs other escapes.
bool append_plain_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) {
          return false;
        }
        out += c;
    }
  }
  out += '"';
  return true;
}

std::string any_fields_to_json(const std::vector<KeyField>& fields) {
  nlohmann::json json = nlohmann::json::array();
  for (const KeyField& field : fields) {
    json.push_back({field.name, field.value});
  }
  // dump() would throw on bytes that are no UTF-8.
  return json.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string_view CacheKey::field(std::string_view name) const {
  for (const KeyField& candidate : fields) {
    if (candidate.name == name) {
      return candidate.value;
    }
  }
  return {};
}

CacheKey make_cache_key(std::vector<KeyField> fields) {
  DigestBuilder builder;
  for (const KeyField& field : fields) {
    builder.field(field.name, field.value);
  }
  return {builder.finish(), std::move(fields)};
}

std::string key_fields_to_json(const std::vector<KeyField>& fields) {
  std::string text = "[";
  for (const KeyField& field : fields) {
    text += text.size() == 1 ? "[" : ",[";
    const bool has_name = append_plain_string(text, field.name);
    text += ',';
    if (!has_name || !append_plain_string(text, field.value)) {
      return any_fields_to_json(fields);
    }
    text += ']';
  }
  return text += ']';
}
Result<std::vector<KeyField>> key_fields_from_json(std::string_view json) {
  const nlohmann::json parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  std::vector<KeyField> fields;
  bool well_formed = parsed.is_array();
  if (well_formed) {
    for (const nlohmann::json& pair : parsed) {
      if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
        well_formed = false;
        break;
      }
      fields.push_back({pair[0].get<std::string>(), pair[1].get<std::string>()});
    }
  }
  // There is one text per list of fields, so comparing texts checks spacing and escapes at once.
  if (!well_formed || key_fields_to_json(fields) != json) {
    return make_error(ErrorCode::kCacheError,
                      fmt::format("the fields of a cache key are not in canonical form: {:.200}", json));
  }
  return fields;
}

std::optional<KeyRange> keys_with_prefix(std::string_view prefix) {
  const auto lowest = digest_from_hex(fmt::format("{:0<64}", prefix));
  const auto highest = digest_from_hex(fmt::format("{:f<64}", prefix));
  if (!lowest || !highest) {
    return std::nullopt;
  }
  return KeyRange{*lowest, *highest};
}

}  // namespace sinter
