// SPDX-License-Identifier: Apache-2.0
#include "cache/verdict_row.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>

#include "cache/cache_admin.h"
#include "cache/kernel_cache.h"
#include "cache/schema.h"
#include "cache/sqlite_store.h"
#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

const GoldenPlace kPlace{"NVIDIA H200", "13.0"};

GoldenVerdict verdict_of(bool passed, const GoldenPlace& place = kPlace) {
  return {.place = place,
          .code = sha256(as_bytes("code")),
          .version = 1,
          .passed = passed,
          .relative_error = passed ? 1.5e-3 : HUGE_VAL,
          .allowed_relative_error = 4e-3,
          .compared = 5120,
          .checked_unix_s = 1'700'000'000,
          .finding = passed ? "" : "d[3, 17] is 0",
          .writer = "sinter test"};
}

struct Cache {
  TempDir directory;
  Problems problems;
  KernelCache cache{{.directory = directory / "cache", .max_bytes = 0, .max_entries = 0}, problems.sink()};

  std::int64_t query(const std::string& sql) { return query_sql(directory / "cache", sql); }
  std::int64_t rows() { return query("SELECT count(*) FROM verdict"); }
  std::optional<GoldenVerdict> find(int number, const GoldenPlace& place = kPlace) { return cache.verdict(key_of(number).digest, place); }
};

}  // namespace

TEST_CASE("a verdict is read as it was written, by another process too", "[cache]") {
  Cache setup;
  CHECK_FALSE(setup.find(1));
  for (const bool passed : {true, false}) {
    REQUIRE(setup.cache.remember_verdict(key_of(1).digest, verdict_of(passed)));
    KernelCache other({.directory = setup.directory / "cache"}, setup.problems.sink());
    const auto found = other.verdict(key_of(1).digest, kPlace);
    REQUIRE(found);
    const GoldenVerdict expected = verdict_of(passed);
    CHECK(found->place == expected.place);
    CHECK(found->code == expected.code);
    CHECK(found->version == 1);
    CHECK(found->passed == passed);
    CHECK(found->relative_error == expected.relative_error);
    CHECK(found->allowed_relative_error == expected.allowed_relative_error);
    CHECK(found->compared == 5120);
    CHECK(found->checked_unix_s == expected.checked_unix_s);
    CHECK(found->finding == expected.finding);
    CHECK(found->writer == "sinter test");
  }
  CHECK(setup.rows() == 1);
  CHECK_FALSE(setup.find(2));
  CHECK(setup.problems.texts().empty());
}

TEST_CASE("an entry has a verdict for each device and driver", "[cache]") {
  Cache setup;
  const GoldenPlace other_driver{"NVIDIA H200", "13.1"}, other_device{"NVIDIA H100", "13.0"};
  REQUIRE(setup.cache.remember_verdict(key_of(1).digest, verdict_of(true)));
  REQUIRE(setup.cache.remember_verdict(key_of(1).digest, verdict_of(false, other_driver)));
  CHECK(setup.find(1)->passed);
  CHECK_FALSE(setup.find(1, other_driver)->passed);
  CHECK_FALSE(setup.find(1, other_device));
  auto admin = CacheAdmin::open(setup.directory / "cache");
  REQUIRE(admin);
  const auto all = admin->verdicts(key_of(1).digest);
  REQUIRE(all);
  REQUIRE(all->size() == 2);
  CHECK(all->at(1).place == other_driver);
}

TEST_CASE("forgetting takes failed verdicts and leaves the others", "[cache]") {
  Cache setup;
  CHECK(setup.cache.forget_failed_verdicts("") == 0);
  for (int i = 1; i <= 3; ++i) {
    REQUIRE(setup.cache.remember_verdict(key_of(i).digest, verdict_of(i == 1)));
  }
  CHECK(setup.cache.forget_failed_verdicts(to_hex(key_of(2).digest).substr(0, 12)) == 1);
  CHECK_FALSE(setup.find(2));
  CHECK(setup.find(3));
  CHECK(setup.cache.forget_failed_verdicts("") == 1);
  CHECK(setup.find(1));
}

TEST_CASE("a verdict that was damaged is none", "[cache]") {
  Cache setup;
  REQUIRE(setup.cache.remember_verdict(key_of(1).digest, verdict_of(false)));
  REQUIRE(run_sql(setup.directory / "cache", "UPDATE verdict SET passed = 1") == SQLITE_OK);
  CHECK_FALSE(setup.find(1));
  CHECK(setup.cache.counters().storage_faults == 0);
}

TEST_CASE("verdicts go when their entry goes", "[cache]") {
  TempDir directory;
  Problems problems;
  SqliteStore store({.directory = directory / "cache", .limits = {.max_bytes = 0, .max_entries = 0}}, problems.sink());
  const auto rows = [&] { return query_sql(directory / "cache", "SELECT count(*) FROM verdict"); };
  for (int i = 1; i <= 6; ++i) {
    REQUIRE(store.put(key_of(i), code_of(i)));
    REQUIRE(store.remember_verdict(key_of(i).digest, verdict_of(true)));
    REQUIRE(store.remember_verdict(key_of(i).digest, verdict_of(false, {"another", "1"})));
  }
  CHECK(rows() == 12);

  SECTION("by a collection") {
    const auto report = store.collect_garbage({.max_bytes = 0, .max_entries = 5}, false);
    REQUIRE(report);
    CHECK(report->removed_entries == 2);  // down to four fifths
    CHECK(rows() == 8);
  }
  SECTION("when it is set aside as damaged") {
    REQUIRE(run_sql(directory / "cache", "UPDATE entry SET compile_ms = 1e9 WHERE rowid = 1") == SQLITE_OK);
    for (int i = 1; i <= 6; ++i) {
      REQUIRE(store.get(key_of(i)));
    }
    CHECK(store.bad_entries() == 1);
    CHECK(rows() == 10);
  }
}

TEST_CASE("a cache in which nothing was checked has no table of verdicts, and one that has is still read without SQLite", "[cache]") {
  Cache setup;
  setup.cache.store(key_of(1), code_of(1));
  CHECK_FALSE(setup.find(1));
  CHECK(setup.query("SELECT count(*) FROM sqlite_schema WHERE name = 'verdict'") == 0);

  // The list of tables must fit into the first page, whose type is the byte behind the header.
  REQUIRE(setup.cache.remember_verdict(key_of(1).digest, verdict_of(true)));
  for (const char* sql : {schema::kMakeUsageTables, schema::kCreateTuning, "PRAGMA wal_checkpoint(TRUNCATE)"}) {
    REQUIRE(run_sql(setup.directory / "cache", sql) == SQLITE_OK);
  }
  std::ifstream file(database_in(setup.directory / "cache"), std::ios::binary);
  file.seekg(100);
  CHECK(file.get() == 13);  // a leaf
}

TEST_CASE("a directory that cannot be used has no verdicts and fails nothing", "[cache]") {
  Problems problems;
  KernelCache cache({.directory = "/proc/sinter-cannot-be-made"}, problems.sink());
  CHECK_FALSE(cache.verdict(key_of(1).digest, kPlace));
  CHECK_FALSE(cache.remember_verdict(key_of(1).digest, verdict_of(true)));
  CHECK(cache.forget_failed_verdicts("") == 0);
  KernelCache memory({}, problems.sink());
  CHECK_FALSE(memory.remember_verdict(key_of(1).digest, verdict_of(true)));
}
