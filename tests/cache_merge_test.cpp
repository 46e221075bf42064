// SPDX-License-Identifier: Apache-2.0
#include "cache/merge.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

#include "cache/cache_admin.h"
#include "cache/row_import.h"
#include "cache/row_signature.h"
#include "tests/support/bundles.h"

using namespace sinter;
using namespace sinter::testing;
using Catch::Matchers::Contains;

namespace {

void fill(const std::string& directory, const std::vector<int>& numbers, int code_offset = 0) {
  SqliteStore store({.directory = directory}, nullptr);
  for (const int number : numbers) {
    auto code = std::make_shared<CodeObject>(*code_of(number));
    code->code[0] ^= static_cast<std::byte>(code_offset);
    REQUIRE(store.put(key_of(number), code));
  }
}

std::vector<Digest> digests_of(std::vector<int> numbers) {
  std::vector<Digest> digests;
  for (const int number : numbers) {
    digests.push_back(key_of(number).digest);
  }
  std::sort(digests.begin(), digests.end());
  return digests;
}

struct All {
  std::vector<Digest> keys;
  std::vector<std::string> sources;
  MergeReport report;
};

All read_all(const std::vector<std::string>& paths, const BundleTrust& trust = {}) {
  auto merge = CacheMerge::open(paths, trust);
  REQUIRE(merge);
  All all;
  for (const std::string& arch : merge->archs()) {
    merge->start(arch);
    for (;;) {
      auto next = merge->next();
      REQUIRE(next);
      if (!*next) {
        break;
      }
      all.keys.push_back((**next).row.key);
      all.sources.push_back((**next).source);
    }
  }
  all.report = merge->report();
  return all;
}

}  // namespace

TEST_CASE("caches and bundles come together in the order of their keys, each key once", "[merge]") {
  TempDir directory;
  fill(directory / "a", {1, 2, 3});
  fill(directory / "b", {3, 4});
  const std::string bundle = make_bundle(directory / "c", {4, 5, 6});
  const All all = read_all({directory / "a", directory / "b", bundle});
  CHECK(all.keys == digests_of({1, 2, 3, 4, 5, 6}));
  CHECK(all.report.rows == 8);
  CHECK(all.report.duplicates == 2);
  CHECK(all.report.conflicts.empty());
  CHECK(all.report.damaged.empty());
}

TEST_CASE("a directory of bundles stands for all of them", "[merge]") {
  TempDir directory;
  make_bundle(directory / "a", {1, 2});
  CHECK(read_all({directory / "a"}).keys == digests_of({1, 2}));
  fs::create_directory(directory / "empty");
  CHECK_THAT(CacheMerge::open({directory / "empty"}, {}).error().message,
             Contains("neither a kernel cache nor bundles"));
  CHECK_FALSE(CacheMerge::open({directory / "none"}, {}));
}

TEST_CASE("of two different codes for one key the first source's is kept, and that is said", "[merge]") {
  TempDir directory;
  fill(directory / "a", {1, 2});
  fill(directory / "b", {2, 3}, 1);
  const All all = read_all({directory / "b", directory / "a"});
  CHECK(all.keys.size() == 3);
  REQUIRE(all.report.conflicts.size() == 1);
  CHECK(all.report.conflicts[0].key == to_hex(key_of(2).digest));
  CHECK(all.report.conflicts[0].kept == directory / "b");
  CHECK(all.report.conflicts[0].dropped == directory / "a");
}

TEST_CASE("a damaged row of a cache is left out and told; a sound one for its key takes its place", "[merge]") {
  TempDir directory;
  fill(directory / "a", {1, 2});
  fill(directory / "b", {2});
  const std::string key = to_hex(key_of(2).digest);
  REQUIRE(run_sql(directory / "a", "UPDATE entry SET code = zeroblob(9) WHERE digest = x'" + key + "'") == SQLITE_OK);
  const All all = read_all({directory / "a", directory / "b"});
  CHECK(all.keys == digests_of({1, 2}));
  REQUIRE(all.report.damaged.size() == 1);
  CHECK(all.report.damaged[0].key == key);
  CHECK(std::count(all.sources.begin(), all.sources.end(), directory / "b") == 1);
}

TEST_CASE("a damaged bundle keeps everything out", "[merge]") {
  TempDir directory;
  const std::string bundle = make_bundle(directory / "a", {1, 2});
  REQUIRE(change_bundle(bundle, "UPDATE entry SET code = zeroblob(9)") == SQLITE_OK);
  CHECK_THAT(CacheMerge::open({bundle}, {}).error().message, Contains("nothing is merged"));
}

TEST_CASE("rows that take the place of a bundle's while it is merged are not merged", "[merge]") {
  TempDir directory;
  // More than SQLite keeps of a file in memory, so that the merge reads on in the file that changed.
  std::vector<int> numbers(600);
  std::iota(numbers.begin(), numbers.end(), 1);
  std::vector<EntryRow> rows = rows_of(numbers, 6000), others;
  for (const EntryRow& row : rows) {
    others.push_back(row);
    others.back().code[0] ^= std::byte{1};
    others.back().sha256 = entry_sha256(others.back());
    reseal_entry(others.back());
  }
  const auto write = [&](const char* name, const std::vector<EntryRow>& of) {
    const auto written =
        write_bundle(source_of(of), {.directory = directory / name, .name = "moe", .arch = "sm_90a", .key = nullptr});
    REQUIRE(written);
    return written->path;
  };
  const std::string bundle = write("a", rows), other = write("b", others);
  auto merge = CacheMerge::open({bundle}, {});
  REQUIRE(merge);
  write_file(bundle, read_file(other));  // Into the same file, which the merge has open.
  merge->start("sm_90a");
  std::size_t merged = 0;
  auto next = merge->next();
  for (; next && *next; next = merge->next()) {
    CHECK((**next).row.sha256 == rows.at(merged++).sha256);
  }
  CHECK((!next || merge->report().damaged.size() + merged == rows.size()));
}

TEST_CASE("under a policy of signatures an unsigned cache is no source", "[merge]") {
  TempDir directory;
  fill(directory / "a", {1});
  const TrustedKeys nobody;
  auto merge = CacheMerge::open({directory / "a"}, {.policy = SignaturePolicy::kSigned, .keys = &nobody});
  REQUIRE(merge);
  merge->start(*merge->archs().begin());
  CHECK_THAT(merge->next().error().message, Contains("not signed by a trusted key"));
}

TEST_CASE("a cache that others may write is no source", "[merge]") {
  TempDir directory;
  fill(directory / "a", {1});
  fs::permissions(directory / "a", fs::perms::others_write, fs::perm_options::add);
  CHECK_FALSE(CacheMerge::open({directory / "a"}, {}));
  CHECK(CacheMerge::open({directory / "a"}, {.allow_shared = true}));
}

TEST_CASE("a row that is stored says where it came from; the store's own code is never replaced", "[merge]") {
  TempDir directory;
  fill(directory / "a", {1, 2});
  fill(directory / "target", {2}, 1);
  auto merge = CacheMerge::open({directory / "a"}, {});
  REQUIRE(merge);
  SqliteStore store({.directory = directory / "target"}, nullptr);
  merge->start(*merge->archs().begin());
  std::vector<RowImport> outcomes;
  for (auto next = merge->next(); next && *next; next = merge->next()) {
    outcomes.push_back(import_row(std::move((**next).row), "import a", "a", RowSignatures{}, store).value());
  }
  std::sort(outcomes.begin(), outcomes.end());
  CHECK(outcomes == std::vector<RowImport>{RowImport::kStored, RowImport::kConflict});
  auto admin = CacheAdmin::open(directory / "target");
  CHECK(admin->show(to_hex(key_of(1).digest))->origin == "import a");
  CHECK(admin->show(to_hex(key_of(2).digest))->object.code[0] == (code_of(2)->code[0] ^ std::byte{1}));
  CHECK(admin->verify()->ok());
}

TEST_CASE("a row is found by its key", "[merge]") {
  TempDir directory;
  fill(directory / "a", {1});
  auto admin = CacheAdmin::open(directory / "a");
  REQUIRE(admin);
  CHECK((**admin->find_row(key_of(1).digest)).spec == key_of(1).field("spec"));
  CHECK_FALSE(admin->find_row(key_of(2).digest)->has_value());
}
