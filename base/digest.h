// SPDX-License-Identifier: Apache-2.0
#pragma once

// SHA-256 for identity and integrity at trust boundaries, XXH3 for a fast checksum of bytes that were digested before.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sinter {

/// A SHA-256 value.
struct Digest {
  std::array<std::uint8_t, 32> bytes{};
  friend auto operator<=>(const Digest&, const Digest&) = default;
};

std::string to_hex(const Digest& digest);
/// 64 hex digits, either case; anything else is nullopt.
std::optional<Digest> digest_from_hex(std::string_view hex);

/// SHA-256 over labelled, length-prefixed fields: two different sequences of fields never feed the same bytes.
/// Not thread-safe; one builder makes one digest.
class DigestBuilder {
 public:
  DigestBuilder();
  ~DigestBuilder();
  DigestBuilder(const DigestBuilder&) = delete;
  DigestBuilder& operator=(const DigestBuilder&) = delete;

  void field(std::string_view label, std::string_view value);
  void field(std::string_view label, std::span<const std::byte> value);
  Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// SHA-256 of bytes that come in pieces. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(std::span<const std::byte> bytes);
  Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest sha256(std::span<const std::byte> bytes);
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);

/// XXH3-64 of `bytes`. Finds damage, not malice.
std::uint64_t checksum64(std::span<const std::byte> bytes);

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace sinter
