// SPDX-License-Identifier: Apache-2.0
#include "cache/sqlite_store.h"

#include <catch2/catch.hpp>
#include <thread>

#include "cache/cache_admin.h"
#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

SqliteStore make_store(const TempDir& directory, Problems& problems) {
  return SqliteStore({.directory = directory / "cache", .writer = "sinter test"}, problems.sink());
}

}  // namespace

TEST_CASE("a code object comes back from the database as it was put", "[cache]") {
  TempDir directory;
  Problems problems;
  {
    SqliteStore store = make_store(directory, problems);
    REQUIRE(store.put(key_of(1), code_of(1)));
    REQUIRE(store.put(key_of(2), code_of(2, 100000)));
  }
  SqliteStore store = make_store(directory, problems);
  for (int i : {1, 2}) {
    const auto found = store.get(key_of(i));
    REQUIRE(found);
    REQUIRE(*found != nullptr);
    CHECK(same_code(**found, *code_of(i, i == 1 ? 3000 : 100000)));
    CHECK((*found)->source.empty());
  }
  CHECK(*store.get(key_of(3)) == nullptr);
  CHECK(problems.texts().empty());
}

TEST_CASE("every code format, empty texts and awkward numbers come back", "[cache]") {
  TempDir directory;
  Problems problems;
  SqliteStore store = make_store(directory, problems);
  int number = 0;
  for (const CodeFormat format :
       {CodeFormat::kSharedObject, CodeFormat::kCubin, CodeFormat::kPtx, CodeFormat::kHsaco}) {
    for (const double milliseconds : {0.0, 1e-300, 1.0, 0.1, 1e300}) {
      auto code = std::make_shared<CodeObject>(*code_of(++number));
      code->format = format;
      code->compile_ms = milliseconds;
      code->log.clear();
      code->source.clear();
      code->backend.clear();
      code->created_unix_s = -5;
      REQUIRE(store.put(key_of(number), code));
      const auto found = store.get(key_of(number));
      REQUIRE(found);
      REQUIRE(*found != nullptr);
      CHECK(same_code(**found, *code));
    }
  }
  CHECK(problems.texts().empty());
}

TEST_CASE("a compile time that no clock gives is stored as zero", "[cache]") {
  TempDir directory;
  Problems problems;
  SqliteStore store = make_store(directory, problems);
  for (const double milliseconds : {-0.0, -1.0, 0.0 / 0.0, 1e308 * 10}) {
    auto code = std::make_shared<CodeObject>(*code_of(1));
    code->compile_ms = milliseconds;
    REQUIRE(store.put(key_of(1), code));
    const auto found = store.get(key_of(1));
    REQUIRE(found);
    REQUIRE(*found != nullptr);
    CHECK((*found)->compile_ms == 0.0);
  }
}

TEST_CASE("a log or source of any bytes is stored", "[cache]") {
  TempDir directory;
  Problems problems;
  SqliteStore store = make_store(directory, problems);
  auto code = std::make_shared<CodeObject>(*code_of(1));
  code->log = std::string("a\0b\xff\xfe", 5);
  code->source = std::string(1000, '\0');
  REQUIRE(store.put(key_of(1), code));
  REQUIRE(*store.get(key_of(1)) != nullptr);
  auto admin = CacheAdmin::open(directory / "cache");
  REQUIRE(admin);
  auto shown = admin->show(to_hex(key_of(1).digest));
  REQUIRE(shown);
  CHECK(shown->problem.empty());
  CHECK(shown->object.log == code->log);
  CHECK(shown->object.source == code->source);
}

TEST_CASE("putting a key again replaces its code object", "[cache]") {
  TempDir directory;
  Problems problems;
  SqliteStore store = make_store(directory, problems);
  REQUIRE(store.put(key_of(1), code_of(1)));
  REQUIRE(store.put(key_of(1), code_of(2)));
  CHECK(same_code(**store.get(key_of(1)), *code_of(2)));
}

TEST_CASE("a code object without code or entry, or too large, is not stored", "[cache]") {
  TempDir directory;
  Problems problems;
  SqliteStore store = make_store(directory, problems);
  auto no_code = std::make_shared<CodeObject>(*code_of(1));
  no_code->code.clear();
  CHECK_FALSE(store.put(key_of(1), no_code));
  auto no_entry = std::make_shared<CodeObject>(*code_of(1));
  no_entry->entry.clear();
  CHECK_FALSE(store.put(key_of(1), no_entry));
  auto large = std::make_shared<CodeObject>(*code_of(1));
  large->source.resize(static_cast<std::size_t>(Database::kMaxRowBytes));
  const auto stored = store.put(key_of(1), large);
  REQUIRE_FALSE(stored);
  CHECK(stored.error().message.find("the limit is") != std::string::npos);
  CHECK(*store.get(key_of(1)) == nullptr);
  CHECK(*store.get(key_of(1)) == nullptr);
}

TEST_CASE("a row whose columns are garbage is a miss and set aside, whatever the garbage", "[cache]") {
  const char* columns[] = {"key_fields", "format",         "entry",  "facts",    "backend", "compiler",
                           "compile_ms", "created_unix_s", "sha256", "signature",  "checksum", "code"};
  const char* values[] = {"NULL",       "0",           "-1",         "9223372036854775807",
                          "1.5",        "''",          "'x'",        "x''",
                          "x'00'",      "zeroblob(32)", "'{}'",      "'[]'",
                          "zeroblob(100000)", "CAST(x'ff' AS TEXT)", "'[[\"a\",\"b\"]]'"};
  TempDir directory;
  for (const char* column : columns) {
    for (const char* value : values) {
      INFO(column << " = " << value);
      if (std::string_view(column) == "signature" && std::string_view(value) == "x''") {
        continue;  // An unsigned row has exactly this.
      }
      fs::remove_all(directory / "cache");
      Problems problems;
      {
        SqliteStore store = make_store(directory, problems);
        REQUIRE(store.put(key_of(1), code_of(1)));
        REQUIRE(store.put(key_of(2), code_of(2)));
      }
      REQUIRE(drop_strictness(directory / "cache") == SQLITE_OK);
      REQUIRE(run_sql(directory / "cache", std::string("UPDATE entry SET ") + column + " = " + value +
                                               " WHERE spec LIKE '%n1'") == SQLITE_OK);
      SqliteStore store = make_store(directory, problems);
      const auto damaged = store.get(key_of(1));
      REQUIRE(damaged);
      REQUIRE(*damaged == nullptr);
      CHECK(store.bad_entries() == 1);
      CHECK(problems.texts().size() == 1);
      CHECK(same_code(**store.get(key_of(2)), *code_of(2)));
      CHECK(store.put(key_of(1), code_of(1)));
      CHECK(same_code(**store.get(key_of(1)), *code_of(1)));
      auto admin = CacheAdmin::open(directory / "cache");
      REQUIRE(admin);
      const auto bad = admin->bad_entries();
      REQUIRE(bad);
      REQUIRE(bad->size() == 1);
      CHECK(bad->front().key == to_hex(key_of(1).digest));
      CHECK_FALSE(bad->front().reason.empty());
    }
  }
}

TEST_CASE("a whole and valid row under another key's digest is not given out", "[cache]") {
  TempDir directory;
  Problems problems;
  {
    SqliteStore store = make_store(directory, problems);
    REQUIRE(store.put(key_of(1), code_of(1)));
  }
  const std::string sql = "UPDATE entry SET digest = x'" + to_hex(key_of(2).digest) + "'";
  REQUIRE(run_sql(directory / "cache", sql) == SQLITE_OK);
  SqliteStore store = make_store(directory, problems);
  CHECK(*store.get(key_of(2)) == nullptr);
  CHECK(store.bad_entries() == 1);
}

TEST_CASE("only the newest damaged rows are kept", "[cache]") {
  TempDir directory;
  Problems problems;
  {
    SqliteStore store = make_store(directory, problems);
    for (int i = 0; i < 50; ++i) {
      REQUIRE(store.put(key_of(i), code_of(i, 100)));
    }
  }
  REQUIRE(run_sql(directory / "cache", "UPDATE entry SET checksum = 0") == SQLITE_OK);
  SqliteStore store = make_store(directory, problems);
  for (int i = 0; i < 50; ++i) {
    CHECK(*store.get(key_of(i)) == nullptr);
  }
  auto admin = CacheAdmin::open(directory / "cache");
  REQUIRE(admin);
  const auto bad = admin->bad_entries();
  REQUIRE(bad);
  CHECK(bad->size() == 32);
  CHECK(bad->front().key == to_hex(key_of(49).digest));
  CHECK(admin->list()->empty());
}

TEST_CASE("a database of a newer schema is left alone", "[cache]") {
  TempDir directory;
  Problems problems;
  {
    SqliteStore store = make_store(directory, problems);
    REQUIRE(store.put(key_of(1), code_of(1)));
  }
  REQUIRE(run_sql(directory / "cache", "PRAGMA user_version=3; PRAGMA application_id=1397642243;") == SQLITE_OK);
  const auto before = read_file(database_in(directory / "cache"));
  {
    SqliteStore store = make_store(directory, problems);
    const auto found = store.get(key_of(1));
    REQUIRE_FALSE(found);
    CHECK(found.error().code == ErrorCode::kCacheError);
    CHECK(found.error().message.find("schema 3") != std::string::npos);
    CHECK_FALSE(store.put(key_of(1), code_of(1)));
  }
  CHECK(read_file(database_in(directory / "cache")) == before);
  CHECK(count_files(directory / "cache", ".bad-") == 0);
}

TEST_CASE("a database of an older schema is left alone, beside the new one", "[cache]") {
  TempDir directory;
  Problems problems;
  {
    SqliteStore store = make_store(directory, problems);
    REQUIRE(store.put(key_of(1), code_of(1)));
  }
  REQUIRE(run_sql(directory / "cache", "PRAGMA user_version=1; PRAGMA application_id=1397642241;") == SQLITE_OK);
  fs::rename(database_in(directory / "cache"), directory / "cache/sinter-v1.db");
  const auto before = read_file(directory / "cache/sinter-v1.db");
  SqliteStore store = make_store(directory, problems);
  CHECK(*store.get(key_of(1)) == nullptr);
  REQUIRE(store.put(key_of(1), code_of(1)));
  CHECK(read_file(directory / "cache/sinter-v1.db") == before);
  CHECK(problems.texts().empty());
}

TEST_CASE("where a code object came from is kept with it", "[cache]") {
  TempDir directory;
  Problems problems;
  {
    SqliteStore store = make_store(directory, problems);
    REQUIRE(store.put(key_of(1), code_of(1)));
    REQUIRE(store.put(key_of(2), code_of(2), "import fleet"));
  }
  auto admin = CacheAdmin::open(directory / "cache");
  REQUIRE(admin);
  for (const auto& [number, origin] : {std::pair{1, "compiled"}, std::pair{2, "import fleet"}}) {
    const auto entry = admin->show(to_hex(key_of(number).digest));
    REQUIRE(entry);
    CHECK(entry->origin == origin);
    CHECK(entry->writer == "sinter test");
    CHECK_FALSE(entry->is_signed);
    CHECK(entry->problem.empty());
  }
  REQUIRE(run_sql(directory / "cache", "UPDATE entry SET origin = 'compiled'") == SQLITE_OK);
  auto changed = CacheAdmin::open(directory / "cache");
  REQUIRE(changed);
  CHECK(changed->show(to_hex(key_of(2).digest))->problem == "checksum of writer, origin, log and source does not match");
}

TEST_CASE("a file that is no database of ours is kept aside and replaced", "[cache]") {
  const std::vector<std::vector<char>> contents = {
      std::vector<char>(100, 'x'), std::vector<char>(5000, '\0'), std::vector<char>(100000, '\xff')};
  for (const auto& content : contents) {
    INFO(content.size());
    TempDir directory;
    Problems problems;
    fs::create_directory(directory / "cache");
    fs::permissions(directory / "cache", fs::perms::owner_all);
    write_file(database_in(directory / "cache"), content);
    SqliteStore store = make_store(directory, problems);
    CHECK(*store.get(key_of(1)) == nullptr);
    REQUIRE(store.put(key_of(1), code_of(1)));
    CHECK(same_code(**store.get(key_of(1)), *code_of(1)));
    CHECK(count_files(directory / "cache", ".bad-") == 1);
    CHECK(problems.texts().size() == 1);
  }
}

TEST_CASE("someone else's SQLite database is kept aside and replaced", "[cache]") {
  for (const char* sql :
       {"CREATE TABLE entry (x)", "CREATE TABLE other (x)", "PRAGMA user_version=7; CREATE TABLE t (x)",
        "PRAGMA user_version=2", "PRAGMA application_id=1397642242; PRAGMA user_version=2",
        "PRAGMA application_id=1397642242; PRAGMA user_version=2; CREATE VIEW entry AS SELECT 1 AS digest"}) {
    INFO(sql);
    TempDir directory;
    Problems problems;
    fs::create_directory(directory / "cache");
    fs::permissions(directory / "cache", fs::perms::owner_all);
    write_file(database_in(directory / "cache"), {});
    REQUIRE(run_sql(directory / "cache", sql) == SQLITE_OK);
    SqliteStore store = make_store(directory, problems);
    CHECK(*store.get(key_of(1)) == nullptr);
    REQUIRE(store.put(key_of(1), code_of(1)));
    CHECK(same_code(**store.get(key_of(1)), *code_of(1)));
  }
}

TEST_CASE("at most three damaged databases are kept aside", "[cache]") {
  TempDir directory;
  Problems problems;
  for (int i = 0; i < 6; ++i) {
    {
      SqliteStore store = make_store(directory, problems);
      REQUIRE(store.put(key_of(1), code_of(1)));
    }
    write_file(database_in(directory / "cache"), std::vector<char>(9000, 'x'));
    SqliteStore store = make_store(directory, problems);
    CHECK(*store.get(key_of(1)) == nullptr);
  }
  CHECK(count_bad_databases(directory / "cache") == 3);
}

TEST_CASE("a database deleted under an open store is made again", "[cache]") {
  TempDir directory;
  Problems problems;
  SqliteStore store = make_store(directory, problems);
  REQUIRE(store.put(key_of(1), code_of(1)));
  fs::remove_all(directory / "cache");
  CHECK(*store.get(key_of(1)) == nullptr);
  REQUIRE(store.put(key_of(1), code_of(1)));
  CHECK(same_code(**store.get(key_of(1)), *code_of(1)));
}

TEST_CASE("a compiler's identity is remembered by the stamp of its libraries", "[cache]") {
  TempDir directory;
  Problems problems;
  {
    SqliteStore store = make_store(directory, problems);
    CHECK(*store.compiler_identity("libnvrtc.so 1 2 3") == std::nullopt);
    REQUIRE(store.remember_compiler_identity("libnvrtc.so 1 2 3", "nvrtc 13.0 abc"));
    REQUIRE(store.remember_compiler_identity("libnvrtc.so 1 2 4", "nvrtc 13.1 def"));
    REQUIRE(store.remember_compiler_identity("libnvrtc.so 1 2 4", "nvrtc 13.2 ghi"));
  }
  SqliteStore store = make_store(directory, problems);
  CHECK(store.compiler_identity("libnvrtc.so 1 2 3").value() == "nvrtc 13.0 abc");
  CHECK(store.compiler_identity("libnvrtc.so 1 2 4").value() == "nvrtc 13.2 ghi");
  for (int i = 0; i < 300; ++i) {
    REQUIRE(store.remember_compiler_identity("stamp " + std::to_string(i), "x"));
  }
  CHECK(store.compiler_identity("stamp 299").value() == "x");
  CHECK(store.compiler_identity("stamp 0").value() == std::nullopt);
}

TEST_CASE("a damaged compiler identity is forgotten", "[cache]") {
  TempDir directory;
  Problems problems;
  {
    SqliteStore store = make_store(directory, problems);
    REQUIRE(store.remember_compiler_identity("stamp", "nvrtc 13.0"));
  }
  REQUIRE(run_sql(directory / "cache", "UPDATE compiler_identity SET identity = 'nvrtc 13.1'") == SQLITE_OK);
  SqliteStore store = make_store(directory, problems);
  CHECK(store.compiler_identity("stamp").value() == std::nullopt);
  REQUIRE(store.remember_compiler_identity("stamp", "nvrtc 13.0"));
  CHECK(store.compiler_identity("stamp").value() == "nvrtc 13.0");
}

TEST_CASE("with a rollback journal there is no log and no shared memory", "[cache]") {
  TempDir directory;
  Problems problems;
  SqliteStore store({.directory = directory / "cache", .journal = JournalMode::kRollback}, problems.sink());
  REQUIRE(store.put(key_of(1), code_of(1)));
  CHECK(same_code(**store.get(key_of(1)), *code_of(1)));
  CHECK(count_files(directory / "cache", "-wal") == 0);
  CHECK(count_files(directory / "cache", "-shm") == 0);
}

TEST_CASE("a database may move between a local and a network file system", "[cache]") {
  TempDir directory;
  Problems problems;
  for (const JournalMode mode : {JournalMode::kWriteAheadLog, JournalMode::kRollback, JournalMode::kWriteAheadLog}) {
    SqliteStore store({.directory = directory / "cache", .journal = mode}, problems.sink());
    const int number = static_cast<int>(mode);
    REQUIRE(store.put(key_of(number), code_of(number)));
  }
  for (const JournalMode mode : {JournalMode::kRollback, JournalMode::kWriteAheadLog}) {
    SqliteStore store({.directory = directory / "cache", .journal = mode}, problems.sink());
    CHECK(same_code(**store.get(key_of(1)), *code_of(1)));
    CHECK(same_code(**store.get(key_of(2)), *code_of(2)));
  }
  CHECK(problems.texts().empty());
}

TEST_CASE("threads may read and write the database at once", "[cache][threads]") {
  TempDir directory;
  Problems problems;
  SqliteStore store({.directory = directory / "cache", .busy_timeout = std::chrono::seconds(20)}, problems.sink());
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 60; ++i) {
        const int number = (i * 7 + t) % 20;
        if (!store.put(key_of(number), code_of(number))) ++wrong;
        const auto found = store.get(key_of(number));
        if (!found || *found == nullptr || !same_code(**found, *code_of(number))) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(wrong == 0);
  CHECK(problems.all().empty());
}
