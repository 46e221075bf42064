// SPDX-License-Identifier: Apache-2.0
#include "cache/entry_file.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <ctime>
#include <random>
#include <thread>

#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

/// A database whose log was folded in, as every last process leaves it.
void fill(const std::string& directory, int entries, std::size_t bytes = 3000) {
  Problems problems;
  SqliteStore store({.directory = directory}, problems.sink());
  for (int i = 0; i < entries; ++i) {
    REQUIRE(store.put(key_of(i), code_of(i, bytes)));
  }
}

std::shared_ptr<const CodeObject> read(const std::string& path, int number) {
  const CacheKey key = key_of(number);
  const auto file = EntryFile::open(path, EntryFileKind::kLocal);
  auto row = file ? file->find(key.digest) : std::nullopt;
  if (!row) {
    return nullptr;
  }
  auto code = open_entry(std::move(*row), {key.digest, key_fields_to_json(key.fields)});
  return code ? std::make_shared<const CodeObject>(std::move(*code)) : nullptr;
}

}  // namespace

TEST_CASE("an entry is read from the file as SQLite reads it, whatever its size", "[cache]") {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{3000}, std::size_t{4061}, std::size_t{70'000}}) {
    INFO(bytes);
    TempDir directory;
    fill(directory / "cache", 120, bytes);
    const auto file = EntryFile::open(database_in(directory / "cache"), EntryFileKind::kLocal);
    REQUIRE(file.has_value());
    Problems problems;
    for (int i = 0; i < 120; ++i) {
      const auto code = read(database_in(directory / "cache"), i);
      REQUIRE(code != nullptr);
      CHECK(same_code(*code, *code_of(i, bytes)));
      const auto stamp = file->last_used(key_of(i).digest);
      REQUIRE(stamp.has_value());
      CHECK(std::abs(*stamp - static_cast<std::int64_t>(std::time(nullptr))) < 600);
    }
    CHECK_FALSE(file->find(key_of(120).digest).has_value());
    CHECK_FALSE(file->last_used(key_of(120).digest).has_value());
  }
}

TEST_CASE("numbers of every length come back from the file", "[cache]") {
  TempDir directory;
  Problems problems;
  const std::int64_t times[] = {0, 1, -1, 127, -128, 128, 40'000, -9'000'000, 3'000'000'000, -1'000'000'000'000, INT64_MAX, INT64_MIN};
  const double milliseconds[] = {0.0, 1.0, 12.5, 300.0, 1e-300, 1e300};
  {
    SqliteStore store({.directory = directory / "cache"}, problems.sink());
    int number = 0;
    for (const std::int64_t time : times) {
      for (const double duration : milliseconds) {
        auto code = std::make_shared<CodeObject>(*code_of(number, 100));
        code->created_unix_s = time;
        code->compile_ms = duration;
        REQUIRE(store.put(key_of(number++), code));
      }
    }
  }
  int number = 0;
  for (const std::int64_t time : times) {
    for (const double duration : milliseconds) {
      const auto code = read(database_in(directory / "cache"), number++);
      REQUIRE(code != nullptr);
      CHECK(code->created_unix_s == time);
      CHECK(code->compile_ms == duration);
    }
  }
}

TEST_CASE("what is no database of this schema is not opened", "[cache]") {
  TempDir directory;
  fill(directory / "cache", 3);
  const std::string path = database_in(directory / "cache");
  const std::string other = directory / "other";
  CHECK_FALSE(EntryFile::open(directory / "missing", EntryFileKind::kLocal).has_value());
  CHECK_FALSE(EntryFile::open(directory.path(), EntryFileKind::kLocal).has_value());
  REQUIRE(mkfifo(other.c_str(), 0600) == 0);
  CHECK_FALSE(EntryFile::open(other, EntryFileKind::kLocal).has_value());
  fs::remove(other);
  fs::create_symlink(path, other);
  CHECK_FALSE(EntryFile::open(other, EntryFileKind::kLocal).has_value());
  fs::remove(other);
  write_file(other, {});
  CHECK_FALSE(EntryFile::open(other, EntryFileKind::kLocal).has_value());
  for (const std::size_t at : {0u, 16u, 20u, 59u, 63u, 71u}) {
    INFO(at);
    auto bytes = read_file(path);
    bytes[at] = static_cast<char>(bytes[at] + 1);
    write_file(other, bytes);
    CHECK_FALSE(EntryFile::open(other, EntryFileKind::kLocal).has_value());
  }
  REQUIRE(drop_strictness(directory / "cache") == SQLITE_OK);
  CHECK_FALSE(EntryFile::open(path, EntryFileKind::kLocal).has_value());
}

TEST_CASE("damage anywhere in the file gives the right bytes or none", "[cache]") {
  TempDir directory;
  fill(directory / "cache", 40, 9000);
  const auto whole = read_file(database_in(directory / "cache"));
  const std::string path = directory / "damaged";
  std::mt19937 random(20261120);
  const auto below = [&](std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random); };
  int hits = 0;
  for (int round = 0; round < 1500; ++round) {
    auto bytes = whole;
    switch (round % 3) {
      case 0: bytes[below(bytes.size())] ^= static_cast<char>(1u << below(8)); break;
      case 1: bytes.resize(below(bytes.size())); break;
      default:
        // Where the trees' upper pages are.
        for (int i = 0; i < 20; ++i) bytes[below(24'000)] = static_cast<char>(below(256));
    }
    write_file(path, bytes);
    const int number = static_cast<int>(below(40));
    const auto code = read(path, number);
    if (code != nullptr) {
      ++hits;
      REQUIRE(same_code(*code, *code_of(number, 9000)));
    }
  }
  CHECK(hits > 300);
  CHECK(hits < 1500);
}

TEST_CASE("a new process hits without a connection, a log or a lock", "[cache]") {
  TempDir directory;
  fill(directory / "cache", 3);
  for (const char* name : {"sinter-v2.db-wal", "sinter-v2.db-shm", "sinter-v2.lock"}) {
    fs::remove(directory / "cache/" + name);
  }
  Problems problems;
  {
    SqliteStore store({.directory = directory / "cache"}, problems.sink());
    const auto found = store.get(key_of(1));
    REQUIRE(found);
    REQUIRE(*found != nullptr);
    CHECK(same_code(**found, *code_of(1)));
  }
  CHECK(std::distance(fs::directory_iterator(directory / "cache"), {}) == 1);
  CHECK(problems.texts().empty());
}

TEST_CASE("a cache that may only be read still gives its hits", "[cache]") {
  constexpr uid_t kNobody = 65534;  // Root may write anywhere.
  TempDir directory;
  const std::string cache = directory.path();
  const auto become_user = [] { return geteuid() != 0 || (setgid(kNobody) == 0 && setuid(kNobody) == 0); };
  REQUIRE((geteuid() != 0 || chown(cache.c_str(), kNobody, kNobody) == 0));
  REQUIRE(run_child([&] {
            if (!become_user()) return 1;
            SqliteStore store({.directory = cache}, [](const std::string&) {});
            return store.put(key_of(1), code_of(1)) && store.put(key_of(2), code_of(2)) ? 0 : 2;
          }) == 0);
  REQUIRE(chmod(database_in(cache).c_str(), 0400) == 0);
  REQUIRE(chmod(cache.c_str(), 0500) == 0);
  CHECK(run_child([&] {
          if (!become_user()) return 1;
          SqliteStore store({.directory = cache}, [](const std::string&) {});
          if (store.get(key_of(3))) return 2;  // Only SQLite could say that it is not there.
          for (const int number : {1, 2}) {
            const auto found = store.get(key_of(number));
            if (!found || *found == nullptr || !same_code(**found, *code_of(number))) return 3;
          }
          return 0;
        }) == 0);
}

TEST_CASE("an entry that is in the log alone is a hit through SQLite", "[cache]") {
  TempDir directory;
  fill(directory / "cache", 1);
  CHECK(run_child([&] {
          SqliteStore store({.directory = directory / "cache"}, [](const std::string&) {});
          if (!store.put(key_of(1), code_of(1))) return 1;
          _exit(0);  // Like a kill: nothing folds the log in.
        }) == 0);
  CHECK(read(database_in(directory / "cache"), 1) == nullptr);
  Problems problems;
  SqliteStore store({.directory = directory / "cache"}, problems.sink());
  CHECK(same_code(**store.get(key_of(0)), *code_of(0)));
  CHECK(same_code(**store.get(key_of(1)), *code_of(1)));
}

TEST_CASE("while a connection is open nobody reads the file directly, and the other way round", "[cache][threads]") {
  TempDir directory;
  fill(directory / "cache", 1);
  {
    const Database::DirectRead first;
    const Database::DirectRead second;
    CHECK((first.is_allowed() && second.is_allowed()));
  }
  std::atomic<bool> opened{false};
  std::optional<Database::DirectRead> direct(std::in_place);
  std::thread opener([&] {
    Database database;
    (void)Database::open(database_in(directory / "cache"), OpenMode::kReadOnly, database);
    opened = true;
    CHECK_FALSE(Database::DirectRead().is_allowed());
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK_FALSE(opened);
  direct.reset();
  opener.join();
  CHECK(opened);
  CHECK(Database::DirectRead().is_allowed());
}
