// SPDX-License-Identifier: Apache-2.0
#include "cache/entry_row.h"

#include <catch2/catch.hpp>
#include <functional>

#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

EntryRow sealed() {
  auto row = seal_entry(key_of(1), *code_of(1), {.writer = "sinter test"});
  REQUIRE(row);
  return std::move(*row);
}

Result<CodeObject> open(EntryRow row) {
  const CacheKey key = key_of(1);
  return open_entry(std::move(row), {key.digest, key_fields_to_json(key.fields)});
}

struct Change {
  const char* column;
  std::function<void(EntryRow&)> apply;
};

const std::vector<Change>& executed_changes() {
  static const std::vector<Change> changes = {
      {"entry", [](EntryRow& row) { row.entry[0] ^= 1; }},
      {"format", [](EntryRow& row) { row.format = 4; }},
      {"facts", [](EntryRow& row) { row.facts.replace(row.facts.find("101"), 3, "100"); }},
      {"code", [](EntryRow& row) { row.code[100] ^= std::byte{1}; }},
      {"code's length", [](EntryRow& row) { row.code.pop_back(); }},
  };
  return changes;
}

}  // namespace

TEST_CASE("a sealed row opens", "[cache]") {
  const auto code = open(sealed());
  REQUIRE(code);
  CHECK(same_code(*code, *code_of(1)));
  CHECK(check_whole_entry(sealed()).empty());
}

TEST_CASE("the checksum covers every column that is given out", "[cache]") {
  std::vector<Change> changes = executed_changes();
  changes.push_back({"backend", [](EntryRow& row) { row.backend = "llvm"; }});
  changes.push_back({"compiler", [](EntryRow& row) { row.compiler += " "; }});
  changes.push_back({"compile_ms", [](EntryRow& row) { row.compile_ms += 1; }});
  changes.push_back({"created_unix_s", [](EntryRow& row) { row.created_unix_s += 1; }});
  changes.push_back({"signature", [](EntryRow& row) { row.signature.resize(kSignatureBytes); }});
  changes.push_back({"sha256", [](EntryRow& row) { row.sha256.bytes[31] ^= 1; }});
  changes.push_back({"text moved to the next column", [](EntryRow& row) {
                       row.compiler.insert(row.compiler.begin(), row.backend.back());
                       row.backend.pop_back();
                     }});
  for (const Change& change : changes) {
    INFO(change.column);
    EntryRow row = sealed();
    change.apply(row);
    const auto code = open(row);
    REQUIRE_FALSE(code);
    CHECK(code.error().message == "checksum does not match");
    CHECK_FALSE(check_whole_entry(row).empty());
  }
}

TEST_CASE("the SHA-256 covers every column that is executed, even if the checksum was made to match", "[cache]") {
  for (const Change& change : executed_changes()) {
    INFO(change.column);
    EntryRow row = sealed();
    change.apply(row);
    row.checksum = entry_checksum(row);
    const auto code = open(row);
    REQUIRE_FALSE(code);
    CHECK(code.error().message == "SHA-256 does not match");
  }
}

TEST_CASE("a row that was made to match but could not have been stored is refused", "[cache]") {
  const std::vector<Change> changes = {
      {"format 0", [](EntryRow& row) { row.format = 0; }},
      {"format 257", [](EntryRow& row) { row.format = 257; }},
      {"facts without keys", [](EntryRow& row) { row.facts = "{}"; }},
      {"facts with white space", [](EntryRow& row) { row.facts.insert(1, " "); }},
      {"facts that are no JSON", [](EntryRow& row) { row.facts = "\xff"; }},
      {"a signature of another length", [](EntryRow& row) { row.signature.resize(kSignatureBytes - 1); }},
      {"no entry", [](EntryRow& row) { row.entry.clear(); }},
      {"no code", [](EntryRow& row) { row.code.clear(); }},
  };
  for (const Change& change : changes) {
    INFO(change.column);
    EntryRow row = sealed();
    change.apply(row);
    row.sha256 = entry_sha256(row);
    row.checksum = entry_checksum(row);
    CHECK_FALSE(open(row));
  }
}

TEST_CASE("a row of another key is refused, by digest and by fields", "[cache]") {
  const CacheKey key = key_of(1);
  const CacheKey other = key_of(2);
  const std::string fields = key_fields_to_json(key.fields);
  const std::string other_fields = key_fields_to_json(other.fields);
  CHECK(open_entry(sealed(), {key.digest, fields}));
  CHECK_FALSE(open_entry(sealed(), {other.digest, fields}));
  CHECK_FALSE(open_entry(sealed(), {key.digest, other_fields}));
  CHECK_FALSE(open_entry(sealed(), {other.digest, other_fields}));
}

TEST_CASE("entries of one compiler build are one generation", "[cache]") {
  EntryRow row = sealed();
  const std::int64_t generation = entry_generation(row);
  row.code.push_back(std::byte{1});
  CHECK(entry_generation(row) == generation);
  row.compiler += "1";
  CHECK(entry_generation(row) != generation);
  row = sealed();
  row.compiler.insert(0, row.backend);
  row.backend.clear();
  CHECK(entry_generation(row) != generation);
}

TEST_CASE("a key with fields that are not UTF-8 is not sealed", "[cache]") {
  const auto row = seal_entry(make_cache_key({{"compiler", "\xff"}}), *code_of(1), {});
  REQUIRE_FALSE(row);
  CHECK(row.error().message.find("not UTF-8") != std::string::npos);
}
