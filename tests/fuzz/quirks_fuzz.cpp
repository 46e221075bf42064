// SPDX-License-Identifier: Apache-2.0

// Quirk files, and the patterns and versions in them. The input up to the first zero byte is the file, or a pattern and
// a version that are compared with the rest.

#include <set>
#include <vector>

#include "runtime/caps/quirks.h"
#include "tests/fuzz/fuzz.h"

using namespace sinter;

namespace {

/// The definition of a pattern, row by row: does pattern[0, p) match text[0, t)?
bool matches_by_definition(std::string_view pattern, std::string_view text) {
  std::vector<bool> row(text.size() + 1, false);
  row[0] = true;
  for (const char c : pattern) {
    std::vector<bool> next(text.size() + 1, false);
    next[0] = c == '*' && row[0];
    for (std::size_t t = 1; t <= text.size(); ++t) {
      next[t] = c == '*' ? row[t] || next[t - 1] : row[t - 1] && (c == '?' || c == text[t - 1]);
    }
    row = std::move(next);
  }
  return row.back();
}

void check_file(std::string_view text) {
  static const auto spec = parse_spec_name("grouped_gemm_fp8_block_bf16_n2816_k2048_g64_t32x256x128_vskip_off_gfx950");
  static const auto table = load_capability_table(builtin_capability_json());
  const auto quirks = parse_quirks(text, "quirks.json");
  if (!quirks) {
    fuzz::check_refusal(quirks.error(), {ErrorCode::kInvalidRequest});
    return;
  }
  std::set<std::string> ids;
  for (const Quirk& quirk : *quirks) {
    SINTER_CHECK(!quirk.id.empty() && ids.insert(quirk.id).second, "quirks without a name of their own");
    SINTER_CHECK(!quirk.reason.empty() && !quirk.reference.empty() && !quirk.spec_pattern.empty(),
                 "a quirk without a reason");
    for (const QuirkRange& range : quirk.ranges) {
      SINTER_CHECK(range.min <= range.max, "a range that nothing is in");
    }
    const DeviceCaps& caps = table->front();
    if (match_quirk(quirk, *spec, caps, "6.8.5") != QuirkMatch::kNo) {
      SINTER_CHECK(match_quirk(quirk, *spec, caps, "") != QuirkMatch::kNo, "a known version is denied what an unknown one is not");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = fuzz::text_of(data, size);
  const std::size_t zero = std::min(input.find('\0'), input.size());
  const std::string_view first = input.substr(0, zero), second = zero < size ? input.substr(zero + 1) : "";
  check_file(first);

  constexpr std::size_t kLongest = 200;  // the definition takes the product
  const std::string_view pattern = first.substr(0, kLongest), text = second.substr(0, kLongest);
  SINTER_CHECK(glob_match(pattern, text) == matches_by_definition(pattern, text), "a pattern matches another text");
  SINTER_CHECK(compare_versions(first, second) == -compare_versions(second, first),
               "an order that depends on the side");
  SINTER_CHECK(compare_versions(first, first) == 0, "a version that differs from itself");
  return 0;
}
