// SPDX-License-Identifier: Apache-2.0

// Facts as JSON, from a worker or the disk: the one text that is accepted for facts is the one that they are written
// as.

#include "codegen/code_object.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sinter;
  const std::string_view text = fuzz::text_of(data, size);
  const auto facts = code_facts_from_json(text);
  if (!facts) {
    fuzz::check_refusal(facts.error(), {ErrorCode::kCacheError});
    return 0;
  }
  SINTER_CHECK(to_json(*facts) == text, "facts have two texts");
  return 0;
}
