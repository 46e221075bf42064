// SPDX-License-Identifier: Apache-2.0

// Rows of the cache with columns of any type and content, read the way a look-up and the tools read them: no crash, and
// what is given out is what was sealed, unless the input forged the digests, too.

#include <string>
#include <utility>

#include "cache/entry_row.h"
#include "tests/fuzz/loose_table.h"

namespace {

using namespace sinter;

constexpr std::size_t kColumns = 22;

CodeObject sample_code() {
  CodeObject code;
  code.format = CodeFormat::kHsaco;
  code.entry = "kernel";
  code.code.assign(64, std::byte{7});
  code.facts.target = "gfx942";
  code.facts.entry = "kernel";
  code.facts.registers = 128;
  code.backend = "llvm";
  code.compile_ms = 1.5;
  return code;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::LooseTable table("entry", schema::kPutEntry, schema::kGetWholeEntry);
  fuzz::Input input(data, size);
  const CacheKey key = make_cache_key({{"spec", "s"}, {"family", "f"}, {"arch", "gfx942"}});
  const CodeObject original = sample_code();
  const auto sealed = seal_entry(key, original, {.writer = "fuzzer"});
  SINTER_CHECK(sealed.has_value(), "the sample cannot be sealed");

  const fuzz::Replacements replacements(input, kColumns);
  const bool forge = input.flag();
  auto row = table.store_and_read([&](Statement& put) { bind_entry_row(put, *sealed); }, replacements,
                                  [](const Statement& got) { return read_entry_row(got, RowPart::kWhole); });
  if (!row) {
    fuzz::check_refusal(row.error(), {ErrorCode::kCacheError});
    return 0;
  }
  if (forge) {
    row->sha256 = entry_sha256(*row);
    row->checksum = entry_checksum(*row);
  }
  (void)check_whole_entry(*row);
  const std::string facts = row->facts;
  const auto code = open_entry(std::move(*row), {key.digest, key_fields_to_json(key.fields)});
  if (!code) {
    fuzz::check_refusal(code.error(), {ErrorCode::kCacheError});
    return 0;
  }
  SINTER_CHECK(to_json(code->facts) == facts, "facts were accepted that are not canonical");
  SINTER_CHECK(forge || (code->code == original.code && code->entry == original.entry &&
                         code->format == original.format && code->facts == original.facts),
               "something was given out that was not sealed");
  return 0;
}
