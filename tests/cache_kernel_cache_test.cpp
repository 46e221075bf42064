// SPDX-License-Identifier: Apache-2.0
#include "cache/kernel_cache.h"

#include <catch2/catch.hpp>
#include <thread>

#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

TEST_CASE("a stored kernel is a memory hit here and a local hit in a new cache", "[cache]") {
  TempDir directory;
  Problems problems;
  {
    KernelCache cache({.directory = directory / "cache"}, problems.sink());
    CHECK_FALSE(cache.lookup(key_of(1)).has_value());
    const auto code = code_of(1);
    cache.store(key_of(1), code);
    const auto hit = cache.lookup(key_of(1));
    REQUIRE(hit.has_value());
    CHECK(hit->layer == CacheLayer::kMemory);
    CHECK(hit->code == code);
    const CacheCounters counters = cache.counters();
    CHECK(counters.misses == 1);
    CHECK(counters.memory_hits == 1);
    CHECK(counters.stores == 1);
  }
  KernelCache cache({.directory = directory / "cache"}, problems.sink());
  const auto first = cache.lookup(key_of(1));
  const auto second = cache.lookup(key_of(1));
  REQUIRE((first.has_value() && second.has_value()));
  CHECK(first->layer == CacheLayer::kLocal);
  CHECK(second->layer == CacheLayer::kMemory);
  CHECK(same_code(*second->code, *code_of(1)));
  CHECK(cache.counters().local_hits == 1);
  CHECK(problems.texts().empty());
}

TEST_CASE("without a directory the cache is memory only and makes no file", "[cache]") {
  Problems problems;
  KernelCache cache({}, problems.sink());
  cache.store(key_of(1), code_of(1));
  CHECK(cache.lookup(key_of(1)).has_value());
  CHECK_FALSE(cache.lookup(key_of(2)).has_value());
  cache.remember_compiler_identity("stamp", "x");
  CHECK_FALSE(cache.compiler_identity("stamp").has_value());
  CHECK(cache.counters().storage_faults == 0);
  CHECK(problems.texts().empty());
}

TEST_CASE("a cache that was never used makes no directory", "[cache]") {
  TempDir directory;
  { KernelCache cache({.directory = directory / "cache"}, nullptr); }
  CHECK_FALSE(fs::exists(directory / "cache"));
}

TEST_CASE("the directory is made for this user alone", "[cache]") {
  TempDir directory;
  KernelCache cache({.directory = directory / "deep/er/cache"}, nullptr);
  cache.store(key_of(1), code_of(1));
  CHECK(cache.counters().stores == 1);
  CHECK(fs::status(directory / "deep/er/cache").permissions() == fs::perms::owner_all);
}

TEST_CASE("a relative directory stays where it was when the process moves", "[cache]") {
  TempDir directory;
  CHECK(run_child([&] {
          fs::create_directory(directory / "elsewhere");
          fs::current_path(directory.path());
          KernelCache cache({.directory = "cache"}, nullptr);
          fs::current_path(directory / "elsewhere");
          cache.store(key_of(1), code_of(1));
          return cache.directory() == directory / "cache" ? 0 : 1;
        }) == 0);
  CHECK(fs::exists(database_in(directory / "cache")));
  CHECK(fs::is_empty(directory / "elsewhere"));
}

TEST_CASE("a damaged entry is a miss, is counted and said once, and is stored again", "[cache]") {
  TempDir directory;
  Problems problems;
  {
    KernelCache cache({.directory = directory / "cache"}, problems.sink());
    cache.store(key_of(1), code_of(1));
  }
  REQUIRE(run_sql(directory / "cache", "UPDATE entry SET code = zeroblob(10)") == SQLITE_OK);
  KernelCache cache({.directory = directory / "cache", .memory_bytes = 0}, problems.sink());
  CHECK_FALSE(cache.lookup(key_of(1)).has_value());
  CHECK_FALSE(cache.lookup(key_of(1)).has_value());
  cache.store(key_of(1), code_of(1));
  CHECK(cache.lookup(key_of(1)).has_value());
  const CacheCounters counters = cache.counters();
  CHECK(counters.bad_entries == 1);
  CHECK(counters.misses == 2);
  CHECK(counters.storage_faults == 0);
  REQUIRE(problems.texts().size() == 1);
  CHECK(problems.all().find("checksum does not match") != std::string::npos);
}

TEST_CASE("a fault of the storage is counted each time and said once", "[cache]") {
  TempDir directory;
  Problems problems;
  write_file(directory / "file", {'x'});
  KernelCache cache({.directory = directory / "file"}, problems.sink());
  for (int i = 0; i < 5; ++i) {
    CHECK_FALSE(cache.lookup(key_of(i)).has_value());
    cache.store(key_of(i), code_of(i));
    CHECK(cache.lookup(key_of(i)).has_value());
  }
  CHECK(cache.counters().storage_faults == 10);
  CHECK(cache.counters().stores == 0);
  CHECK(problems.texts().size() == 1);
}

TEST_CASE("a compiler's identity is kept across processes", "[cache]") {
  TempDir directory;
  {
    KernelCache cache({.directory = directory / "cache"}, nullptr);
    CHECK_FALSE(cache.compiler_identity("stamp").has_value());
    cache.remember_compiler_identity("stamp", "nvrtc 13.0");
  }
  KernelCache cache({.directory = directory / "cache"}, nullptr);
  CHECK(cache.compiler_identity("stamp") == "nvrtc 13.0");
}

TEST_CASE("threads may use one cache at once", "[cache][threads]") {
  TempDir directory;
  Problems problems;
  KernelCache cache({.directory = directory / "cache", .memory_bytes = 60000, .busy_timeout_ms = 20000},
                    problems.sink());
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        const int number = (i * 11 + t) % 30;
        if (const auto hit = cache.lookup(key_of(number))) {
          if (!same_code(*hit->code, *code_of(number))) ++wrong;
        } else {
          cache.store(key_of(number), code_of(number));
        }
        if (i % 10 == 0) {
          cache.remember_compiler_identity("stamp", "nvrtc");
          if (cache.compiler_identity("stamp") != "nvrtc") ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(wrong == 0);
  CHECK(cache.counters().storage_faults == 0);
  CHECK(problems.all().empty());
}

TEST_CASE("a memory hit does not wait while another process holds the database", "[cache][threads]") {
  TempDir directory;
  int ready[2];
  int stop[2];
  REQUIRE((pipe(ready) == 0 && pipe(stop) == 0));
  {
    KernelCache cache({.directory = directory / "cache"}, nullptr);
    cache.store(key_of(1), code_of(1));
  }
  const pid_t holder = start_child([&] {
    sqlite3* handle = nullptr;
    sqlite3_open(database_in(directory / "cache").c_str(), &handle);
    sqlite3_exec(handle, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr);
    char byte = 'r';
    (void)!write(ready[1], &byte, 1);
    close(stop[1]);
    (void)!read(stop[0], &byte, 1);
    return 0;
  });
  char byte = 0;
  REQUIRE(read(ready[0], &byte, 1) == 1);
  KernelCache cache({.directory = directory / "cache", .busy_timeout_ms = 1500}, nullptr);
  REQUIRE(cache.lookup(key_of(1)).has_value());
  std::atomic<bool> stored{false};
  std::thread writer([&] {
    cache.store(key_of(2), code_of(2));
    stored = true;
  });
  int hits_meanwhile = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  while (std::chrono::steady_clock::now() < end) {
    hits_meanwhile += cache.lookup(key_of(1)).has_value() && !stored ? 1 : 0;
  }
  CHECK(hits_meanwhile > 1000);
  for (const int descriptor : {ready[0], ready[1], stop[0], stop[1]}) {
    close(descriptor);
  }
  CHECK(wait_for(holder) == 0);
  writer.join();
  CHECK(cache.lookup(key_of(2)).has_value());
}
