// SPDX-License-Identifier: Apache-2.0

// The named inputs of a cache key: as JSON from the disk, and made up. The text is canonical, another list of fields has
// another digest, and a miss is explained whatever keys are stored.

#include <algorithm>
#include <vector>

#include "cache/key_difference.h"
#include "tests/fuzz/fuzz.h"

using namespace sinter;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const auto fields = key_fields_from_json(text);
  if (fields) {
    SINTER_CHECK(key_fields_to_json(*fields) == text, "key fields have two texts");
  } else {
    fuzz::check_refusal(fields.error(), {ErrorCode::kCacheError});
  }

  fuzz::Input input(data, size);
  std::vector<KeyField> lists[2];
  for (auto& list : lists) {
    list.resize(input.below(4));
    for (KeyField& field : list) {
      field = {input.text(), input.text()};
    }
  }
  const CacheKey first = make_cache_key(lists[0]), second = make_cache_key(lists[1]);
  SINTER_CHECK((first.digest == second.digest) == (lists[0] == lists[1]), "two lists of fields under one digest");
  if (const CacheKey* nearest = nearest_key(first, {&second, 1})) {
    const std::string_view cause = first_difference(first, *nearest);
    SINTER_CHECK(cause == "schema" || std::ranges::count(lists[0], cause, &KeyField::name) > 0, "a cause from nowhere");
  }
  const auto again = key_fields_from_json(key_fields_to_json(lists[0]));
  SINTER_CHECK(again && again->size() == lists[0].size(), "key fields that were written are refused");
  return 0;
}
