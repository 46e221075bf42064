// SPDX-License-Identifier: Apache-2.0
#pragma once

// What holds for the facts of any code object, whatever its bytes.

#include <string_view>

#include "codegen/code_object.h"
#include "tests/fuzz/fuzz.h"

namespace sinter::fuzz {

/// The kernel that the seeds of the readers have.
inline constexpr std::string_view kSeedEntry = "k";

/// Facts that were read are unknown or within what a kernel can have, and their text is canonical.
inline void check_facts(const Result<CodeFacts>& facts) {
  if (!facts) {
    check_refusal(facts.error(), {ErrorCode::kInvalidRequest});
    return;
  }
  constexpr std::int64_t kLimit = std::int64_t{1} << 62;
  for (const std::int64_t number :
       {facts->registers, facts->accumulation_registers, facts->scalar_registers, facts->spilled_registers,
        facts->scratch_bytes, facts->static_shared_bytes, facts->args_bytes, facts->max_threads_per_block,
        facts->wave_size, facts->code_object_version, facts->setvskip_count, facts->instruction_count}) {
    SINTER_CHECK(number >= kUnknown && number <= kLimit, "a fact that no kernel has");
  }
  SINTER_CHECK(facts->entry == kSeedEntry, "facts of another kernel");
  const std::string text = to_json(*facts);
  const auto again = code_facts_from_json(text);
  SINTER_CHECK(again && to_json(*again) == text, "facts whose text is not canonical");
}

}  // namespace sinter::fuzz
