// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_admin.h"

#include <catch2/catch.hpp>

#include "cache/kernel_cache.h"
#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

void fill(const std::string& directory, int count) {
  KernelCache cache({.directory = directory, .writer = "sinter 0.1"}, nullptr);
  for (int i = 0; i < count; ++i) {
    cache.store(key_of(i), code_of(i));
  }
  REQUIRE(cache.counters().stores == count);
}

}  // namespace

TEST_CASE("a list has every entry with what names it", "[cache]") {
  TempDir directory;
  fill(directory.path(), 3);
  auto admin = CacheAdmin::open(directory.path());
  REQUIRE(admin);
  const auto entries = admin->list();
  REQUIRE(entries);
  REQUIRE(entries->size() == 3);
  const EntryInfo& entry = (*entries)[1];
  CHECK(entry.key == to_hex(key_of(1).digest));
  CHECK(entry.spec == "grouped_gemm_none_bf16_n1");
  CHECK(entry.family == "grouped_gemm");
  CHECK(entry.arch == "sm_90a");
  CHECK(entry.format == "cubin");
  CHECK(entry.backend == "nvrtc");
  CHECK(entry.compiler == "nvrtc 13.0");
  CHECK(entry.code_bytes == 3001);
  CHECK(entry.created_unix_s == 1700000001);
  CHECK(entry.compile_ms == 13.5);
}

TEST_CASE("an entry is shown whole, by the start of its key", "[cache]") {
  TempDir directory;
  fill(directory.path(), 3);
  auto admin = CacheAdmin::open(directory.path());
  REQUIRE(admin);
  const std::string key = to_hex(key_of(2).digest);
  for (const std::size_t digits : {std::size_t{12}, key.size()}) {
    const auto entry = admin->show(key.substr(0, digits));
    REQUIRE(entry);
    CHECK(entry->problem.empty());
    CHECK(entry->info.key == key);
    CHECK(entry->key_fields == key_of(2).fields);
    CHECK(same_code(entry->object, *code_of(2)));
    CHECK(entry->object.log == code_of(2)->log);
    CHECK(entry->object.source == code_of(2)->source);
    CHECK(entry->writer == "sinter 0.1");
    CHECK(entry->sha256.size() == 64);
  }
}

TEST_CASE("a start of a key that is wrong, unknown or ambiguous is refused", "[cache]") {
  TempDir directory;
  fill(directory.path(), 40);
  auto admin = CacheAdmin::open(directory.path());
  REQUIRE(admin);
  for (const std::string& prefix : {std::string(), std::string("xyz"), std::string(65, 'a')}) {
    const auto entry = admin->show(prefix);
    REQUIRE_FALSE(entry);
    CHECK(entry.error().code == ErrorCode::kInvalidRequest);
  }
  const auto unknown = admin->show(std::string(64, '0'));
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message.find("no entry of") != std::string::npos);
  // 40 keys and 16 first digits: some digit is shared.
  int ambiguous = 0;
  for (const char digit : std::string("0123456789abcdef")) {
    const auto entry = admin->show(std::string(1, digit));
    ambiguous += !entry && entry.error().message.find("several") != std::string::npos ? 1 : 0;
  }
  CHECK(ambiguous > 0);
}

TEST_CASE("verification finds each damaged column and changes nothing", "[cache]") {
  const char* damages[] = {
      "checksum = 1",          "sha256 = zeroblob(32)",         "code = zeroblob(3001)",
      "facts = '{}'",          "entry = 'other'",               "format = 4",
      "backend = 'llvm'",      "compiler = 'x'",                "compile_ms = 1.0",
      "created_unix_s = 1",    "key_fields = '[]'",             "spec = 'x'",
      "family = 'x'",          "arch = 'gfx942'",               "writer = 'x'",
      "code_bytes = 5",        "text_checksum = 5",             "log = 'x'",
      "source = 'x'",          "digest = zeroblob(32)",         "digest = zeroblob(31)",
  };
  for (const char* damage : damages) {
    INFO(damage);
    TempDir directory;
    fill(directory.path(), 3);
    REQUIRE(run_sql(directory.path(), std::string("UPDATE entry SET ") + damage + " WHERE spec LIKE '%n1'") ==
            SQLITE_OK);
    auto admin = CacheAdmin::open(directory.path());
    REQUIRE(admin);
    const auto report = admin->verify();
    REQUIRE(report);
    CHECK(report->checked == 3);
    REQUIRE(report->damaged.size() == 1);
    CHECK_FALSE(report->damaged.front().reason.empty());
    CHECK(admin->list()->size() == 3);
    CHECK(admin->bad_entries()->empty());
  }
}

TEST_CASE("an intact cache verifies", "[cache]") {
  TempDir directory;
  fill(directory.path(), 20);
  auto admin = CacheAdmin::open(directory.path());
  REQUIRE(admin);
  const auto report = admin->verify();
  REQUIRE(report);
  CHECK(report->ok());
  CHECK(report->checked == 20);
}

TEST_CASE("a damaged entry is shown with its problem", "[cache]") {
  TempDir directory;
  fill(directory.path(), 1);
  REQUIRE(run_sql(directory.path(), "UPDATE entry SET code = zeroblob(5)") == SQLITE_OK);
  auto admin = CacheAdmin::open(directory.path());
  REQUIRE(admin);
  const auto entry = admin->show(to_hex(key_of(0).digest));
  REQUIRE(entry);
  CHECK(entry->problem == "checksum does not match");
  CHECK(entry->object.code.size() == 5);
  CHECK(entry->object.source == code_of(0)->source);
}

TEST_CASE("tools read a database that another process writes", "[cache]") {
  TempDir directory;
  fill(directory.path(), 5);
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t writer = start_child([&] {
    KernelCache cache({.directory = directory.path(), .busy_timeout_ms = 20000}, nullptr);
    for (int i = 0;; i = (i + 1) % 30) {
      cache.store(key_of(i), code_of(i));
      char byte = 'r';
      if (write(ready[1], &byte, 1) != 1) return 0;
    }
    return 0;
  });
  close(ready[1]);
  char bytes[10];
  REQUIRE(read(ready[0], bytes, 1) == 1);
  for (int i = 0; i < 20; ++i) {
    auto admin = CacheAdmin::open(directory.path());
    REQUIRE(admin);
    const auto report = admin->verify();
    REQUIRE(report);
    CHECK(report->ok());
    CHECK(report->checked >= 5);
    REQUIRE(admin->list());
    (void)!read(ready[0], bytes, sizeof(bytes));
  }
  kill(writer, SIGKILL);
  wait_for(writer);
  close(ready[0]);
}

TEST_CASE("a missing directory or database is an error that names it and makes nothing", "[cache]") {
  TempDir directory;
  const auto no_directory = CacheAdmin::open(directory / "none");
  REQUIRE_FALSE(no_directory);
  CHECK(no_directory.error().code == ErrorCode::kCacheError);
  CHECK(no_directory.error().message.find(directory / "none") != std::string::npos);
  const auto no_database = CacheAdmin::open(directory.path());
  REQUIRE_FALSE(no_database);
  CHECK(no_database.error().message.find("sinter-v2.db") != std::string::npos);
  CHECK(fs::is_empty(directory.path()));
}

TEST_CASE("a file that is no cache of ours is an error that names it and is left alone", "[cache]") {
  TempDir directory;
  const std::vector<char> noise(9000, 'x');
  write_file(database_in(directory.path()), noise);
  const auto admin = CacheAdmin::open(directory.path());
  REQUIRE_FALSE(admin);
  CHECK(admin.error().message.find(database_in(directory.path())) != std::string::npos);
  CHECK(read_file(database_in(directory.path())) == noise);
  write_file(database_in(directory.path()), {});
  REQUIRE(run_sql(directory.path(), "CREATE TABLE t (x)") == SQLITE_OK);
  CHECK_FALSE(CacheAdmin::open(directory.path()));
}

TEST_CASE("tools read a cache that they may not write", "[cache]") {
  TempDir directory;
  fill(directory.path(), 3);
  fs::remove(database_in(directory.path()) + "-wal");
  fs::remove(database_in(directory.path()) + "-shm");
  fs::remove(directory / "sinter-v2.lock");
  REQUIRE(chmod(directory.path().c_str(), 0555) == 0);
  REQUIRE(chmod(database_in(directory.path()).c_str(), 0444) == 0);
  CHECK(run_child([&] {
          if (geteuid() == 0 && setuid(65534) != 0) return 100;
          auto admin = CacheAdmin::open(directory.path());
          if (!admin) return 1;
          const auto report = admin->verify();
          return report && report->ok() && report->checked == 3 ? 0 : 2;
        }) == 0);
}
