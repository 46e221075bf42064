// SPDX-License-Identifier: Apache-2.0
#include "cache/compile_failure.h"

#include <catch2/catch.hpp>
#include <ctime>

#include "cache/failure_row.h"
#include "cache/kernel_cache.h"
#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

std::int64_t now() { return static_cast<std::int64_t>(std::time(nullptr)); }

CompileFailure failure_at(std::int64_t unix_s) {
  return {.code = ErrorCode::kTimeout,
          .crashed = true,
          .failed_unix_s = unix_s,
          .message = "ran past 120 s",
          .log = "a log",
          .source = "a source"};
}

}  // namespace

TEST_CASE("a failed compile is remembered across processes and is never code", "[cache]") {
  TempDir directory;
  Problems problems;
  const std::int64_t time = now();
  {
    KernelCache cache({.directory = directory / "cache"}, problems.sink());
    CHECK_FALSE(cache.failure(key_of(1)).has_value());
    cache.remember_failure(key_of(1), failure_at(time));
  }
  KernelCache cache({.directory = directory / "cache"}, problems.sink());
  const auto failure = cache.failure(key_of(1));
  REQUIRE(failure.has_value());
  CHECK(failure->code == ErrorCode::kTimeout);
  CHECK(failure->crashed);
  CHECK(failure->failed_unix_s == time);
  CHECK(failure->message == "ran past 120 s");
  CHECK(failure->log == "a log");
  CHECK(failure->source == "a source");
  CHECK_FALSE(cache.lookup(key_of(1)).has_value());
  CHECK_FALSE(cache.failure(key_of(2)).has_value());
  CHECK(cache.counters().storage_faults == 0);
  CHECK(problems.texts().empty());
}

TEST_CASE("a later failure of a key replaces the earlier one", "[cache]") {
  TempDir directory;
  KernelCache cache({.directory = directory / "cache"}, nullptr);
  cache.remember_failure(key_of(1), failure_at(now() - 10));
  CompileFailure later = failure_at(now());
  later.message = "again";
  cache.remember_failure(key_of(1), later);
  CHECK(cache.failure(key_of(1))->message == "again");
  CHECK(cache.forget_failures("") == 1);
}

TEST_CASE("failures are forgotten by the first digits of their keys, or all", "[cache]") {
  TempDir directory;
  KernelCache cache({.directory = directory / "cache"}, nullptr);
  CHECK(cache.forget_failures("") == 0);
  for (int i = 0; i < 20; ++i) {
    cache.remember_failure(key_of(i), failure_at(now()));
  }
  CHECK(cache.forget_failures("not hex") == 0);
  CHECK(cache.forget_failures(to_hex(key_of(3).digest)) == 1);
  CHECK_FALSE(cache.failure(key_of(3)).has_value());
  CHECK(cache.failure(key_of(4)).has_value());
  CHECK(cache.forget_failures(to_hex(key_of(4).digest).substr(0, 20)) == 1);
  CHECK(cache.forget_failures("") == 18);
  CHECK_FALSE(cache.failure(key_of(5)).has_value());
}

TEST_CASE("only the newest failures are kept", "[cache]") {
  TempDir directory;
  KernelCache cache({.directory = directory / "cache"}, nullptr);
  for (int i = 0; i < 260; ++i) {
    cache.remember_failure(key_of(i), failure_at(now()));
  }
  CHECK_FALSE(cache.failure(key_of(3)).has_value());
  CHECK(cache.failure(key_of(4)).has_value());
  CHECK(cache.failure(key_of(259)).has_value());
  CHECK(cache.forget_failures("") == 256);
}

TEST_CASE("a failure from the future is forgotten, whatever the clock did", "[cache]") {
  TempDir directory;
  KernelCache cache({.directory = directory / "cache"}, nullptr);
  for (const std::int64_t time : {now() + 100'000, INT64_MAX, INT64_MIN, std::int64_t{-1}}) {
    INFO(time);
    cache.remember_failure(key_of(1), failure_at(time));
    CHECK_FALSE(cache.failure(key_of(1)).has_value());
    CHECK(cache.forget_failures("") == 0);
  }
  cache.remember_failure(key_of(1), failure_at(now() + kMaxClockSkewS / 2));
  CHECK(cache.failure(key_of(1)).has_value());
}

TEST_CASE("a damaged failure is none, and is removed", "[cache]") {
  for (const char* change :
       {"checksum = checksum + 1", "message = 'x'", "log = 'x'", "source = ''", "error_code = 5", "error_code = 10",
        "crashed = 0", "failed_unix_s = failed_unix_s - 1", "spec = ''", "arch = 'x'", "key_fields = '[]'"}) {
    INFO(change);
    TempDir directory;
    Problems problems;
    {
      KernelCache cache({.directory = directory / "cache"}, problems.sink());
      cache.remember_failure(key_of(1), failure_at(now()));
    }
    REQUIRE(run_sql(directory / "cache", std::string("UPDATE failure SET ") + change) == SQLITE_OK);
    KernelCache cache({.directory = directory / "cache"}, problems.sink());
    CHECK_FALSE(cache.failure(key_of(1)).has_value());
    CHECK(cache.forget_failures("") == 0);
    CHECK(cache.counters().storage_faults == 0);
  }
}

TEST_CASE("a failure with an error code that no version knew is refused, even if its checksum matches", "[cache]") {
  for (const std::int64_t code : {std::int64_t{0}, std::int64_t{10}, std::int64_t{1} << 32, INT64_MIN}) {
    INFO(code);
    FailureRow row = seal_failure(key_of(1), failure_at(now()));
    row.error_code = code;
    row.checksum = failure_checksum(row);
    CHECK_FALSE(open_failure(row, key_of(1), now()));
  }
}

TEST_CASE("a failure of another key is refused", "[cache]") {
  const FailureRow row = seal_failure(key_of(1), failure_at(now()));
  CHECK(open_failure(row, key_of(1), now()));
  CHECK_FALSE(open_failure(row, key_of(2), now()));
}

TEST_CASE("of a long log or source the beginning is kept", "[cache]") {
  TempDir directory;
  KernelCache cache({.directory = directory / "cache"}, nullptr);
  CompileFailure failure = failure_at(now());
  failure.log = "first error" + std::string(2 * kMaxFailureText, 'x');
  failure.source = std::string(kMaxFailureText + 1, '\xff');
  cache.remember_failure(key_of(1), failure);
  const auto found = cache.failure(key_of(1));
  REQUIRE(found.has_value());
  CHECK(found->log == failure.log.substr(0, kMaxFailureText));
  CHECK(found->source.size() == kMaxFailureText);
}

TEST_CASE("without storage no failure is remembered, and a fault is counted", "[cache]") {
  TempDir directory;
  Problems problems;
  KernelCache memory_only({}, problems.sink());
  memory_only.remember_failure(key_of(1), failure_at(now()));
  CHECK_FALSE(memory_only.failure(key_of(1)).has_value());
  CHECK(memory_only.forget_failures("") == 0);
  CHECK(memory_only.counters().storage_faults == 0);

  write_file(directory / "file", {'x'});
  KernelCache broken({.directory = directory / "file"}, problems.sink());
  broken.remember_failure(key_of(1), failure_at(now()));
  CHECK_FALSE(broken.failure(key_of(1)).has_value());
  CHECK(broken.forget_failures("") == 0);
  CHECK(broken.counters().storage_faults == 3);
  CHECK(problems.texts().size() == 1);
}
