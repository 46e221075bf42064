// SPDX-License-Identifier: Apache-2.0
#include "cache/bundle_check.h"

#include <catch2/catch.hpp>

#include "cache/row_signature.h"
#include "tests/support/bundles.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

Result<ImportReport> import(const std::string& path, const std::string& cache, const RowSignatures& signatures = {}) {
  SINTER_TRY(const auto bundle, Bundle::open(path, {.policy = signatures.policy, .keys = &signatures.trusted}));
  SqliteStore store({.directory = cache}, nullptr);
  return import_bundle(*bundle, signatures, store);
}

}  // namespace

TEST_CASE("a whole bundle verifies; what is wrong with another is said", "[bundle][verify]") {
  TempDir directory;
  const std::string path = make_bundle(directory / "b", {1, 2, 3});
  const auto good = verify_bundle(path);
  REQUIRE(good);
  CHECK(good->ok());
  CHECK(good->rows.checked == 3);
  REQUIRE(change_bundle(path, "UPDATE entry SET log = 'other' WHERE digest = x'" + to_hex(key_of(1).digest) + "'") == SQLITE_OK);
  REQUIRE(change_bundle(path, "DELETE FROM entry WHERE digest = x'" + to_hex(key_of(2).digest) + "'") == SQLITE_OK);
  const auto bad = verify_bundle(path);
  REQUIRE(bad);
  CHECK(bad->rows.damaged.size() == 1);
  REQUIRE(bad->manifest_problems.size() == 2);
  CHECK(bad->manifest_problems[0].find("is not the file of its manifest") != std::string::npos);
  CHECK(bad->manifest_problems[1].find("listed, but missing") != std::string::npos);
  fs::remove(manifest_of(path));
  CHECK_FALSE(verify_bundle(path)->ok());
  CHECK_FALSE(verify_bundle(manifest_of(path)));
}

TEST_CASE("an import keeps the code, says where it came from, and does nothing twice", "[bundle][import]") {
  TempDir directory;
  const std::string path = make_bundle(directory / "b", {1, 2, 3});
  const auto first = import(path, directory / "cache");
  REQUIRE(first);
  CHECK(first->name == "moe");
  CHECK(first->imported == 3);
  CHECK(import(path, directory / "cache")->already_there == 3);
  auto admin = CacheAdmin::open(directory / "cache");
  REQUIRE(admin);
  CHECK(admin->verify()->ok());
  const auto entry = admin->show(to_hex(key_of(2).digest));
  REQUIRE(entry);
  CHECK(entry->origin == "import moe");
  CHECK(entry->object.code == code_of(2)->code);
  CHECK(entry->object.source == code_of(2)->source);
}

TEST_CASE("one damaged row, or one that the manifest does not list, keeps all of a bundle out", "[bundle][import]") {
  TempDir directory;
  const std::string path = make_bundle(directory / "b", {1, 2, 3});
  REQUIRE(change_bundle(path, "UPDATE entry SET code = zeroblob(10) WHERE digest = x'" + to_hex(key_of(3).digest) + "'") ==
          SQLITE_OK);
  const auto damaged = import(path, directory / "cache");
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().message.find("nothing of it is imported") != std::string::npos);
  const std::string more = make_bundle(directory / "more", {1, 2, 3});
  const std::string less = make_bundle(directory / "less", {1, 2});
  fs::copy_file(manifest_of(less), manifest_of(more), fs::copy_options::overwrite_existing);
  CHECK_FALSE(import(more, directory / "cache"));
  CHECK_FALSE(CacheAdmin::exists(directory / "cache"));
}

TEST_CASE("a failed compile that somebody stored in a bundle is not imported", "[bundle][import]") {
  TempDir directory;
  for (const char* empty : {"code = x'', code_bytes = 0", "entry = ''", "facts = ''", "facts = '{}'"}) {
    const std::string path = make_bundle(directory / "b", {1});
    fs::remove(manifest_of(path));
    REQUIRE(change_bundle(path, std::string("UPDATE entry SET ") + empty) == SQLITE_OK);
    CHECK_FALSE(import(path, directory / "cache"));
    auto bundle = Bundle::open(path, {});
    REQUIRE(bundle);
    CHECK((*bundle)->get(key_of(1), key_fields_to_json(key_of(1).fields)).kind == BundleAnswer::kBadRow);
  }
}

TEST_CASE("an import obeys the policy", "[bundle][import][policy]") {
  TempDir directory;
  const auto key = SigningKey::generate();
  const std::string plain = make_bundle(directory / "plain", {1});
  const std::string good = make_bundle(directory / "good", {1}, &*key);
  RowSignatures signatures;
  signatures.policy = SignaturePolicy::kSigned;
  signatures.trusted = TrustedKeys({{key->public_key(), "k"}});
  CHECK_FALSE(import(plain, directory / "signed", signatures));
  CHECK(import(good, directory / "signed", signatures));
  signatures.policy = SignaturePolicy::kAll;
  // The manifest is signed, but a row of the local database needs a signature of its own.
  CHECK(import(good, directory / "all", signatures).error().message.find("SINTER_SIGNING_KEY") != std::string::npos);
  signatures.key = std::move(*SigningKey::from_pem(key->to_pem()));
  CHECK(import(good, directory / "all", signatures));
  const auto shared = std::make_shared<const RowSignatures>(std::move(signatures));
  SqliteStore store({.directory = directory / "all", .signatures = shared}, nullptr);
  CHECK(*store.get(key_of(1)) != nullptr);
}

TEST_CASE("a bundle that takes the place of a signed one while that is imported is not stored", "[bundle][import][policy]") {
  TempDir directory;
  const auto key = SigningKey::generate();
  RowSignatures signatures;
  signatures.policy = SignaturePolicy::kSigned;
  signatures.trusted = TrustedKeys({{key->public_key(), "k"}});
  const std::string path = make_bundle(directory / "signed", {1}, &*key);
  const auto bundle = Bundle::open(path, {.policy = signatures.policy, .keys = &signatures.trusted});
  REQUIRE(bundle);
  const std::string other = make_bundle(directory / "other", {2});
  fs::rename(other, path);
  fs::rename(manifest_of(other), manifest_of(path));
  SqliteStore store({.directory = directory / "cache"}, nullptr);
  const auto imported = import_bundle(**bundle, signatures, store);
  REQUIRE_FALSE(imported);
  CHECK(imported.error().message.find("its manifest did not list the row") != std::string::npos);
  CHECK(*store.get(key_of(2)) == nullptr);
}

TEST_CASE("signing adds to a manifest, once for each key, and only to the file that it lists", "[bundle]") {
  TempDir directory;
  const auto a = SigningKey::generate();
  const auto b = SigningKey::generate();
  const std::string path = make_bundle(directory / "b", {1, 2}, &*a);
  REQUIRE(sign_bundle(path, *b));
  REQUIRE(sign_bundle(path, *b));
  const auto manifest = read_manifest(path);
  REQUIRE(manifest);
  CHECK(manifest->signatures.size() == 2);
  CHECK(trusted_signers(*manifest, TrustedKeys({{b->public_key(), "b"}})).size() == 1);
  const TrustedKeys trusted({{b->public_key(), "b"}});
  CHECK(Bundle::open(path, {.policy = SignaturePolicy::kSigned, .keys = &trusted}));
  flip_bit(path, 40000);
  CHECK_FALSE(sign_bundle(path, *a));
}
