// SPDX-License-Identifier: Apache-2.0
#include "cache/upkeep.h"

#include <fcntl.h>
#include <sys/file.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <ctime>
#include <new>
#include <thread>

#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

constexpr CacheLimits kTwenty{.max_bytes = 0, .max_entries = 20};

std::int64_t now() { return static_cast<std::int64_t>(std::time(nullptr)); }

/// Waits for what a thread will do in its own time; false after half a minute.
bool comes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 600 && !condition(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return condition();
}

void put(SqliteStore& store, int first, int last) {
  for (int i = first; i <= last; ++i) {
    REQUIRE(store.put(key_of(i), code_of(i, 500)));
  }
}

}  // namespace

TEST_CASE("a store removes what exceeds its limits by itself", "[cache][threads]") {
  TempDir directory;
  Problems problems;
  SqliteStore store({.directory = directory / "cache", .limits = kTwenty}, problems.sink());
  put(store, 1, 300);
  CHECK(comes_true([&] { return query_sql(directory / "cache", "SELECT count(*) FROM entry") < 100; }));
  put(store, 1000, 1000);
  CHECK(*store.get(key_of(1000)) != nullptr);
  CHECK(problems.texts().empty());
}

TEST_CASE("a process that stores one entry looks at the limits, too", "[cache][threads]") {
  TempDir directory;
  Problems problems;
  {
    SqliteStore store({.directory = directory / "cache", .limits = {0, 0}}, problems.sink());
    put(store, 1, 50);
  }
  SqliteStore store({.directory = directory / "cache", .limits = kTwenty}, problems.sink());
  put(store, 51, 51);
  CHECK(comes_true([&] { return query_sql(directory / "cache", "SELECT count(*) FROM entry") == 16; }));
}

TEST_CASE("a log that throws when upkeep fails ends neither the process nor upkeep", "[cache][threads]") {
  TempDir directory;
  std::atomic<int> problems{0};
  SqliteStore store({.directory = directory / "cache", .limits = kTwenty}, [&](const std::string&) {
    ++problems;
    throw std::bad_alloc();
  });
  for (int round = 1; round <= 2; ++round) {
    put(store, 1000 * round, 1000 * round + 30);
    // The next collection finds the database damaged, sets it aside, and says so.
    REQUIRE(comes_true([&] { return run_sql(directory / "cache", "DROP TABLE IF EXISTS bad") == SQLITE_OK; }));
    put(store, 1000 * round + 31, 1000 * round + 330);
    REQUIRE(comes_true([&] { return problems >= round; }));
  }
}

TEST_CASE("while another process collects, a store leaves it to that", "[cache][threads]") {
  TempDir directory;
  Problems problems;
  fs::create_directory(directory / "cache");
  fs::permissions(directory / "cache", fs::perms::owner_all);
  const DatabaseFiles files(directory / "cache");
  const int other = open(files.collector_lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(flock(other, LOCK_EX) == 0);
  {
    SqliteStore store({.directory = directory / "cache", .limits = kTwenty}, problems.sink());
    put(store, 1, 300);
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  CHECK(query_sql(directory / "cache", "SELECT count(*) FROM entry") == 300);
  close(other);
  SqliteStore store({.directory = directory / "cache", .limits = kTwenty}, problems.sink());
  put(store, 1, 1);
  CHECK(comes_true([&] { return query_sql(directory / "cache", "SELECT count(*) FROM entry") == 16; }));
}

TEST_CASE("a hit is stamped at most once an hour, by the end of its process", "[cache][threads]") {
  TempDir directory;
  Problems problems;
  {
    SqliteStore store({.directory = directory / "cache"}, problems.sink());
    put(store, 1, 3);
  }
  const std::int64_t recent = now() - 1800;
  const auto set_stamp = [&](int number, std::int64_t unix_s) {
    REQUIRE(run_sql(directory / "cache", "UPDATE entry_use SET last_used_unix_s = " + std::to_string(unix_s) +
                                             " WHERE digest = x'" + to_hex(key_of(number).digest) + "'") == SQLITE_OK);
  };
  const auto stamp_of = [&](int number) {
    return query_sql(directory / "cache", "SELECT last_used_unix_s FROM entry_use WHERE digest = x'" +
                                              to_hex(key_of(number).digest) + "'");
  };
  for (const std::vector<int>& used : {std::vector<int>{1}, std::vector<int>{1, 2}}) {
    set_stamp(1, 1'700'000'000);
    set_stamp(2, recent);
    set_stamp(3, 1'700'000'000);
    {
      SqliteStore store({.directory = directory / "cache"}, problems.sink());
      for (const int number : used) {
        REQUIRE(*store.get(key_of(number)) != nullptr);
      }
    }
    CHECK(stamp_of(1) >= now() - 60);
    CHECK(stamp_of(2) == recent);
    CHECK(stamp_of(3) == 1'700'000'000);
  }
  set_stamp(1, now() + 1'000'000);  // The clock was wrong.
  {
    SqliteStore store({.directory = directory / "cache"}, problems.sink());
    REQUIRE(*store.get(key_of(1)) != nullptr);
  }
  CHECK(stamp_of(1) <= now());
  CHECK(problems.texts().empty());
}

TEST_CASE("a long log is folded into the file without a store waiting for it", "[cache][threads]") {
  TempDir directory;
  Problems problems;
  SqliteStore store({.directory = directory / "cache", .limits = {0, 0}}, problems.sink());
  for (int i = 0; i < 60; ++i) {
    REQUIRE(store.put(key_of(i), code_of(i, 50'000)));
  }
  CHECK(comes_true([&] { return fs::file_size(database_in(directory / "cache")) > 50 * 50'000; }));
}

TEST_CASE("a child of fork neither runs nor joins its parent's upkeep", "[cache][threads]") {
  TempDir directory;
  Problems problems;
  SqliteStore store({.directory = directory / "cache", .limits = kTwenty}, problems.sink());
  put(store, 1, 30);
  CHECK(run_child([&] {
          std::optional<SqliteStore> copy;
          copy.emplace(SqliteStoreOptions{.directory = directory / "cache"}, problems.sink());
          copy.reset();
          (void)store.get(key_of(1));
          store.~SqliteStore();
          return 0;
        }) == 0);
}
