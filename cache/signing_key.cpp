// SPDX-License-Identifier: Apache-2.0
#include "cache/signing_key.h"

#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/read_file.h"

namespace sinter {
namespace {

// A key file has about 120 bytes; OpenSSL allows text around the block.
constexpr std::uint64_t kMaxKeyFileBytes = 16384;

// The DER of both files is these bytes and the 32 of the key (RFC 8410, sections 4 and 7).
constexpr std::array<std::uint8_t, 16> kPrivatePrefix = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                                         0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
constexpr std::array<std::uint8_t, 12> kPublicPrefix = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                                        0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
constexpr std::size_t kKeyBytes = 32;

const unsigned char* data_of(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

Error invalid(std::string message) { return make_error(ErrorCode::kInvalidRequest, std::move(message)); }

/// Bytes that are cleared when they go.
struct SecretBytes {
  std::vector<std::uint8_t> bytes;
  ~SecretBytes() { sodium_memzero(bytes.data(), bytes.size()); }
};

std::string pem_block(std::string_view label, std::span<const std::uint8_t> prefix,
                      std::span<const std::uint8_t, kKeyBytes> key) {
  SecretBytes der;
  der.bytes.assign(prefix.begin(), prefix.end());
  der.bytes.insert(der.bytes.end(), key.begin(), key.end());
  // One line: both kinds are shorter than PEM's 64 characters.
  std::string base64(sodium_base64_ENCODED_LEN(der.bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(base64.data(), base64.size(), der.bytes.data(), der.bytes.size(), sodium_base64_VARIANT_ORIGINAL);
  base64.pop_back();
  return fmt::format("-----BEGIN {0}-----\n{1}\n-----END {0}-----\n", label, base64);
}

/// The 32 bytes behind `prefix` in the only PEM block of this label.
Result<SecretBytes> key_in_pem(std::string_view pem, std::string_view label, std::span<const std::uint8_t> prefix) {
  const std::string begin = fmt::format("-----BEGIN {}-----", label);
  const std::string end = fmt::format("-----END {}-----", label);
  const std::size_t first = pem.find(begin);
  const std::size_t last = first == std::string_view::npos ? first : pem.find(end, first);
  if (last == std::string_view::npos) {
    return invalid(pem.find("ENCRYPTED PRIVATE KEY") != std::string_view::npos
                       ? std::string("the key has a password, which nobody could be asked for here: store it without "
                                     "(openssl pkey -in FILE -out NEW)")
                       : fmt::format("there is no PEM block '{}'", label));
  }
  if (pem.find(begin, last) != std::string_view::npos) {
    return invalid(fmt::format("there are several PEM blocks '{}'; one is expected", label));
  }
  const std::string_view base64 = pem.substr(first + begin.size(), last - first - begin.size());
  SecretBytes der;
  der.bytes.resize(prefix.size() + kKeyBytes);
  std::size_t size = 0;
  const bool decoded = sodium_base642bin(der.bytes.data(), der.bytes.size(), base64.data(), base64.size(), "\r\n\t ",
                                         &size, nullptr, sodium_base64_VARIANT_ORIGINAL) == 0;
  if (!decoded || size != der.bytes.size() || !std::equal(prefix.begin(), prefix.end(), der.bytes.begin())) {
    return invalid(fmt::format("the PEM block '{}' does not hold an Ed25519 key", label));
  }
  SecretBytes key;
  key.bytes.assign(der.bytes.end() - kKeyBytes, der.bytes.end());
  return key;
}

}  // namespace

std::string to_hex(const KeyId& id) { return hex_of(std::as_bytes(std::span(id.bytes))); }

KeyId PublicKey::id() const {
  const Digest digest = sha256(std::as_bytes(std::span(bytes)));
  KeyId id;
  std::copy_n(digest.bytes.begin(), id.bytes.size(), id.bytes.begin());
  return id;
}

bool verify_signature(const PublicKey& key, std::span<const std::byte> message, const Signature& signature) {
  return crypto_sign_verify_detached(signature.bytes.data(), data_of(message), message.size(), key.bytes.data()) == 0;
}

// --- SigningKey ---

Result<SigningKey> SigningKey::from_seed(std::span<const std::uint8_t, 32> seed) {
  SigningKey key;
  crypto_sign_seed_keypair(key.public_key_.bytes.data(), key.secret_.data(), seed.data());
  return key;
}

Result<SigningKey> SigningKey::generate() {
  if (sodium_init() < 0) {
    return make_error(ErrorCode::kInternal, "the system gives no random numbers: /dev/urandom cannot be read");
  }
  SecretBytes seed{std::vector<std::uint8_t>(kKeyBytes)};
  randombytes_buf(seed.bytes.data(), seed.bytes.size());
  return from_seed(std::span<const std::uint8_t, 32>(seed.bytes));
}

Result<SigningKey> SigningKey::from_pem(std::string_view pem) {
  SINTER_TRY(const SecretBytes seed, key_in_pem(pem, "PRIVATE KEY", kPrivatePrefix));
  return from_seed(std::span<const std::uint8_t, 32>(seed.bytes));
}

Result<SigningKey> SigningKey::load(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return invalid(fmt::format("cannot read the signing key {}: {}", path, errno_text(errno)));
  }
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return invalid(fmt::format("others may read the signing key {0} (mode {1:04o}) and sign with it: chmod 600 {0}",
                               path, info.st_mode & 07777));
  }
  SINTER_TRY(std::string pem, read_text_file(path, kMaxKeyFileBytes));
  auto key = from_pem(pem);
  sodium_memzero(pem.data(), pem.size());
  if (!key) {
    return invalid(fmt::format("{} is no signing key: {}", path, key.error().message));
  }
  return key;
}

SigningKey::SigningKey(SigningKey&& other) noexcept : secret_(other.secret_), public_key_(other.public_key_) {
  sodium_memzero(other.secret_.data(), other.secret_.size());
}

SigningKey& SigningKey::operator=(SigningKey&& other) noexcept {
  std::swap(secret_, other.secret_);
  std::swap(public_key_, other.public_key_);
  return *this;
}

SigningKey::~SigningKey() { sodium_memzero(secret_.data(), secret_.size()); }

Signature SigningKey::sign(std::span<const std::byte> message) const {
  Signature signature{public_key_.id(), {}};
  crypto_sign_detached(signature.bytes.data(), nullptr, data_of(message), message.size(), secret_.data());
  return signature;
}

std::string SigningKey::to_pem() const {
  return pem_block("PRIVATE KEY", kPrivatePrefix, std::span(secret_).first<kKeyBytes>());
}

// --- Public keys ---

std::string to_pem(const PublicKey& key) { return pem_block("PUBLIC KEY", kPublicPrefix, key.bytes); }

Result<PublicKey> public_key_from_pem(std::string_view pem) {
  SINTER_TRY(const SecretBytes bytes, key_in_pem(pem, "PUBLIC KEY", kPublicPrefix));
  PublicKey key;
  std::copy(bytes.bytes.begin(), bytes.bytes.end(), key.bytes.begin());
  return key;
}

}  // namespace sinter
