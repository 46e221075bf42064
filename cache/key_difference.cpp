// SPDX-License-Identifier: Apache-2.0
#include "cache/key_difference.h"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace sinter {
namespace {

const KeyField* find(std::span<const KeyField> fields, std::string_view name) {
  const auto it = std::ranges::find(fields, name, &KeyField::name);
  return it == fields.end() ? nullptr : &*it;
}

/// Takes the first part off `rest`.
std::string_view take_part(std::string_view& rest) {
  const std::string_view part = rest.substr(0, rest.find('_'));
  rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  return part;
}

}  // namespace

std::vector<KeyDifference> key_differences(std::span<const KeyField> left, std::span<const KeyField> right) {
  std::vector<KeyDifference> differences;
  for (const KeyField& field : left) {
    const KeyField* other = find(right, field.name);
    if (other == nullptr || other->value != field.value) {
      differences.push_back({field.name, field.value, other == nullptr ? std::string() : other->value});
    }
  }
  for (const KeyField& field : right) {
    if (find(left, field.name) == nullptr) {
      differences.push_back({field.name, {}, field.value});
    }
  }
  return differences;
}

std::string_view first_difference(const CacheKey& wanted, const CacheKey& stored) {
  for (const KeyField& field : wanted.fields) {
    const KeyField* other = find(stored.fields, field.name);
    if (other == nullptr || other->value != field.value) {
      return field.name;
    }
  }
  return "schema";
}

std::size_t spec_distance(std::string_view left, std::string_view right) {
  std::size_t distance = 0;
  while (!left.empty() || !right.empty()) {
    distance += take_part(left) != take_part(right) ? 1u : 0u;
  }
  return distance;
}

const CacheKey* nearest_key(const CacheKey& wanted, std::span<const CacheKey> keys) {
  const CacheKey* nearest = nullptr;
  std::size_t fewest = std::numeric_limits<std::size_t>::max();
  for (const CacheKey& key : keys) {
    if (key.digest == wanted.digest) {
      continue;
    }
    if (const std::size_t count = key_differences(wanted.fields, key.fields).size(); count < fewest) {
      nearest = &key;
      fewest = count;
    }
  }
  return nearest;
}

}  // namespace sinter
