// SPDX-License-Identifier: Apache-2.0
#include "cache/gc.h"

#include <catch2/catch.hpp>
#include <ctime>
#include <set>

#include "cache/cache_admin.h"
#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

constexpr CacheLimits kNoLimits{.max_bytes = 0, .max_entries = 0};
constexpr std::int64_t kDay = 86'400;

std::int64_t now() { return static_cast<std::int64_t>(std::time(nullptr)); }

std::string blob_of(int number) { return "x'" + to_hex(key_of(number).digest) + "'"; }

struct Cache {
  TempDir directory;
  Problems problems;
  SqliteStore store{{.directory = directory / "cache", .limits = kNoLimits}, problems.sink()};

  void put(int first, int last, std::size_t bytes = 3000, const char* compiler = "nvrtc 13.0") {
    for (int i = first; i <= last; ++i) {
      auto code = std::make_shared<CodeObject>(*code_of(i, bytes));
      code->compiler = compiler;
      REQUIRE(store.put(key_of(i), code));
    }
  }
  void stamp(int number, std::int64_t unix_s) {
    REQUIRE(run_sql(directory / "cache", "UPDATE entry_use SET last_used_unix_s = " + std::to_string(unix_s) +
                                             " WHERE digest = " + blob_of(number)) == SQLITE_OK);
  }
  GcReport collect(const CacheLimits& limits, bool dry_run = false) {
    auto report = store.collect_garbage(limits, dry_run);
    REQUIRE(report);
    return std::move(*report);
  }
  bool has(int number) {
    return query_sql(directory / "cache", "SELECT count(*) FROM entry WHERE digest = " + blob_of(number)) == 1;
  }
  std::int64_t query(const std::string& sql) { return query_sql(directory / "cache", sql); }
};

}  // namespace

TEST_CASE("within its limits a cache loses nothing", "[cache]") {
  Cache cache;
  cache.put(1, 10);
  for (const CacheLimits& limits :
       {kNoLimits, CacheLimits{}, CacheLimits{.max_bytes = 0, .max_entries = 10}, CacheLimits{1 << 20, 0}}) {
    const GcReport report = cache.collect(limits);
    CHECK(report.entries == 10);
    CHECK(report.removed_entries == 0);
    CHECK(report.bytes_left == report.bytes);
  }
  CHECK(cache.query("SELECT count(*) FROM entry") == 10);
}

TEST_CASE("beyond a limit the least recently used entries go, until the cache is at four fifths of it", "[cache]") {
  Cache cache;
  cache.put(1, 20);
  for (int i = 1; i <= 20; ++i) {
    cache.stamp(i, now() - (i * 7 % 20) * 3600 * 2);  // 20 is the newest, then 3, 6, ...
  }
  const GcReport report = cache.collect({.max_bytes = 0, .max_entries = 15});
  CHECK(report.entries == 20);
  CHECK(report.removed_entries == 8);
  CHECK(cache.query("SELECT count(*) FROM entry") == 12);
  CHECK(cache.query("SELECT count(*) FROM entry_use") == 12);
  for (int i = 1; i <= 20; ++i) {
    INFO(i);
    CHECK(cache.has(i) == (i * 7 % 20 < 12));
  }
  for (const GcVictim& victim : report.victims) {
    CHECK(victim.reason == GcReason::kLeastRecentlyUsed);
    CHECK(victim.spec.starts_with("grouped_gemm_none_bf16_n"));
  }
}

TEST_CASE("a limit of a few entries leaves as many", "[cache]") {
  for (const std::int64_t limit : {1, 4}) {
    Cache cache;
    cache.put(1, 6);
    cache.collect({.max_bytes = 0, .max_entries = limit});
    CHECK(cache.query("SELECT count(*) FROM entry") == limit);
  }
}

TEST_CASE("beyond the limit of bytes the file gets smaller", "[cache]") {
  Cache cache;
  cache.put(1, 60, 40'000);
  constexpr std::int64_t kLimit = 1'000'000;
  const GcReport report = cache.collect({.max_bytes = kLimit, .max_entries = 0});
  CHECK(report.bytes > 60 * 40'000);
  CHECK(report.bytes_left <= kLimit / 5 * 4);
  CHECK(report.bytes_left > kLimit / 2);
  CHECK(cache.query("PRAGMA page_count") * 4096 <= kLimit);
  CHECK(cache.query("SELECT count(*) FROM entry") == report.entries - report.removed_entries);
  CHECK(cache.query("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'") == 0);
}

TEST_CASE("entries whose sizes cannot be do not mislead a collection", "[cache]") {
  Cache cache;
  cache.put(1, 60, 40'000);
  for (int i = 1; i <= 60; ++i) {
    cache.stamp(i, now() - (60 - i) * 3600 * 2);
  }
  for (const char* bytes : {"9223372036854775807", "-9223372036854775808"}) {
    REQUIRE(run_sql(cache.directory / "cache", std::string("UPDATE entry_use SET bytes = ") + bytes +
                                                   " WHERE digest IN (" + blob_of(1) + ", " + blob_of(2) + ")") ==
            SQLITE_OK);
    const GcReport plan = cache.collect({.max_bytes = 1'000'000, .max_entries = 0}, true);
    CHECK(plan.removed_bytes >= 0);
  }
  const GcReport report = cache.collect({.max_bytes = 1'000'000, .max_entries = 0});
  CHECK(report.removed_entries > 30);
  CHECK(report.removed_entries < 60);
  CHECK(cache.has(60));
}

TEST_CASE("pinned entries stay, even if the limit cannot be kept then", "[cache]") {
  Cache cache;
  cache.put(1, 10);
  for (int i = 1; i <= 4; ++i) {
    cache.stamp(i, now() - 100 * kDay);
    REQUIRE(*cache.store.set_pinned(key_of(i).digest, true));
  }
  CHECK_FALSE(*cache.store.set_pinned(key_of(11).digest, true));
  const GcReport report = cache.collect({.max_bytes = 0, .max_entries = 2});
  CHECK(report.pinned == 4);
  CHECK(report.removed_entries == 6);
  for (int i = 1; i <= 10; ++i) {
    CHECK(cache.has(i) == (i <= 4));
  }
  REQUIRE(*cache.store.set_pinned(key_of(1).digest, false));
  cache.collect({.max_bytes = 0, .max_entries = 3});
  CHECK_FALSE(cache.has(1));
}

TEST_CASE("a pin outlives storing the entry again, and damage", "[cache]") {
  Cache cache;
  cache.put(1, 1);
  REQUIRE(*cache.store.set_pinned(key_of(1).digest, true));
  cache.put(1, 1);
  CHECK(cache.query("SELECT pinned FROM entry_use") == 1);
  REQUIRE(run_sql(cache.directory / "cache", "UPDATE entry SET checksum = 0") == SQLITE_OK);
  CHECK(*cache.store.get(key_of(1)) == nullptr);
  cache.put(1, 1);
  CHECK(cache.query("SELECT pinned FROM entry_use") == 1);
}

TEST_CASE("rows that were set aside go first, then a dead compiler's entries, then the least recently used",
          "[cache]") {
  Cache cache;
  cache.put(1, 4, 3000, "nvrtc 12.0");
  cache.put(5, 12, 3000, "nvrtc 13.0");
  cache.put(13, 13);
  REQUIRE(run_sql(cache.directory / "cache", "UPDATE entry SET checksum = 0 WHERE digest = " + blob_of(13)) ==
          SQLITE_OK);
  CHECK(*cache.store.get(key_of(13)) == nullptr);
  for (int i = 1; i <= 12; ++i) {
    cache.stamp(i, now() - (i <= 4 ? 8 : 20) * kDay);
  }
  cache.stamp(12, now());  // So that 12.0 is not the build that was used last.
  const GcReport report = cache.collect({.max_bytes = 0, .max_entries = 10});
  CHECK(report.removed_bad == 1);
  CHECK(report.removed_entries == 4);
  REQUIRE(report.victims.size() == 5);
  CHECK(report.victims[0].reason == GcReason::kSetAside);
  for (std::size_t i = 1; i < 5; ++i) {
    CHECK(report.victims[i].reason == GcReason::kDeadGeneration);
  }
  for (int i = 1; i <= 12; ++i) {
    CHECK(cache.has(i) == (i > 4));
  }
}

TEST_CASE("a compiler build is dead a week after its last use, if its backend has a later one", "[cache]") {
  const GenerationUse old{.backend = "nvrtc", .last_used_unix_s = 1000};
  const std::int64_t later = 1000 + kDeadAfterS;
  CHECK(is_dead_generation(old, {old, {"nvrtc", 2000}}, later));
  CHECK_FALSE(is_dead_generation(old, {old, {"nvrtc", 2000}}, later - 1));
  CHECK_FALSE(is_dead_generation(old, {old}, later));
  CHECK_FALSE(is_dead_generation(old, {old, {"llvm", 2000}}, later));
  CHECK_FALSE(is_dead_generation(old, {old, {"nvrtc", 1000}}, later));
}

TEST_CASE("a dry run says what would go and changes nothing", "[cache]") {
  Cache cache;
  cache.put(1, 30, 20'000);
  for (int i = 1; i <= 30; ++i) {
    cache.stamp(i, now() - i * 3600 * 2);
  }
  for (const CacheLimits& limits : {CacheLimits{0, 10}, CacheLimits{400'000, 0}}) {
    const GcReport planned = cache.collect(limits, true);
    CHECK(cache.query("SELECT count(*) FROM entry") == 30);
    CHECK(planned.removed_entries > 15);
    CHECK(planned.removed_entries < 25);
    CHECK(planned.victims.size() == static_cast<std::size_t>(planned.removed_entries));
  }
  const GcReport planned = cache.collect({.max_bytes = 0, .max_entries = 10}, true);
  const GcReport done = cache.collect({.max_bytes = 0, .max_entries = 10});
  std::set<std::string> would, did;
  for (const GcVictim& victim : planned.victims) would.insert(victim.key);
  for (const GcVictim& victim : done.victims) did.insert(victim.key);
  CHECK(would == did);
  CHECK(cache.query("SELECT count(*) FROM entry") == 8);
}

TEST_CASE("a stamp from the future is set to now, so that it does not keep an entry for ever", "[cache]") {
  Cache cache;
  cache.put(1, 10);
  for (const std::int64_t stamp : {now() + 1000 * kDay, INT64_MAX}) {
    cache.stamp(1, stamp);
    cache.collect({.max_bytes = 0, .max_entries = 100});
    CHECK(cache.query("SELECT last_used_unix_s FROM entry_use WHERE digest = " + blob_of(1)) <= now());
  }
  cache.stamp(2, INT64_MIN);
  cache.collect({.max_bytes = 0, .max_entries = 9});
  CHECK_FALSE(cache.has(2));
}

TEST_CASE("more entries than one step reads are collected in the same order", "[cache]") {
  Cache cache;
  REQUIRE(cache.store.put(key_of(1), code_of(1)));
  REQUIRE(run_sql(cache.directory / "cache",
                  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
                  "INSERT INTO entry_use SELECT randomblob(32), unixepoch() - i * 3600, 100, 7, 0 FROM n") == SQLITE_OK);
  const GcReport report = cache.collect({.max_bytes = 0, .max_entries = 1250});
  CHECK(report.entries == 3001);
  CHECK(report.removed_entries == 2001);
  CHECK(cache.query("SELECT (unixepoch() - min(last_used_unix_s)) / 3600 FROM entry_use") == 999);
}

TEST_CASE("a collection that is told to stop leaves a whole cache", "[cache]") {
  Cache cache;
  cache.put(1, 100);
  ConnectionPool pool({.directory = cache.directory / "cache"}, cache.problems.sink());
  const auto report = collect_garbage(
      [&](std::string_view action, const std::function<DbStatus(SqliteConnection&)>& step) {
        return pool.run(action, step);
      },
      {.limits = {.max_bytes = 0, .max_entries = 10}, .now_unix_s = now(), .should_stop = [&] { return cache.query("SELECT count(*) FROM entry") < 60; }});
  REQUIRE(report);
  CHECK(report->removed_entries > 40);
  CHECK(report->removed_entries < 92);
  CHECK(cache.query("SELECT count(*) FROM entry") == 100 - report->removed_entries);
  CHECK(cache.query("SELECT count(*) FROM entry_use") == 100 - report->removed_entries);
}
