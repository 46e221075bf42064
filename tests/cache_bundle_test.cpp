// SPDX-License-Identifier: Apache-2.0
#include "cache/bundle.h"

#include <catch2/catch.hpp>

#include <sys/stat.h>

#include "cache/schema.h"
#include "tests/support/bundles.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

BundleAnswer ask(Bundle& bundle, int number) {
  const CacheKey key = key_of(number);
  return bundle.get(key, key_fields_to_json(key.fields));
}

Result<std::shared_ptr<Bundle>> open(const std::string& path) { return Bundle::open(path, {}); }

std::vector<int> numbers_to(int count) {
  std::vector<int> numbers;
  for (int i = 0; i < count; ++i) {
    numbers.push_back(i);
  }
  return numbers;
}

}  // namespace

TEST_CASE("a bundle gives what was put in, and misses what was not", "[bundle]") {
  TempDir directory;
  const std::string path = make_bundle(directory.path(), numbers_to(100));
  CHECK(path == directory / "moe-sm_90a.sinter");
  auto bundle = open(path);
  REQUIRE(bundle);
  for (int number = 0; number < 100; ++number) {
    const BundleAnswer answer = ask(**bundle, number);
    REQUIRE(answer.kind == BundleAnswer::kHit);
    CHECK(answer.code->code == code_of(number)->code);
    CHECK(answer.code->facts == code_of(number)->facts);
  }
  CHECK(ask(**bundle, 100).kind == BundleAnswer::kMiss);
  REQUIRE((*bundle)->keys_of_spec("grouped_gemm_none_bf16_n7")->size() == 1);
  CHECK((*bundle)->keys_of_spec("grouped_gemm_none_bf16_n7")->front().digest == key_of(7).digest);
  CHECK((*bundle)->keys_of_spec("nothing")->empty());
}

TEST_CASE("the same entries give the same bytes, wherever and whenever they were compiled", "[bundle]") {
  TempDir directory;
  const auto key = SigningKey::generate();
  const std::string a = make_bundle(directory / "a", numbers_to(200), &*key);
  std::vector<EntryRow> rows = rows_of(numbers_to(200));
  for (EntryRow& row : rows) {
    row.compile_ms += 1;
    row.created_unix_s += 1000;
    row.origin = "import elsewhere";
    reseal_entry(row);
  }
  const auto b = write_bundle(source_of(std::move(rows)),
                              {.directory = directory / "b", .name = "moe", .arch = "sm_90a", .key = &*key});
  REQUIRE(b);
  CHECK(read_file(a) == read_file(b->path));
  CHECK(read_file(manifest_of(a)) == read_file(manifest_of(b->path)));
}

TEST_CASE("a bundle can be read by everybody whatever the umask, and leaves no other file", "[bundle]") {
  TempDir directory;
  const mode_t old = umask(0077);
  const std::string path = make_bundle(directory / "out", {1, 2, 3});
  umask(old);
  CHECK((fs::status(path).permissions() & fs::perms::all) == static_cast<fs::perms>(0644));
  CHECK((fs::status(manifest_of(path)).permissions() & fs::perms::all) == static_cast<fs::perms>(0644));
  CHECK(count_files(directory / "out", "") == 2);
}

TEST_CASE("what must not go into a bundle leaves nothing behind", "[bundle]") {
  TempDir directory;
  const auto write = [&](std::vector<EntryRow> rows, const std::string& name = "moe", const std::string& arch = "sm_90a") {
    return write_bundle(source_of(std::move(rows)), {.directory = directory / "out", .name = name, .arch = arch});
  };
  CHECK(write(rows_of({1}), "../moe").error().code == ErrorCode::kInvalidRequest);
  CHECK_FALSE(write({}));
  CHECK_FALSE(write(rows_of({1}), "moe", "gfx942"));
  std::vector<EntryRow> rows = rows_of({1, 2});
  std::swap(rows[0], rows[1]);
  CHECK_FALSE(write(rows));
  CHECK_FALSE(write({rows[0], rows[0]}));
  rows = rows_of({1});
  rows[0].code[5] ^= std::byte{1};
  CHECK(write(rows).error().message.find("checksum does not match") != std::string::npos);
  // Sealed again, so that the digests are right: a compile that failed and was stored.
  for (const auto empty : {+[](EntryRow& row) { row.code.clear(); }, +[](EntryRow& row) { row.entry.clear(); },
                           +[](EntryRow& row) { row.facts = to_json(CodeFacts{}); }}) {
    rows = rows_of({1});
    empty(rows[0]);
    rows[0].code_bytes = static_cast<std::int64_t>(rows[0].code.size());
    rows[0].sha256 = entry_sha256(rows[0]);
    reseal_entry(rows[0]);
    CHECK_FALSE(write(rows));
  }
  CHECK((!fs::exists(directory / "out") || fs::is_empty(directory / "out")));
}

TEST_CASE("an export over a bundle that is there changes it whole or not at all", "[bundle]") {
  TempDir directory;
  const std::string path = make_bundle(directory.path(), {1, 2});
  const auto before = read_file(path);
  std::vector<EntryRow> rows = rows_of({1, 2, 3});
  rows.back().code[0] ^= std::byte{1};
  CHECK_FALSE(write_bundle(source_of(std::move(rows)), {.directory = directory.path(), .name = "moe", .arch = "sm_90a"}));
  CHECK(read_file(path) == before);
  make_bundle(directory.path(), {3});
  CHECK(ask(**open(path), 3).kind == BundleAnswer::kHit);
  CHECK(ask(**open(path), 1).kind == BundleAnswer::kMiss);
  CHECK(count_files(directory.path(), "") == 2);
}

TEST_CASE("a row that is not the one of the manifest is bad under every policy", "[bundle]") {
  TempDir directory;
  const std::string path = make_bundle(directory.path(), {1, 2});
  // A whole and well-sealed row, but another one.
  EntryRow row = rows_of({1})[0];
  row.code[7] ^= std::byte{1};
  row.sha256 = entry_sha256(row);
  reseal_entry(row);
  Database database;
  REQUIRE(Database::open(path, OpenMode::kReadWrite, database).ok());
  {
    Statement put;
    REQUIRE(database.prepare(schema::kPutEntry, put).ok());
    bind_entry_row(put, row);
    REQUIRE(put.step() == Step::kDone);
  }
  auto bundle = open(path);
  REQUIRE(bundle);
  CHECK(ask(**bundle, 1).kind == BundleAnswer::kBadRow);
  CHECK(ask(**bundle, 1).problem.find("not the row that the manifest lists") != std::string::npos);
  CHECK(ask(**bundle, 2).kind == BundleAnswer::kHit);
  fs::remove(manifest_of(path));
  CHECK(ask(**open(path), 1).kind == BundleAnswer::kHit);
}

TEST_CASE("a row that only one of bundle and manifest has is not given out", "[bundle]") {
  TempDir directory;
  const std::string more = make_bundle(directory / "more", {1, 2, 3});
  const std::string less = make_bundle(directory / "less", {1, 2});
  fs::copy_file(manifest_of(less), directory / "kept");
  fs::copy_file(manifest_of(more), manifest_of(less), fs::copy_options::overwrite_existing);
  fs::copy_file(directory / "kept", manifest_of(more), fs::copy_options::overwrite_existing);
  CHECK(ask(**open(less), 3).kind == BundleAnswer::kBadRow);
  CHECK(ask(**open(less), 1).kind == BundleAnswer::kHit);
  CHECK(ask(**open(more), 3).kind == BundleAnswer::kMiss);
  CHECK(ask(**open(more), 1).kind == BundleAnswer::kHit);
}

TEST_CASE("a manifest's size and target are compared with the row", "[bundle]") {
  TempDir directory;
  const std::string path = make_bundle(directory.path(), {1});
  const Manifest good = *read_manifest(path);
  const auto ask_with = [&](const Manifest& manifest) {
    const std::string text = manifest_text(manifest);
    write_file(manifest_of(path), {text.begin(), text.end()});
    return ask(**open(path), 1).kind;
  };
  CHECK(ask_with(good) == BundleAnswer::kHit);
  Manifest wrong = good;
  wrong.entries[0].target = "sm_80";
  CHECK(ask_with(wrong) == BundleAnswer::kBadRow);
  wrong = good;
  wrong.entries[0].code_bytes += 1;
  CHECK(ask_with(wrong) == BundleAnswer::kBadRow);
}

TEST_CASE("what is no bundle of this schema is refused", "[bundle]") {
  TempDir directory;
  CHECK_FALSE(open(directory / "missing.sinter"));
  CHECK_FALSE(open(directory.path()));
  write_file(directory / "text.sinter", std::vector<char>(5000, 'x'));
  CHECK_FALSE(open(directory / "text.sinter"));
  write_file(directory / "empty.sinter", {});
  CHECK_FALSE(open(directory / "empty.sinter"));
  { SqliteStore(SqliteStoreOptions{.directory = directory / "cache"}, [](std::string) {}).put(key_of(1), code_of(1)).value(); }
  CHECK(open(database_in(directory / "cache")).error().message.find("is no bundle") != std::string::npos);
  const std::string path = make_bundle(directory.path(), {1});
  REQUIRE(change_bundle(path, "PRAGMA user_version=3; PRAGMA application_id=1397637635") == SQLITE_OK);
  CHECK(open(path).error().message.find("has schema 3") != std::string::npos);
}

TEST_CASE("a manifest that is not well-formed makes its bundle unusable, not unchecked", "[bundle]") {
  TempDir directory;
  const std::string path = make_bundle(directory.path(), {1});
  write_file(manifest_of(path), {'x'});
  CHECK_FALSE(open(path));
  write_file(manifest_of(path), {});
  CHECK_FALSE(open(path));
  fs::remove(manifest_of(path));
  fs::create_directory(manifest_of(path));
  CHECK_FALSE(open(path));
}

TEST_CASE("a bundle that was cut short or has a flipped bit gives the right bytes or none", "[bundle]") {
  TempDir directory;
  const std::string path = make_bundle(directory.path(), {1, 2, 3, 4});
  const auto whole = read_file(path);
  const auto manifest = read_file(manifest_of(path));
  const auto ask_all = [&] {
    auto bundle = open(path);
    for (int number = 1; bundle && number <= 4; ++number) {
      const BundleAnswer answer = ask(**bundle, number);
      if (answer.kind == BundleAnswer::kHit && answer.code->code != code_of(number)->code) {
        return false;
      }
    }
    return true;
  };
  for (const bool with_manifest : {true, false}) {
    write_file(manifest_of(path), manifest);
    if (!with_manifest) {
      fs::remove(manifest_of(path));
    }
    for (std::size_t i = 0; i < 300; ++i) {
      write_file(path, whole);
      flip_bit(path, (i * 7919 * 8 + i) % (whole.size() * 8));
      CHECK(ask_all());
    }
    for (std::size_t size = 0; size < whole.size(); size += whole.size() / 60) {
      write_file(path, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
      CHECK(ask_all());
    }
  }
  write_file(path, whole);
  for (std::size_t i = 0; i < 300; ++i) {
    write_file(manifest_of(path), manifest);
    flip_bit(manifest_of(path), (i * 104729) % (manifest.size() * 8));
    CHECK(ask_all());
  }
}

TEST_CASE("cutting a bundle short while it is read does not kill the reader", "[bundle]") {
  TempDir directory;
  const std::string path = make_bundle(directory.path(), numbers_to(50));
  auto bundle = open(path);
  REQUIRE(bundle);
  REQUIRE(ask(**bundle, 0).kind == BundleAnswer::kHit);
  fs::resize_file(path, 8192);
  fs::resize_file(manifest_of(path), 600);
  for (int number = 0; number < 50; ++number) {
    CHECK(ask(**bundle, number).kind != BundleAnswer::kHit);
  }
}

TEST_CASE("a bundle that others may write is refused with the command that mends it", "[bundle][trust]") {
  TempDir directory;
  const std::string path = make_bundle(directory / "b", {1});
  for (const std::string& writable : {path, manifest_of(path), directory / "b"}) {
    fs::permissions(writable, fs::perms::others_write, fs::perm_options::add);
    const auto refused = open(path);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("chmod go-w " + writable) != std::string::npos);
    CHECK(Bundle::open(path, {.allow_shared = true}));
    fs::permissions(writable, fs::perms::others_write, fs::perm_options::remove);
  }
  CHECK(open(path));
}

TEST_CASE("a signed bundle is believed wherever it lies", "[bundle][trust]") {
  TempDir directory;
  const auto key = SigningKey::generate();
  const auto other = SigningKey::generate();
  const std::string path = make_bundle(directory / "b", {1}, &*key);
  fs::permissions(directory / "b", fs::perms::others_write, fs::perm_options::add);
  const TrustedKeys trusted({{key->public_key(), "k"}});
  const TrustedKeys another({{other->public_key(), "o"}});
  for (const SignaturePolicy policy : {SignaturePolicy::kSigned, SignaturePolicy::kAll}) {
    CHECK(Bundle::open(path, {.policy = policy, .keys = &trusted}));
    CHECK_FALSE(Bundle::open(path, {.policy = policy, .keys = &another}));
    // A shared directory is no signature.
    CHECK_FALSE(Bundle::open(path, {.policy = policy, .keys = &another, .allow_shared = true}));
  }
  CHECK_FALSE(open(path));
}

TEST_CASE("a file's name says which archs need not look into it", "[bundle]") {
  CHECK(may_hold_arch("/b/moe-gfx942.sinter", "gfx942"));
  CHECK_FALSE(may_hold_arch("/b/moe-gfx942.sinter", "sm_90a"));
  CHECK(may_hold_arch("/b/kernels.sinter", "sm_90a"));
  CHECK_FALSE(may_hold_arch("/b/moe-x86-64-v4.sinter", "x86-64-v3"));
}
