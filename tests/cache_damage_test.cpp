// SPDX-License-Identifier: Apache-2.0

// Damage anywhere in the files of the database: the right bytes or a miss, never wrong bytes, never a crash, and the
// cache works again afterwards. The positions are fixed by a seed, so that a failure can be repeated.

#include <catch2/catch.hpp>
#include <random>

#include "cache/sqlite_store.h"
#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

constexpr int kEntries = 4;
constexpr std::size_t kHeaderBytes = 100;

/// The files of a small database.
struct Image {
  std::vector<char> database;
  std::vector<char> log;
};

SqliteStore make_store(const std::string& directory, Problems& problems) {
  return SqliteStore({.directory = directory}, problems.sink());
}

bool put_all(SqliteStore& store, int first, int last) {
  for (int i = first; i < last; ++i) {
    if (!store.put(key_of(i), code_of(i))) return false;
  }
  return store.remember_compiler_identity("stamp", "nvrtc 13.0").has_value();
}

/// A database that was closed in order.
Image closed_image() {
  TempDir directory;
  Problems problems;
  {
    SqliteStore store = make_store(directory.path(), problems);
    REQUIRE(put_all(store, 0, kEntries));
  }
  return {read_file(database_in(directory.path())), {}};
}

/// A database whose writer was killed: half of the entries are in the file, the others only in the log.
Image crashed_image() {
  TempDir directory;
  Problems problems;
  {
    SqliteStore store = make_store(directory.path(), problems);
    REQUIRE(put_all(store, 0, kEntries / 2));
  }
  REQUIRE(run_child([&]() -> int {
            SqliteStore store = make_store(directory.path(), problems);
            const bool ok = put_all(store, kEntries / 2, kEntries);
            _exit(ok ? 0 : 1);
          }) == 0);
  return {read_file(database_in(directory.path())), read_file(database_in(directory.path()) + "-wal")};
}

void lay_out(const Image& image, const std::string& directory) {
  for (const auto& file : fs::directory_iterator(directory)) {
    fs::remove_all(file.path());
  }
  write_file(database_in(directory), image.database);
  if (!image.log.empty()) {
    write_file(database_in(directory) + "-wal", image.log);
  }
}

/// Empty if every read gives the right bytes or a miss and the store then works; else what went wrong.
std::string use(const std::string& directory) {
  Problems problems;
  {
    SqliteStore store = make_store(directory, problems);
    for (int i = 0; i < kEntries; ++i) {
      const auto found = store.get(key_of(i));
      if (!found) return "a read failed: " + found.error().message;
      if (*found != nullptr && !same_code(**found, *code_of(i))) return "wrong bytes of entry " + std::to_string(i);
    }
    const auto identity = store.compiler_identity("stamp");
    if (!identity) return "a read of an identity failed: " + identity.error().message;
    if (*identity && **identity != "nvrtc 13.0") return "a wrong identity: " + **identity;
    for (int i = 0; i < kEntries + 1; ++i) {
      if (const auto put = store.put(key_of(i), code_of(i)); !put) return "a write failed: " + put.error().message;
    }
    if (!store.remember_compiler_identity("stamp", "nvrtc 13.0")) return "an identity could not be written";
  }
  SqliteStore store = make_store(directory, problems);
  int hits = 0;
  for (int i = 0; i < kEntries + 1; ++i) {
    const auto found = store.get(key_of(i));
    if (!found) return "a second read failed: " + found.error().message;
    if (*found != nullptr && !same_code(**found, *code_of(i))) return "wrong bytes on a second read";
    hits += *found != nullptr ? 1 : 0;
  }
  if (hits == kEntries + 1) return {};
  // Damage that a write did not touch may be found only now; it must heal at the latest by this.
  for (int i = 0; i < kEntries + 1; ++i) {
    if (!store.put(key_of(i), code_of(i))) return "a second write failed";
    const auto found = store.get(key_of(i));
    if (!found || *found == nullptr || !same_code(**found, *code_of(i))) return "it does not heal:\n" + problems.all();
  }
  return {};
}

/// Single bits, whole bytes, and the values that mean something to a file format.
void damage(char& byte, std::mt19937& random) {
  const char before = byte;
  switch (random() % 4) {
    case 0: byte = static_cast<char>(byte ^ (1 << (random() % 8))); break;
    case 1: byte = static_cast<char>(~byte); break;
    case 2: byte = static_cast<char>(random()); break;
    default: byte = static_cast<char>(random() % 4); break;
  }
  if (byte == before) byte = static_cast<char>(byte ^ 1);
}

}  // namespace

TEST_CASE("an intact image is read in full", "[cache][damage]") {
  TempDir directory;
  Problems problems;
  for (const Image& image : {closed_image(), crashed_image()}) {
    lay_out(image, directory.path());
    SqliteStore store = make_store(directory.path(), problems);
    for (int i = 0; i < kEntries; ++i) {
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
      const std::string wrong = use(directory.path());
      INFO("byte " << position << " xor " << change);
      REQUIRE(wrong == "");
    }
  }
}

TEST_CASE("any byte of the database may change", "[cache][damage]") {
  const Image image = closed_image();
  TempDir directory;
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    Image damaged = image;
    const std::size_t position = random() % damaged.database.size();
    damage(damaged.database[position], random);
    lay_out(damaged, directory.path());
    const std::string wrong = use(directory.path());
    INFO("round " << round << ", byte " << position << " is " << int{damaged.database[position]});
    REQUIRE(wrong == "");
  }
}

TEST_CASE("any byte of the log of a killed writer may change", "[cache][damage]") {
  const Image image = crashed_image();
  REQUIRE(image.log.size() > 1000);
  TempDir directory;
  std::mt19937 random(2);
  for (int round = 0; round < 1000; ++round) {
    Image damaged = image;
    // The header of the log and of its first frame in turn, then anywhere.
    const std::size_t position = round < 56 ? static_cast<std::size_t>(round) : random() % damaged.log.size();
    damage(damaged.log[position], random);
    lay_out(damaged, directory.path());
    const std::string wrong = use(directory.path());
    INFO("round " << round << ", byte " << position << " is " << int{damaged.log[position]});
    REQUIRE(wrong == "");
  }
}

TEST_CASE("many bytes of the database may change at once", "[cache][damage]") {
  const Image image = closed_image();
  TempDir directory;
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    Image damaged = image;
    const std::size_t count = 1 + random() % 64;
    const std::size_t start = random() % damaged.database.size();
    for (std::size_t i = start; i < std::min(start + count, damaged.database.size()); ++i) {
      damage(damaged.database[i], random);
    }
    lay_out(damaged, directory.path());
    const std::string wrong = use(directory.path());
    INFO("round " << round << ", " << count << " bytes from " << start);
    REQUIRE(wrong == "");
  }
}

TEST_CASE("database and log may be cut off anywhere", "[cache][damage]") {
  TempDir directory;
  std::mt19937 random(4);
  for (const Image& image : {closed_image(), crashed_image()}) {
    for (int round = 0; round < 200; ++round) {
      Image damaged = image;
      std::vector<char>& file = !image.log.empty() && round % 2 == 1 ? damaged.log : damaged.database;
      // The first sizes in full, then at pages and between them.
      const std::size_t size = round < 40 ? static_cast<std::size_t>(round) : random() % file.size();
      file.resize(round % 3 == 0 ? size / 4096 * 4096 : size);
      lay_out(damaged, directory.path());
      const std::string wrong = use(directory.path());
      INFO("round " << round << ", " << file.size() << " bytes left");
      REQUIRE(wrong == "");
    }
  }
}

TEST_CASE("pages of zeros, of each other and of noise may be in the database", "[cache][damage]") {
  const Image image = closed_image();
  const std::size_t pages = image.database.size() / 4096;
  TempDir directory;
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    Image damaged = image;
    const auto target = damaged.database.begin() + static_cast<std::ptrdiff_t>(random() % pages * 4096);
    const auto origin = image.database.begin() + static_cast<std::ptrdiff_t>(random() % pages * 4096);
    switch (round % 3) {
      case 0: std::fill(target, target + 4096, '\0'); break;
      case 1: std::copy(origin, origin + 4096, target); break;
      default: std::generate(target, target + 4096, [&] { return static_cast<char>(random()); }); break;
    }
    lay_out(damaged, directory.path());
    const std::string wrong = use(directory.path());
    INFO("round " << round);
    REQUIRE(wrong == "");
  }
}

TEST_CASE("a log of another database beside this one does no harm", "[cache][damage]") {
  TempDir directory;
  Image image = crashed_image();
  image.database = closed_image().database;
  lay_out(image, directory.path());
  CHECK(use(directory.path()) == "");
}

TEST_CASE("bytes may change under processes that have the database open", "[cache][damage]") {
  const Image image = crashed_image();
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
      for (int i = 0; i < kEntries; ++i) {
        const auto found = store.get(key_of(i));
        if (found && *found != nullptr && !same_code(**found, *code_of(i))) return 1;
      }
      return 0;
    });
    char byte = 0;
    REQUIRE(read(ready[0], &byte, 1) == 1);
    Image damaged = image;
    for (int i = 0; i < 20; ++i) {
      damage(damaged.log[random() % damaged.log.size()], random);
      damage(damaged.database[random() % damaged.database.size()], random);
    }
    // Over the bytes that are there, as a failing disk would.
    for (const auto& [path, bytes] : {std::pair(database_in(directory.path()), &damaged.database),
                                      std::pair(database_in(directory.path()) + "-wal", &damaged.log)}) {
      std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
      file.write(bytes->data(), static_cast<std::streamsize>(bytes->size()));
    }
    const std::string wrong = use(directory.path());
    for (const int descriptor : {ready[0], ready[1], stop[0], stop[1]}) {
      close(descriptor);
    }
    CHECK(wait_for(keeper) == 0);
    INFO("round " << round);
    REQUIRE(wrong == "");
  }
}
