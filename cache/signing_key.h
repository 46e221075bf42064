// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ed25519 keys: what signs a bundle's manifest or a row, and what checks such a signature. Key files are PEM as OpenSSL
// reads and writes it (PKCS#8 and SubjectPublicKeyInfo), without a password.
//
// The curve is libsodium's: a tenth of what libcrypto's EVP layer would add to a serving process, without its start-up
// of a millisecond and its configuration files.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sinter {

/// Names a public key: the first 8 bytes of the SHA-256 of its 32.
struct KeyId {
  std::array<std::uint8_t, 8> bytes{};
  friend auto operator<=>(const KeyId&, const KeyId&) = default;
};

std::string to_hex(const KeyId& id);

struct PublicKey {
  std::array<std::uint8_t, 32> bytes{};

  KeyId id() const;
  friend bool operator==(const PublicKey&, const PublicKey&) = default;
};

/// A signature and the key that is said to have made it.
struct Signature {
  KeyId key;
  std::array<std::uint8_t, 64> bytes{};
  friend bool operator==(const Signature&, const Signature&) = default;
};

/// True if `signature` is that of `key` over `message`. The key's id is not looked at. Thread-safe.
bool verify_signature(const PublicKey& key, std::span<const std::byte> message, const Signature& signature);

/// A private key; its memory is cleared at the end. Thread-safe.
class SigningKey {
 public:
  /// A new key from the system's random numbers. Errors: kInternal if there are none.
  static Result<SigningKey> generate();
  /// Errors: kInvalidRequest for anything but an unencrypted Ed25519 key in PEM.
  static Result<SigningKey> from_pem(std::string_view pem);
  /// Reads a key file. Errors: those of from_pem; kInvalidRequest for a file that cannot be read, or that others than
  /// its owner may read, with the command that mends it.
  static Result<SigningKey> load(const std::string& path);

  SigningKey(SigningKey&& other) noexcept;
  SigningKey& operator=(SigningKey&& other) noexcept;
  ~SigningKey();

  const PublicKey& public_key() const { return public_key_; }
  /// The same message gives the same signature.
  Signature sign(std::span<const std::byte> message) const;
  std::string to_pem() const;

 private:
  SigningKey() = default;
  static Result<SigningKey> from_seed(std::span<const std::uint8_t, 32> seed);

  std::array<std::uint8_t, 64> secret_{};  // Seed and public key, as libsodium keeps them.
  PublicKey public_key_;
};

std::string to_pem(const PublicKey& key);
/// Errors: kInvalidRequest for anything but one Ed25519 public key in PEM.
Result<PublicKey> public_key_from_pem(std::string_view pem);

}  // namespace sinter
