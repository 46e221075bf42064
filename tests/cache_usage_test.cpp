// SPDX-License-Identifier: Apache-2.0
#include <sys/file.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <ctime>
#include <map>

#include "cache/cache_admin.h"
#include "cache/kernel_cache.h"
#include "cache/schema.h"
#include "cache/usage_log.h"
#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

/// Of all hours together.
std::map<std::string, std::int64_t> totals_in(const std::string& directory) {
  std::map<std::string, std::int64_t> totals;
  auto admin = CacheAdmin::open(directory);
  REQUIRE(admin);
  const auto counts = admin->counts();
  REQUIRE(counts);
  for (const HourCount& count : *counts) {
    totals[count.name] += count.value;
  }
  return totals;
}

CacheKey with_field(CacheKey key, std::string_view name, const std::string& value) {
  for (KeyField& field : key.fields) {
    if (field.name == name) {
      field.value = value;
    }
  }
  return make_cache_key(std::move(key.fields));
}

}  // namespace

TEST_CASE("what processes ask of a cache is added up in it", "[cache]") {
  TempDir directory;
  for (int process = 0; process < 3; ++process) {
    REQUIRE(run_child([&] {
              KernelCache cache({.directory = directory / "cache"}, nullptr);
              if (!cache.lookup(key_of(1))) cache.store(key_of(1), code_of(1));
              return cache.lookup(key_of(1)) && cache.lookup(key_of(1)) ? 0 : 1;
            }) == 0);
  }
  const std::map<std::string, std::int64_t> expected = {
      {"hit local", 2}, {"hit memory", 6}, {"miss", 1}, {"miss new", 1}, {"store", 1}};
  CHECK(totals_in(directory / "cache") == expected);
  auto admin = CacheAdmin::open(directory / "cache");
  REQUIRE(admin);
  const auto uses = admin->uses();
  REQUIRE(uses);
  REQUIRE(uses->size() == 1);
  CHECK(uses->at(to_hex(key_of(1).digest)).loads == 2);
  CHECK_FALSE(uses->at(to_hex(key_of(1).digest)).pinned);
}

TEST_CASE("a miss is explained by the stored key that is nearest", "[cache]") {
  TempDir directory;
  {
    KernelCache cache({.directory = directory / "cache"}, nullptr);
    for (const int number : {1, 2, 3}) {
      cache.store(key_of(number), code_of(number));
    }
    cache.remember_failure(key_of(4), {ErrorCode::kCompileFailed, false, std::time(nullptr), "no", "", ""});
  }
  REQUIRE(run_sql(directory / "cache", "UPDATE entry SET checksum = 1 WHERE spec LIKE '%n2'") == SQLITE_OK);
  {
    KernelCache cache({.directory = directory / "cache"}, nullptr);
    CHECK_FALSE(cache.lookup(with_field(key_of(1), "compiler", "nvrtc 13.1")));
    CHECK_FALSE(cache.lookup(with_field(key_of(1), "schema", "2")));
    CHECK_FALSE(cache.lookup(key_of(2)));
    CHECK_FALSE(cache.lookup(key_of(4)));
    CHECK_FALSE(cache.lookup(key_of(5)));
    // Compiled and stored since: it does not explain itself.
    cache.store(key_of(5), code_of(5));
  }
  const auto totals = totals_in(directory / "cache");
  CHECK(totals.at("miss") == 5);
  for (const char* cause : {"miss compiler", "miss schema", "miss damaged", "miss failing", "miss new"}) {
    INFO(cause);
    CHECK(totals.at(cause) == 1);
  }
}

TEST_CASE("a stored key that has the same fields in another order explains a miss, too", "[cache]") {
  TempDir directory;
  {
    KernelCache cache({.directory = directory / "cache"}, nullptr);
    CacheKey reversed = key_of(1);
    std::ranges::reverse(reversed.fields);
    reversed = make_cache_key(std::move(reversed.fields));
    cache.store(reversed, code_of(1));
    CHECK_FALSE(cache.lookup(key_of(1)));
  }
  CHECK(totals_in(directory / "cache").at("miss schema") == 1);
}

TEST_CASE("a database without the tables of counts is read, and gets them when something is counted", "[cache]") {
  TempDir directory;
  {
    SqliteStore store({.directory = directory / "cache"}, nullptr);
    REQUIRE(store.put(key_of(1), code_of(1)));
  }
  CHECK(query_sql(directory / "cache", "SELECT count(*) FROM sqlite_schema WHERE name = 'counter'") == 0);
  CHECK(totals_in(directory / "cache").empty());
  auto admin = CacheAdmin::open(directory / "cache");
  REQUIRE(admin);
  REQUIRE(admin->uses());
  CHECK(admin->uses()->size() == 1);
  {
    Problems problems;
    KernelCache cache({.directory = directory / "cache"}, problems.sink());
    CHECK(cache.lookup(key_of(1)));
  }
  CHECK(totals_in(directory / "cache") == std::map<std::string, std::int64_t>{{"hit local", 1}});
  CHECK(count_bad_databases(directory / "cache") == 0);
}

TEST_CASE("hours that are too old, or from a clock that was wrong, are added up in one row each", "[cache]") {
  TempDir directory;
  const auto count = [&] {
    KernelCache cache({.directory = directory / "cache"}, nullptr);
    cache.store(key_of(1), code_of(1));
  };
  count();
  const std::int64_t hour = std::time(nullptr) / 3600;
  for (const std::int64_t other : {hour - 100000, hour - schema::kCountedHours - 1, hour + 5000, hour - 10}) {
    REQUIRE(run_sql(directory / "cache", "INSERT INTO counter VALUES (" + std::to_string(other) + ", 'store', 10)") ==
            SQLITE_OK);
  }
  count();
  CHECK(query_sql(directory / "cache", "SELECT value FROM counter WHERE hour = 0 AND name = 'store'") == 30);
  CHECK(query_sql(directory / "cache", "SELECT sum(value) FROM counter WHERE name = 'store'") == 42);
  CHECK(query_sql(directory / "cache", "SELECT count(DISTINCT hour) FROM counter WHERE hour > 0") <= 3);
}

TEST_CASE("only the entries that are loaded most are remembered", "[cache]") {
  TempDir directory;
  {
    KernelCache cache({.directory = directory / "cache"}, nullptr);
    cache.store(key_of(1), code_of(1));
  }
  REQUIRE(
      run_sql(directory / "cache",
              "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) INSERT INTO entry_load "
              "SELECT CAST(printf('%032d', i) AS BLOB), i + 1 FROM n") == SQLITE_OK);
  {
    KernelCache cache({.directory = directory / "cache"}, nullptr);
    CHECK(cache.lookup(key_of(1)));
  }
  CHECK(query_sql(directory / "cache", "SELECT count(*) FROM entry_load") == schema::kMaxLoadRows);
  CHECK(query_sql(directory / "cache", "SELECT max(loads) FROM entry_load") == 9001);
}

TEST_CASE("counts that could not be written are written with the next ones", "[cache]") {
  TempDir directory;
  {
    SqliteStore store({.directory = directory / "cache"}, nullptr);
    REQUIRE(store.put(key_of(1), code_of(1)));
  }
  ConnectionPool pool({.directory = directory / "cache"}, [](const std::string&) {});
  auto counters = std::make_shared<UsageCounters>();
  UsageLog log(counters);
  CHECK_FALSE(log.is_due());
  counters->count(UsageEvent::kStore);
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(database_in(directory / "cache").c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  CHECK_FALSE(log.flush(pool, std::chrono::milliseconds(1)));
  REQUIRE(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(other);
  counters->count(UsageEvent::kStore);
  REQUIRE(log.flush(pool, std::chrono::seconds(10)));
  REQUIRE(log.flush(pool, std::chrono::seconds(10)));
  CHECK(totals_in(directory / "cache") == std::map<std::string, std::int64_t>{{"store", 2}});
}

TEST_CASE("the stored key that is nearest to one is found by its spec, else by its name", "[cache]") {
  TempDir directory;
  {
    KernelCache cache({.directory = directory / "cache"}, nullptr);
    for (const int number : {1, 2, 3}) {
      cache.store(key_of(number), code_of(number));
    }
  }
  auto admin = CacheAdmin::open(directory / "cache");
  REQUIRE(admin);
  const auto by_spec = admin->nearest(with_field(key_of(2), "compiler", "nvrtc 13.1"));
  REQUIRE(by_spec);
  REQUIRE(by_spec->has_value());
  CHECK((*by_spec)->same_spec);
  CHECK((*by_spec)->key.digest == key_of(2).digest);
  const auto by_name = admin->nearest(key_of(77));
  REQUIRE(by_name);
  REQUIRE(by_name->has_value());
  CHECK_FALSE((*by_name)->same_spec);
  const auto other_arch = admin->nearest(with_field(key_of(77), "arch", "gfx942"));
  REQUIRE(other_arch);
  CHECK_FALSE(other_arch->has_value());
  CHECK(*admin->contains(key_of(2).digest));
  CHECK_FALSE(*admin->contains(key_of(77).digest));
}

TEST_CASE("facts and failures of all entries can be listed", "[cache]") {
  TempDir directory;
  {
    KernelCache cache({.directory = directory / "cache"}, nullptr);
    cache.store(key_of(1), code_of(1));
    cache.remember_failure(key_of(4), {ErrorCode::kCompileFailed, true, std::time(nullptr), "no", "", ""});
  }
  auto admin = CacheAdmin::open(directory / "cache");
  REQUIRE(admin);
  std::map<std::string, std::int64_t> registers;
  REQUIRE(admin->visit_facts(
      [&](std::string_view key, const CodeFacts& facts) { registers[std::string(key)] = facts.registers; }));
  CHECK(registers == std::map<std::string, std::int64_t>{{to_hex(key_of(1).digest), 101}});
  const auto failures = admin->failures();
  REQUIRE(failures);
  REQUIRE(failures->size() == 1);
  CHECK(failures->front().spec == "grouped_gemm_none_bf16_n4");
  CHECK(failures->front().crashed);
  CHECK(failures->front().message == "no");
}
