// SPDX-License-Identifier: Apache-2.0
#pragma once

// CacheKey: the digest under which a code object is stored, and the named inputs behind it, kept so that a miss can be
// explained and two keys compared. What goes in is decided by runtime/compile/cache_key_inputs.cpp alone.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace sinter {

struct KeyField {
  std::string name;
  std::string value;
  friend bool operator==(const KeyField&, const KeyField&) = default;
};

/// The fields that the cache itself reads: they become columns to list and search by. Any of them may be absent.
inline constexpr std::string_view kSpecKeyField = "spec";
inline constexpr std::string_view kFamilyKeyField = "family";
inline constexpr std::string_view kArchKeyField = "arch";

struct CacheKey {
  Digest digest;
  std::vector<KeyField> fields;  ///< In their fixed order; the order is part of the digest.

  /// The value of a field, or empty.
  std::string_view field(std::string_view name) const;
};

/// SHA-256 over the labelled, length-prefixed fields.
CacheKey make_cache_key(std::vector<KeyField> fields);

/// Canonical JSON array of [name, value] pairs, as stored beside the digest. Bytes that are not UTF-8 become U+FFFD
/// here; the digest is over the bytes as given.
std::string key_fields_to_json(const std::vector<KeyField>& fields);
/// Errors: kCacheError for anything that the function above would not have written.
Result<std::vector<KeyField>> key_fields_from_json(std::string_view json);

/// The keys whose hex digits start with `prefix`: all from `lowest` to `highest`.
struct KeyRange {
  Digest lowest, highest;
};
/// nullopt if `prefix` is not 0 to 64 hex digits.
std::optional<KeyRange> keys_with_prefix(std::string_view prefix);

}  // namespace sinter
