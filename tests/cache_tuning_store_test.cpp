// SPDX-License-Identifier: Apache-2.0
#include "cache/tuning_store.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <sqlite3.h>

#include "cache/entry_file.h"
#include "cache/schema.h"
#include "cache/sqlite_db.h"
#include "tests/support/cache.h"
#include "tests/support/tuning_rows.h"

using namespace sinter;
using namespace sinter::testing;
using Catch::Matchers::Contains;

namespace {

TuningRow row(std::int64_t n = 2816, std::string_view tile = "128x128x64") {
  return test::tuned_row(test::tuning_device(), test::grouped_gemm_request(n), tile);
}

std::vector<TuningRow> read(const std::string& directory) {
  auto stored = read_tuning({directory});
  REQUIRE(stored);
  CHECK(stored->problems.empty());
  return std::move(stored->rows);
}

const auto ignore = [](const std::string&) {};

void run_sql(const std::string& path, const char* sql) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &handle) == SQLITE_OK);
  CHECK(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(handle);
}

}  // namespace

TEST_CASE("tuned rows are kept, one for each decision, and forgotten", "[cache]") {
  TempDir directory;
  Problems problems;
  const TuningStoreOptions options{directory / "cache"};
  CHECK(read(options.directory).empty());
  CHECK_FALSE(file_id(options.directory));  // reading makes nothing
  REQUIRE(write_tuning(options, {row(), row(2048)}, problems.sink()));
  CHECK(read(options.directory).size() == 2);
  TuningRow newer = row(2816, "64x128x64");
  newer.measured_unix_s += 60;
  REQUIRE(write_tuning(options, {newer}, problems.sink()));
  auto rows = read(options.directory);
  REQUIRE(rows.size() == 2);
  CHECK((rows[0] == newer || rows[1] == newer));
  CHECK(forget_tuning(options, {decision_of(newer), decision_of(row(4096))}, problems.sink()).value() == 1);
  rows = read(options.directory);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0] == row(2048));
  CHECK(problems.texts().empty());
}

TEST_CASE("a cache that was never tuned opens no database to find that out", "[cache]") {
  TempDir directory;
  const std::string cache = directory / "cache";
  { SqliteStore store({.directory = cache}, nullptr); REQUIRE(store.put(key_of(1), code_of(1, 3000))); }
  // A file that SQLite would call damaged, but whose first page has no such table, is not even asked.
  const std::string path = cache + "/" + std::string(schema::kFileName);
  run_sql(path, "PRAGMA journal_mode=DELETE");
  REQUIRE(truncate(path.c_str(), 4096) == 0);
  CHECK(read(cache).empty());
}

TEST_CASE("rows in the log alone are read", "[cache]") {
  TempDir directory;
  const TuningStoreOptions options{directory / "cache"};
  SqliteStore store({.directory = options.directory}, nullptr);
  REQUIRE(store.put(key_of(1), code_of(1, 3000)));  // its connection keeps the log from being folded in
  REQUIRE(write_tuning(options, {row()}, ignore));
  CHECK(read(options.directory).size() == 1);
}

TEST_CASE("with tuned rows, entries are still found without SQLite", "[cache]") {
  TempDir directory;
  const TuningStoreOptions options{directory / "cache"};
  { SqliteStore store({.directory = options.directory}, nullptr); REQUIRE(store.put(key_of(1), code_of(1, 3000))); }
  REQUIRE(write_tuning(options, {row(), row(2048)}, ignore));
  CHECK(read(options.directory).size() == 2);
  const Database::DirectRead direct;
  CHECK(direct.is_allowed());  // reading rows left no connection open
  const auto file = EntryFile::open(options.directory + "/" + std::string(schema::kFileName), EntryFileKind::kLocal);
  REQUIRE(file);
  CHECK(file->find(key_of(1).digest));
}

TEST_CASE("a damaged row is left out and named, the others stay", "[cache]") {
  TempDir directory;
  const TuningStoreOptions options{directory / "cache"};
  REQUIRE(write_tuning(options, {row(), row(2048)}, ignore));
  const std::string path = options.directory + "/" + std::string(schema::kFileName);
  run_sql(path, "UPDATE tuning SET record = replace(record, '128x128x64', '128x256x64') WHERE problem LIKE '%n=2816%'");
  auto stored = read_tuning(options);
  REQUIRE(stored);
  REQUIRE(stored->rows.size() == 1);
  CHECK(stored->rows.front() == row(2048));
  REQUIRE(stored->problems.size() == 1);
  CHECK_THAT(stored->problems.front(), Contains(path) && Contains("checksum"));
}

TEST_CASE("a cache directory that others may write has no tuned rows, and no directory takes none", "[cache]") {
  TempDir directory;
  const TuningStoreOptions options{directory / "cache"};
  REQUIRE(write_tuning(options, {row()}, ignore));
  REQUIRE(chmod(options.directory.c_str(), 0777) == 0);
  CHECK(read(options.directory).empty());
  CHECK(read_tuning({options.directory, true})->rows.size() == 1);
  CHECK_FALSE(write_tuning({""}, {row()}, ignore));
  CHECK(read_tuning({""})->rows.empty());
}
