// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where two keys differ, and which of several keys is nearest to another: how a miss is explained.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/cache_key.h"

namespace sinter {

/// A field that two keys do not share. A field that only one has is empty in the other.
struct KeyDifference {
  std::string name;
  std::string left, right;
  friend bool operator==(const KeyDifference&, const KeyDifference&) = default;
};

/// In the order of `left`'s fields, then what only `right` has.
std::vector<KeyDifference> key_differences(std::span<const KeyField> left, std::span<const KeyField> right);

/// The name of the first of `wanted`'s fields that `stored` does not share; "schema" if it shares all and is another key
/// all the same, with more fields or another order of them, as only another way of making keys gives.
std::string_view first_difference(const CacheKey& wanted, const CacheKey& stored);

/// How many parts of two specs' names differ, a part being what stands between underscores; the shorter name lacks
/// parts.
std::size_t spec_distance(std::string_view left, std::string_view right);

/// The one of `keys` that differs from `wanted` in the fewest fields, the first of several; null for none. `wanted`
/// itself does not count.
const CacheKey* nearest_key(const CacheKey& wanted, std::span<const CacheKey> keys);

}  // namespace sinter
