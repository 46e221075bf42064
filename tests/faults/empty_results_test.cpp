// SPDX-License-Identifier: Apache-2.0

// A result without code, facts or symbol, which kills every later process elsewhere, tried at every door of the cache:
// it is refused on the way in, and a miss on the way out, even under checksums that are right.

#include <catch2/catch.hpp>

#include "cache/entry_row.h"
#include "cache/kernel_cache.h"
#include "cache/schema.h"
#include "cache/sqlite_db.h"
#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

struct Emptiness {
  const char* what;
  void (*in_object)(CodeObject&);
  void (*in_row)(EntryRow&);
};

constexpr Emptiness kEmptinesses[] = {
    {"code", [](CodeObject& code) { code.code.clear(); },
     [](EntryRow& row) {
       row.code.clear();
       row.code_bytes = 0;
     }},
    {"symbol", [](CodeObject& code) { code.entry.clear(); }, [](EntryRow& row) { row.entry.clear(); }},
    {"facts", [](CodeObject& code) { code.facts = {}; }, [](EntryRow& row) { row.facts.clear(); }},
    {"facts in braces", [](CodeObject& code) { code.facts = {}; }, [](EntryRow& row) { row.facts = "{}"; }},
    {"the facts' symbol", [](CodeObject& code) { code.facts.entry.clear(); },
     [](EntryRow& row) {
       const std::size_t at = row.facts.find(row.entry);
       REQUIRE(at != std::string::npos);
       row.facts.erase(at, row.entry.size());
     }},
};

/// Writes a row as it is, past every check.
void force_row(const std::string& directory, const EntryRow& row) {
  Database database;
  REQUIRE(Database::open(database_in(directory), OpenMode::kReadWrite, database).ok());
  Statement statement;
  database.start_operation(std::chrono::seconds(1));
  REQUIRE(database.prepare(schema::kPutEntry, statement).ok());
  bind_entry_row(statement, row);
  REQUIRE(statement.step() == Step::kDone);
}

}  // namespace

TEST_CASE("a result without code, symbol or facts is not stored", "[faults][empty]") {
  for (const Emptiness& emptiness : kEmptinesses) {
    INFO(emptiness.what);
    TempDir directory;
    Problems problems;
    CodeObject empty = *code_of(1);
    emptiness.in_object(empty);
    {
      KernelCache cache({.directory = directory.path()}, problems.sink());
      cache.store(key_of(1), std::make_shared<const CodeObject>(empty));
      CHECK(cache.counters().stores == 0);
      CHECK_FALSE(cache.lookup(key_of(1)).has_value());
    }
    KernelCache later({.directory = directory.path()}, problems.sink());
    CHECK_FALSE(later.lookup(key_of(1)).has_value());
  }
}

TEST_CASE("a row without code, symbol or facts under valid checksums is a miss and set aside", "[faults][empty]") {
  for (const Emptiness& emptiness : kEmptinesses) {
    INFO(emptiness.what);
    TempDir directory;
    Problems problems;
    {
      KernelCache cache({.directory = directory.path()}, problems.sink());
      cache.store(key_of(1), code_of(1));
      REQUIRE(cache.counters().stores == 1);
    }
    EntryRow row = seal_entry(key_of(1), *code_of(1), {.writer = "test", .origin = "import test"}).value();
    emptiness.in_row(row);
    row.sha256 = entry_sha256(row);
    row.checksum = entry_checksum(row);
    force_row(directory.path(), row);
    KernelCache cache({.directory = directory.path()}, problems.sink());
    CHECK_FALSE(cache.lookup(key_of(1)).has_value());
    CHECK(cache.counters().bad_entries == 1);
    cache.store(key_of(1), code_of(1));
    KernelCache later({.directory = directory.path()}, problems.sink());
    const auto hit = later.lookup(key_of(1));
    REQUIRE(hit.has_value());
    CHECK(same_code(*hit->code, *code_of(1)));
  }
}
