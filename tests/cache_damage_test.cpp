// SPDX-License-Identifier: Apache-2.0

// Damage where it means most: the database's header, a log of another database, files that change under processes that
// have them open. Damage at random positions is faults/damage.cpp.

#include <catch2/catch.hpp>
#include <random>

#include "tests/faults/damaged_cache.h"

using namespace sinter;
using namespace sinter::faults;
using namespace sinter::testing;

namespace {

constexpr std::size_t kHeaderBytes = 100;

}  // namespace

TEST_CASE("an intact image is read in full", "[cache][damage]") {
  TempDir directory;
  Problems problems;
  for (const Image& image : {closed_image(), killed_image()}) {
    lay_out(image, directory.path());
    SqliteStore store = make_store(directory.path(), problems);
    for (int i = 0; i < kDamagedEntries; ++i) {
      REQUIRE(*store.get(key_of(i)) != nullptr);
    }
  }
  CHECK(problems.texts().empty());
}

TEST_CASE("any byte of the database's header may change", "[cache][damage]") {
  const Image image = closed_image();
  TempDir directory;
  for (std::size_t position = 0; position < kHeaderBytes; ++position) {
    for (const int change : {0x01, 0x02, 0x80, 0xff}) {
      Image damaged = image;
      damaged.database[position] = static_cast<char>(damaged.database[position] ^ change);
      lay_out(damaged, directory.path());
      const std::string wrong = use_damaged(directory.path());
      INFO("byte " << position << " xor " << change);
      REQUIRE(wrong == "");
    }
  }
}

TEST_CASE("a log of another database beside this one does no harm", "[cache][damage]") {
  TempDir directory;
  Image image = killed_image();
  image.database = closed_image().database;
  lay_out(image, directory.path());
  CHECK(use_damaged(directory.path()) == "");
}

TEST_CASE("bytes may change under processes that have the database open", "[cache][damage]") {
  const Image image = killed_image();
  TempDir directory;
  std::mt19937 random(6);
  for (int round = 0; round < 60; ++round) {
    lay_out(image, directory.path());
    int ready[2];
    int stop[2];
    REQUIRE((pipe(ready) == 0 && pipe(stop) == 0));
    // Holds the database open, so that the log's index stays valid and no process checks the log again.
    const pid_t keeper = start_child([&] {
      Problems problems;
      SqliteStore store = make_store(directory.path(), problems);
      (void)store.get(key_of(0));
      char byte = 'r';
      (void)!write(ready[1], &byte, 1);
      close(stop[1]);
      (void)!read(stop[0], &byte, 1);
      for (int i = 0; i < kDamagedEntries; ++i) {
        const auto found = store.get(key_of(i));
        if (found && *found != nullptr && !same_code(**found, *code_of(i))) return 1;
      }
      return 0;
    });
    char byte = 0;
    REQUIRE(read(ready[0], &byte, 1) == 1);
    Image damaged = image;
    for (int i = 0; i < 20; ++i) {
      damage_byte(damaged.log[random() % damaged.log.size()], random);
      damage_byte(damaged.database[random() % damaged.database.size()], random);
    }
    // Over the bytes that are there, as a failing disk would.
    for (const auto& [path, bytes] : {std::pair(database_in(directory.path()), &damaged.database),
                                      std::pair(database_in(directory.path()) + "-wal", &damaged.log)}) {
      std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
      file.write(bytes->data(), static_cast<std::streamsize>(bytes->size()));
    }
    const std::string wrong = use_damaged(directory.path());
    for (const int descriptor : {ready[0], ready[1], stop[0], stop[1]}) {
      close(descriptor);
    }
    CHECK(wait_for(keeper) == 0);
    INFO("round " << round);
    REQUIRE(wrong == "");
  }
}
