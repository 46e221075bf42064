// SPDX-License-Identifier: Apache-2.0
#include "cache/signing_key.h"

#include <catch2/catch.hpp>

#include "base/digest.h"
#include "cache/trusted_keys.h"
#include "tests/support/files.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

// RFC 8410, section 10.3, and the public key that `openssl pkey -pubout` (3.0.22) gives for it.
constexpr std::string_view kPrivatePem =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE "
    "KEY-----\n";
constexpr std::string_view kPublicPem =
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC "
    "KEY-----\n";

std::vector<char> chars(std::string_view text) { return {text.begin(), text.end()}; }

void write_key(const std::string& path, std::string_view text, fs::perms mode) {
  write_file(path, chars(text));
  fs::permissions(path, mode);
}

constexpr fs::perms k0600 = fs::perms::owner_read | fs::perms::owner_write;

}  // namespace

TEST_CASE("a key file is what OpenSSL writes", "[signing]") {
  const auto key = SigningKey::from_pem(kPrivatePem);
  REQUIRE(key);
  CHECK(key->to_pem() == kPrivatePem);
  CHECK(to_pem(key->public_key()) == kPublicPem);
  CHECK(public_key_from_pem(kPublicPem)->bytes == key->public_key().bytes);
}

TEST_CASE("a signature is good for its message and its key alone", "[signing]") {
  const auto key = SigningKey::generate();
  const auto other = SigningKey::generate();
  REQUIRE((key && other));
  const Signature signature = key->sign(as_bytes("message"));
  CHECK(signature == key->sign(as_bytes("message")));
  CHECK(signature.key == key->public_key().id());
  CHECK(verify_signature(key->public_key(), as_bytes("message"), signature));
  CHECK_FALSE(verify_signature(key->public_key(), as_bytes("massage"), signature));
  CHECK_FALSE(verify_signature(other->public_key(), as_bytes("message"), signature));
  for (std::size_t bit = 0; bit < signature.bytes.size() * 8; ++bit) {
    Signature flipped = signature;
    flipped.bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    CHECK_FALSE(verify_signature(key->public_key(), as_bytes("message"), flipped));
  }
}

TEST_CASE("a key's id is the beginning of the SHA-256 of its public bytes", "[signing]") {
  const auto key = public_key_from_pem(kPublicPem);
  REQUIRE(key);
  CHECK(to_hex(key->id()) == sha256_hex(std::as_bytes(std::span(key->bytes))).substr(0, 16));
}

TEST_CASE("what is no Ed25519 key in PEM is refused", "[signing]") {
  const std::string pem(kPrivatePem);
  const std::string bad[] = {"",
                             "-----BEGIN PRIVATE KEY-----",
                             pem.substr(0, 60),
                             pem + pem,
                             std::string(kPublicPem),
                             "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n",
                             "-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n",
                             // The same length, but of the curve X25519.
                             "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/"
                             "HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n"};
  for (const std::string& text : bad) {
    const auto key = SigningKey::from_pem(text);
    REQUIRE_FALSE(key);
    CHECK(key.error().code == ErrorCode::kInvalidRequest);
  }
  const auto locked = SigningKey::from_pem("-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----END ENCRYPTED PRIVATE KEY-----");
  REQUIRE_FALSE(locked);
  CHECK(locked.error().message.find("password") != std::string::npos);
  CHECK_FALSE(public_key_from_pem(kPrivatePem));
}

TEST_CASE("a signing key that others may read is refused with the command that mends it", "[signing]") {
  TempDir directory;
  const std::string path = directory / "k";
  write_key(path, kPrivatePem, k0600 | fs::perms::group_read);
  const auto refused = SigningKey::load(path);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("chmod 600 " + path) != std::string::npos);
  fs::permissions(path, k0600);
  CHECK(SigningKey::load(path));
  CHECK_FALSE(SigningKey::load(directory / "none"));
}

TEST_CASE("trusted keys are every .pub of a directory, or one file", "[signing]") {
  TempDir directory;
  const auto key = SigningKey::from_pem(kPrivatePem);
  const auto other = SigningKey::generate();
  const Signature signature = key->sign(as_bytes("message"));
  CHECK(TrustedKeys::load("")->keys().empty());
  CHECK(TrustedKeys::load(directory / "missing")->keys().empty());
  CHECK(TrustedKeys::load(directory.path())->keys().empty());
  write_key(directory / "a.pub", to_pem(other->public_key()), k0600);
  write_key(directory / "note.txt", "no key", k0600);
  CHECK_FALSE(TrustedKeys::load(directory.path())->is_signed(as_bytes("message"), signature));
  write_key(directory / "b.pub", kPublicPem, k0600);
  CHECK(TrustedKeys::load(directory.path())->is_signed(as_bytes("message"), signature));
  CHECK_FALSE(TrustedKeys::load(directory.path())->is_signed(as_bytes("another"), signature));
  CHECK(TrustedKeys::load(directory / "b.pub")->is_signed(as_bytes("message"), signature));
  CHECK_FALSE(TrustedKeys::load(directory / "a.pub")->is_signed(as_bytes("message"), signature));
}

TEST_CASE("keys that others may write, and files that are no keys, are not trusted", "[signing]") {
  TempDir directory;
  write_key(directory / "a.pub", kPublicPem, k0600 | fs::perms::others_write);
  const auto writable = TrustedKeys::load(directory.path());
  REQUIRE_FALSE(writable);
  CHECK(writable.error().message.find("chmod go-w " + (directory / "a.pub")) != std::string::npos);
  fs::permissions(directory / "a.pub", k0600);
  CHECK(TrustedKeys::load(directory.path()));
  fs::permissions(directory.path(), fs::perms::all);
  CHECK_FALSE(TrustedKeys::load(directory.path()));
  fs::permissions(directory.path(), fs::perms::owner_all);
  write_key(directory / "b.pub", "not a key", k0600);
  CHECK_FALSE(TrustedKeys::load(directory.path()));
}
