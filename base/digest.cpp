// SPDX-License-Identifier: Apache-2.0

// libcrypto's plain SHA-256 functions and not its EVP layer: linked statically they bring three object files instead
// of the whole provider machinery into a serving process.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/digest.h"

#include <openssl/sha.h>
#define XXH_INLINE_ALL  // no library for one function
#include <xxhash.h>

#include "base/hex.h"

namespace sinter {

namespace {

std::array<std::uint8_t, 8> little_endian(std::uint64_t value) {
  std::array<std::uint8_t, 8> out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
  return out;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

struct DigestBuilder::State {
  SHA256_CTX context;

  void add_sized(const void* data, std::size_t size) {
    const auto length = little_endian(size);
    SHA256_Update(&context, length.data(), length.size());
    SHA256_Update(&context, data, size);
  }
};

DigestBuilder::DigestBuilder() : state_(std::make_unique<State>()) { SHA256_Init(&state_->context); }
DigestBuilder::~DigestBuilder() = default;

void DigestBuilder::field(std::string_view label, std::string_view value) { field(label, as_bytes(value)); }

void DigestBuilder::field(std::string_view label, std::span<const std::byte> value) {
  state_->add_sized(label.data(), label.size());
  state_->add_sized(value.data(), value.size());
}

Digest DigestBuilder::finish() {
  Digest digest;
  SHA256_Final(digest.bytes.data(), &state_->context);
  return digest;
}

struct Sha256::State {
  SHA256_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { SHA256_Init(&state_->context); }
Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::byte> bytes) { SHA256_Update(&state_->context, bytes.data(), bytes.size()); }

Digest Sha256::finish() {
  Digest digest;
  SHA256_Final(digest.bytes.data(), &state_->context);
  return digest;
}

std::string to_hex(const Digest& digest) { return hex_of(std::as_bytes(std::span(digest.bytes))); }

std::optional<Digest> digest_from_hex(std::string_view hex) {
  Digest digest;
  if (hex.size() != 2 * digest.bytes.size()) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < digest.bytes.size(); ++i) {
    const int high = hex_value(hex[2 * i]);
    const int low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    digest.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return digest;
}

Digest sha256(std::span<const std::byte> bytes) {
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data(), bytes.size());
  Digest digest;
  SHA256_Final(digest.bytes.data(), &context);
  return digest;
}

std::string sha256_hex(std::span<const std::byte> bytes) { return to_hex(sha256(bytes)); }
std::string sha256_hex(std::string_view text) { return sha256_hex(as_bytes(text)); }

std::uint64_t checksum64(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace sinter
