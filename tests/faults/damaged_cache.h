// SPDX-License-Identifier: Apache-2.0
#pragma once

// Databases to damage, as files in memory, and what a process must still be able to do with them.

#include <sqlite3.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "cache/cache_admin.h"
#include "cache/sqlite_store.h"
#include "tests/support/cache.h"

namespace sinter::faults {

inline constexpr int kDamagedEntries = 4;

/// The files of a small database; those that are empty do not exist.
struct Image {
  std::vector<char> database;
  std::vector<char> log;
  std::vector<char> journal;
};

inline void check(bool good, const char* what) {
  if (!good) {
    throw std::runtime_error(what);
  }
}

inline SqliteStore make_store(const std::string& directory, testing::Problems& problems) {
  return SqliteStore({.directory = directory}, problems.sink());
}

inline bool put_all(SqliteStore& store, int first, int last) {
  for (int i = first; i < last; ++i) {
    if (!store.put(testing::key_of(i), testing::code_of(i))) {
      return false;
    }
  }
  return store.remember_compiler_identity("stamp", "nvrtc 13.0").has_value();
}

/// Each of these makes its database in a process of its own, so that the caller may still fork.
template <class Body>
Image image_of(const Body& body) {
  testing::TempDir directory;
  check(testing::run_child([&] { return body(directory.path()) ? 0 : 1; }) == 0, "the database could not be made");
  const std::string database = testing::database_in(directory.path());
  return {testing::read_file(database), testing::read_file(database + "-wal"),
          testing::read_file(database + "-journal")};
}

/// A database that was closed in order.
inline Image closed_image() {
  Image image = image_of([](const std::string& directory) {
    testing::Problems problems;
    SqliteStore store = make_store(directory, problems);
    return put_all(store, 0, kDamagedEntries);
  });
  check(image.log.empty(), "a database that was closed has a log");
  return image;
}

/// A database whose writer was killed: half of the entries are in the file, the others only in the log.
inline Image killed_image() {
  Image image = image_of([](const std::string& directory) {
    testing::Problems problems;
    {
      SqliteStore store = make_store(directory, problems);
      if (!put_all(store, 0, kDamagedEntries / 2)) {
        return false;
      }
    }
    SqliteStore store = make_store(directory, problems);
    const bool good = put_all(store, kDamagedEntries / 2, kDamagedEntries);
    _exit(good ? 0 : 1);
  });
  check(image.log.size() > 1000, "the log of a killed writer is empty");
  return image;
}

/// A database with a rollback journal, as on a network file system, whose writer was killed in a transaction that had
/// already changed the file.
inline Image interrupted_image() {
  Image image = image_of([](const std::string& directory) {
    testing::Problems problems;
    {
      SqliteStore store({.directory = directory, .journal = JournalMode::kRollback}, problems.sink());
      if (!put_all(store, 0, kDamagedEntries)) {
        return false;
      }
    }
    sqlite3* handle = nullptr;
    const int code = sqlite3_open(testing::database_in(directory).c_str(), &handle);
    // A small page cache makes SQLite write pages, journal first, before the commit that never comes.
    const int changed = sqlite3_exec(handle,
                                     "PRAGMA cache_size=2; BEGIN IMMEDIATE; UPDATE entry SET code = zeroblob(9000); "
                                     "UPDATE entry SET code = zeroblob(12000);",
                                     nullptr, nullptr, nullptr);
    _exit(code == SQLITE_OK && changed == SQLITE_OK ? 0 : 1);
    return true;
  });
  check(image.journal.size() > 1000, "the journal of a killed writer is empty");
  return image;
}

inline void lay_out(const Image& image, const std::string& directory) {
  for (const auto& file : testing::fs::directory_iterator(directory)) {
    testing::fs::remove_all(file.path());
  }
  const std::string database = testing::database_in(directory);
  testing::write_file(database, image.database);
  if (!image.log.empty()) {
    testing::write_file(database + "-wal", image.log);
  }
  if (!image.journal.empty()) {
    testing::write_file(database + "-journal", image.journal);
  }
}

/// Single bits, whole bytes, and the values that mean something to a file format.
inline void damage_byte(char& byte, std::mt19937& random) {
  const char before = byte;
  switch (random() % 4) {
    case 0: byte = static_cast<char>(byte ^ (1 << (random() % 8))); break;
    case 1: byte = static_cast<char>(~byte); break;
    case 2: byte = static_cast<char>(random()); break;
    default: byte = static_cast<char>(random() % 4); break;
  }
  if (byte == before) {
    byte = static_cast<char>(byte ^ 1);
  }
}

/// Whether what was found damaged is still there to be looked at: a row set aside, or the whole file.
inline bool something_is_kept(const std::string& directory) {
  if (testing::count_bad_databases(directory) > 0) {
    return true;
  }
  auto admin = CacheAdmin::open(directory);
  const auto rows = admin ? admin->bad_entries() : Result<std::vector<BadEntry>>(admin.error());
  return rows && !rows->empty();
}

/// Empty if every read gives the right bytes or a miss, what was damaged is kept aside, and the store then works; else
/// what went wrong.
inline std::string use_damaged(const std::string& directory) {
  using testing::code_of, testing::key_of, testing::same_code;
  testing::Problems problems;
  {
    SqliteStore store = make_store(directory, problems);
    for (int i = 0; i < kDamagedEntries; ++i) {
      const auto found = store.get(key_of(i));
      if (!found) return "a read failed: " + found.error().message;
      if (*found != nullptr && !same_code(**found, *code_of(i))) return "wrong bytes of entry " + std::to_string(i);
    }
    if (store.bad_entries() > 0 && !something_is_kept(directory)) return "a damaged row was not kept";
    const auto identity = store.compiler_identity("stamp");
    if (!identity) return "a read of an identity failed: " + identity.error().message;
    if (*identity && **identity != "nvrtc 13.0") return "a wrong identity: " + **identity;
    for (int i = 0; i < kDamagedEntries + 1; ++i) {
      if (const auto put = store.put(key_of(i), code_of(i)); !put) return "a write failed: " + put.error().message;
    }
    if (!store.remember_compiler_identity("stamp", "nvrtc 13.0")) return "an identity could not be written";
  }
  SqliteStore store = make_store(directory, problems);
  int hits = 0;
  for (int i = 0; i < kDamagedEntries + 1; ++i) {
    const auto found = store.get(key_of(i));
    if (!found) return "a second read failed: " + found.error().message;
    if (*found != nullptr && !same_code(**found, *code_of(i))) return "wrong bytes on a second read";
    hits += *found != nullptr ? 1 : 0;
  }
  if (hits == kDamagedEntries + 1) return {};
  // Damage that a write did not touch may be found only now; it must heal at the latest by this.
  for (int i = 0; i < kDamagedEntries + 1; ++i) {
    if (!store.put(key_of(i), code_of(i))) return "a second write failed";
    const auto found = store.get(key_of(i));
    if (!found || *found == nullptr || !same_code(**found, *code_of(i))) return "it does not heal:\n" + problems.all();
  }
  return {};
}

}  // namespace sinter::faults
