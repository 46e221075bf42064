// SPDX-License-Identifier: Apache-2.0

// Many processes on one database: at once, killed at any moment, forked with the database open.

#include <poll.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <random>
#include <thread>

#include "cache/cache_admin.h"
#include "cache/kernel_cache.h"
#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

TEST_CASE("two processes read and write one database at once", "[cache][processes]") {
  for (const JournalMode mode : {JournalMode::kWriteAheadLog, JournalMode::kRollback}) {
    TempDir directory;
    const auto worker = [&](int offset) {
      Problems problems;
      SqliteStore store({.directory = directory / "cache", .busy_timeout = std::chrono::seconds(30), .journal = mode},
                        problems.sink());
      for (int i = 0; i < 150; ++i) {
        const int number = (i * 7 + offset) % 40;
        if (!store.put(key_of(number), code_of(number))) return 1;
        const auto found = store.get(key_of((i * 3 + offset) % 40));
        if (!found) return 2;
        if (*found != nullptr && !same_code(**found, *code_of((i * 3 + offset) % 40))) return 3;
      }
      return problems.texts().empty() ? 0 : 4;
    };
    const pid_t first = start_child([&] { return worker(0); });
    const pid_t second = start_child([&] { return worker(20); });
    CHECK(wait_for(first) == 0);
    CHECK(wait_for(second) == 0);
    auto admin = CacheAdmin::open(directory / "cache");
    REQUIRE(admin);
    const auto report = admin->verify();
    REQUIRE(report);
    CHECK(report->ok());
    CHECK(report->checked == 40);
  }
}

TEST_CASE("many processes may start at once on a directory that does not exist", "[cache][processes]") {
  for (int round = 0; round < 5; ++round) {
    TempDir directory;
    std::vector<pid_t> children;
    for (int c = 0; c < 24; ++c) {
      children.push_back(start_child([&, c] {
        Problems problems;
        KernelCache cache({.directory = directory / "cache", .memory_bytes = 0, .busy_timeout_ms = 30000},
                          problems.sink());
        (void)cache.lookup(key_of(c % 4));
        cache.store(key_of(c % 4), code_of(c % 4));
        const auto hit = cache.lookup(key_of(c % 4));
        if (!hit || !same_code(*hit->code, *code_of(c % 4))) return 1;
        return cache.counters().storage_faults == 0 && problems.texts().empty() ? 0 : 2;
      }));
    }
    for (const pid_t child : children) {
      CHECK(wait_for(child) == 0);
    }
    CHECK(count_files(directory / "cache", ".bad-") == 0);
  }
}

TEST_CASE("a writer may be killed at any moment and nothing wrong is ever read", "[cache][processes]") {
  TempDir directory;
  std::mt19937 random(7);
  int written = 0;
  for (int round = 0; round < 300; ++round) {
    const int base = round * 10;
    const pid_t writer = start_child([&] {
      Problems problems;
      SqliteStore store({.directory = directory / "cache"}, problems.sink());
      for (int i = 0;; ++i) {
        const int number = (base + i) % 200;
        (void)store.put(key_of(number), code_of(number, 10000));
        (void)store.remember_compiler_identity("stamp", "nvrtc");
      }
      return 0;
    });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 6000));
    kill(writer, SIGKILL);
    REQUIRE(wait_for(writer) == -SIGKILL);
    Problems problems;
    SqliteStore store({.directory = directory / "cache"}, problems.sink());
    for (int i = 0; i < 10; ++i) {
      const int number = (base + i) % 200;
      const auto found = store.get(key_of(number));
      REQUIRE(found);
      if (*found != nullptr) {
        ++written;
        REQUIRE(same_code(**found, *code_of(number, 10000)));
      }
    }
    INFO(problems.all());
    REQUIRE(problems.texts().empty());
  }
  CHECK(written > 100);
  CHECK(count_files(directory / "cache", ".bad-") == 0);
  auto admin = CacheAdmin::open(directory / "cache");
  REQUIRE(admin);
  CHECK(admin->verify()->ok());
}

TEST_CASE("processes that have a database open set it aside only once when it turns bad", "[cache][processes]") {
  constexpr int kChildren = 6;
  constexpr int kEntries = 60;
  for (int round = 0; round < 5; ++round) {
    TempDir directory;
    {
      Problems problems;
      SqliteStore store({.directory = directory / "cache"}, problems.sink());
      for (int i = 0; i < kEntries; ++i) {
        REQUIRE(store.put(key_of(i), code_of(i, 8000)));
      }
    }
    int ready[2];
    int release[2];
    REQUIRE((pipe(ready) == 0 && pipe(release) == 0));
    std::vector<pid_t> children;
    for (int c = 0; c < kChildren; ++c) {
      children.push_back(start_child([&, c] {
        Problems problems;
        SqliteStore store({.directory = directory / "cache", .busy_timeout = std::chrono::seconds(30)},
                          problems.sink());
        const auto first = store.get(key_of(0));
        if (!first || *first == nullptr) return 1;
        char byte = 'r';
        (void)!write(ready[1], &byte, 1);
        close(release[1]);
        (void)!read(release[0], &byte, 1);
        for (int i = 1; i < kEntries; ++i) {
          const auto found = store.get(key_of(i));
          if (!found) return 2;
          if (*found != nullptr && !same_code(**found, *code_of(i, 8000))) return 3;
        }
        if (!store.put(key_of(100 + c), code_of(100 + c))) return 4;
        const auto found = store.get(key_of(100 + c));
        return found && *found != nullptr && same_code(**found, *code_of(100 + c)) ? 0 : 5;
      }));
    }
    for (int c = 0; c < kChildren; ++c) {
      char byte = 0;
      REQUIRE(read(ready[0], &byte, 1) == 1);
    }
    {
      std::fstream file(database_in(directory / "cache"), std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(4096);
      const std::vector<char> noise(fs::file_size(database_in(directory / "cache")) - 4096, 'x');
      file.write(noise.data(), static_cast<std::streamsize>(noise.size()));
    }
    for (const int descriptor : {ready[0], ready[1], release[0], release[1]}) {
      close(descriptor);
    }
    for (const pid_t child : children) {
      CHECK(wait_for(child) == 0);
    }
    CHECK(count_bad_databases(directory / "cache") == 1);
    Problems problems;
    SqliteStore store({.directory = directory / "cache"}, problems.sink());
    for (int c = 0; c < kChildren; ++c) {
      const auto found = store.get(key_of(100 + c));
      REQUIRE(found);
      CHECK(*found != nullptr);
    }
  }
}

TEST_CASE("a process that leaves a renamed database does not take its successor's log along", "[cache][processes]") {
  TempDir directory;
  Problems problems;
  int ready[2];
  int release[2];
  REQUIRE((pipe(ready) == 0 && pipe(release) == 0));
  const pid_t leaver = start_child([&] {
    Problems own;
    SqliteStore store({.directory = directory / "cache"}, own.sink());
    if (!store.put(key_of(1), code_of(1))) return 1;
    char byte = 'r';
    (void)!write(ready[1], &byte, 1);
    close(release[1]);
    (void)!read(release[0], &byte, 1);
    return 0;
  });
  char byte = 0;
  REQUIRE(read(ready[0], &byte, 1) == 1);
  const DatabaseFiles files(directory / "cache");
  {
    const auto lock = DirectoryLock::acquire(files, LockMode::kExclusive, std::chrono::seconds(1));
    REQUIRE(lock);
    REQUIRE(rename_database_aside(files, file_id(files.database)));
  }
  CHECK(run_child([&] {
          SqliteStore store({.directory = directory / "cache"}, problems.sink());
          const bool stored = store.put(key_of(2), code_of(2)).has_value();
          _exit(stored ? 0 : 1);  // The entry is in the log alone.
          return 1;
        }) == 0);
  REQUIRE(fs::file_size(files.log) > 0);
  for (const int descriptor : {ready[0], ready[1], release[0], release[1]}) {
    close(descriptor);
  }
  CHECK(wait_for(leaver) == 0);
  SqliteStore store({.directory = directory / "cache"}, problems.sink());
  CHECK(*store.get(key_of(1)) == nullptr);
  CHECK(*store.get(key_of(2)) != nullptr);
}

TEST_CASE("a database that was deleted leaves its successor neither its log nor its shared memory",
          "[cache][processes]") {
  TempDir directory;
  const DatabaseFiles files(directory / "cache");
  int go[2];
  int done[2];
  REQUIRE((pipe(go) == 0 && pipe(done) == 0));
  const pid_t other = start_child([&] {
    char byte = 0;
    if (read(go[0], &byte, 1) != 1) return 1;
    for (int i = 0; i < 200; ++i) {
      Problems problems;
      SqliteStore store({.directory = directory / "cache"}, problems.sink());
      if (!store.put(key_of(3 + i), code_of(3 + i))) return 2;
    }
    return write(done[1], &byte, 1) == 1 ? 0 : 3;
  });
  const pid_t owner_of_both = start_child([&] {
    close(done[1]);  // So that the end of the other one is seen, too.
    Problems problems;
    SqliteStore successor({.directory = directory / "cache"}, problems.sink());
    {
      SqliteStore store({.directory = directory / "cache"}, problems.sink());
      if (!store.put(key_of(1), code_of(1))) return 1;
      unlink(files.database.c_str());
      if (!successor.put(key_of(2), code_of(2))) return 2;
    }
    // Closing one database ended this process's locks on every file that both had open: others may cut such a file.
    char byte = 'g';
    if (write(go[1], &byte, 1) != 1) return 3;
    for (pollfd other_is_done{done[0], POLLIN, 0}; poll(&other_is_done, 1, 0) == 0;) {
      const auto found = successor.get(key_of(2));
      if (!found || *found == nullptr || !same_code(**found, *code_of(2))) return 4;
    }
    return successor.put(key_of(1), code_of(1)) ? 0 : 5;
  });
  for (const int descriptor : {go[0], go[1], done[0], done[1]}) {
    close(descriptor);
  }
  CHECK(wait_for(owner_of_both) == 0);
  CHECK(wait_for(other) == 0);
  CHECK(count_bad_databases(directory / "cache") == 0);
}

TEST_CASE("a child of fork goes on in memory and leaves the parent's database alone", "[cache][processes]") {
  TempDir directory;
  Problems problems;
  KernelCache cache({.directory = directory / "cache", .memory_bytes = 0}, problems.sink());
  cache.store(key_of(1), code_of(1));
  CHECK(run_child([&] {
          if (cache.lookup(key_of(1)).has_value()) return 1;
          cache.store(key_of(2), code_of(2));
          if (cache.counters().storage_faults != 2 || problems.texts().size() != 1) return 2;
          if (problems.all().find("forked") == std::string::npos) return 3;
          // A cache of its own would share SQLite's inherited table of locks.
          Problems own;
          KernelCache fresh({.directory = directory / "cache"}, own.sink());
          if (fresh.lookup(key_of(1)).has_value() || own.texts().size() != 1) return 4;
          return 0;
        }) == 0);
  const auto hit = cache.lookup(key_of(1));
  REQUIRE(hit.has_value());
  CHECK(same_code(*hit->code, *code_of(1)));
  cache.store(key_of(3), code_of(3));
  CHECK(cache.counters().stores == 2);
  CHECK(problems.texts().empty());
}

TEST_CASE("a child of fork that ends in order leaves the parent's database alone", "[cache][processes]") {
  TempDir directory;
  Problems problems;
  auto cache = std::make_unique<KernelCache>(CacheOptions{.directory = directory / "cache", .memory_bytes = 0},
                                             problems.sink());
  cache->store(key_of(1), code_of(1));
  CHECK(run_child([&] {
          cache.reset();
          return 0;
        }) == 0);
  cache->store(key_of(2), code_of(2));
  CHECK(cache->lookup(key_of(1)).has_value());
  CHECK(cache->lookup(key_of(2)).has_value());
  CHECK(problems.texts().empty());
}

TEST_CASE("a fork before the first use leaves parent and child with the database", "[cache][processes]") {
  TempDir directory;
  Problems problems;
  KernelCache cache({.directory = directory / "cache", .memory_bytes = 0}, problems.sink());
  CHECK(run_child([&] {
          cache.store(key_of(1), code_of(1));
          return cache.counters().stores == 1 ? 0 : 1;
        }) == 0);
  CHECK(cache.lookup(key_of(1)).has_value());
}
