// SPDX-License-Identifier: Apache-2.0
#include "cache/bundle_manifest.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

using namespace sinter;

namespace {

Manifest manifest_of(int entries, int signatures) {
  Manifest manifest;
  manifest.header = {"moe", "sm_90a", entries, 123456, sha256(as_bytes("file"))};
  for (int i = 0; i < entries; ++i) {
    manifest.entries.push_back(
        {sha256(as_bytes("key" + std::to_string(i))), sha256(as_bytes("row" + std::to_string(i))), "sm_90a", 1000 + i});
  }
  std::sort(manifest.entries.begin(), manifest.entries.end(),
            [](const ManifestEntry& a, const ManifestEntry& b) { return a.key < b.key; });
  for (int i = 0; i < signatures; ++i) {
    Signature signature;
    signature.key.bytes[0] = static_cast<std::uint8_t>(i);
    signature.bytes.fill(static_cast<std::uint8_t>(0x11 * i));
    manifest.signatures.push_back(signature);
  }
  return manifest;
}

void check_equal(const Manifest& a, const Manifest& b) {
  CHECK(a.header == b.header);
  CHECK(a.entries == b.entries);
  CHECK(a.signatures == b.signatures);
}

}  // namespace

TEST_CASE("a manifest reads back as it was written, whatever its size", "[manifest]") {
  for (const int entries : {0, 1, 31, 32, 33, 64, 1000}) {
    for (const int signatures : {0, 1, 16}) {
      const Manifest manifest = manifest_of(entries, signatures);
      const auto parsed = parse_manifest(manifest_text(manifest));
      REQUIRE(parsed);
      check_equal(*parsed, manifest);
    }
  }
}

TEST_CASE("the layout of a manifest is known from its beginning and its size", "[manifest]") {
  const std::string text = manifest_text(manifest_of(70, 2));
  const auto layout = manifest_layout(std::string_view(text).substr(0, manifest::kMaxHeaderBytes), text.size());
  REQUIRE(layout);
  CHECK(layout->header.entries == 70);
  CHECK(layout->block_count == 3);
  CHECK(layout->signature_count == 2);
  CHECK(layout->block_bytes(0) == 32 * manifest::kEntryLineBytes);
  CHECK(layout->block_bytes(2) == 6 * manifest::kEntryLineBytes);
  const std::string_view last = std::string_view(text).substr(layout->block_at(2), layout->block_bytes(2));
  CHECK(block_digest(std::string_view(text).substr(layout->blocks_at), 2) == sha256(as_bytes(last)));
  CHECK(parse_entry_line(last.substr(0, manifest::kEntryLineBytes)).has_value());
}

TEST_CASE("a flipped bit in a manifest is refused or changes nothing but a signature or the bundle's name", "[manifest]") {
  const Manifest manifest = manifest_of(40, 1);
  const std::string text = manifest_text(manifest);
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    if (const auto parsed = parse_manifest(flipped)) {
      REQUIRE(parsed->entries == manifest.entries);
      REQUIRE((parsed->header != manifest.header || parsed->signatures != manifest.signatures));
    }
  }
}

TEST_CASE("a truncated or extended manifest is refused", "[manifest]") {
  const std::string text = manifest_text(manifest_of(40, 1));
  const std::size_t unsigned_bytes = text.size() - manifest::kSignatureLineBytes;
  for (std::size_t size = 0; size < text.size(); ++size) {
    CHECK(parse_manifest(text.substr(0, size)).has_value() == (size == unsigned_bytes));
  }
  CHECK_FALSE(parse_manifest(text + "\n"));
  CHECK_FALSE(parse_manifest(text + text.substr(unsigned_bytes)));  // The same signature twice.
}

TEST_CASE("there is one text per manifest", "[manifest]") {
  const Manifest manifest = manifest_of(3, 0);
  const auto refused = [](const Manifest& wrong) { return !parse_manifest(manifest_text(wrong)); };
  Manifest wrong = manifest;
  std::swap(wrong.entries[0], wrong.entries[1]);
  CHECK(refused(wrong));
  wrong = manifest;
  wrong.entries[1] = wrong.entries[0];
  CHECK(refused(wrong));
  wrong = manifest;
  wrong.entries[1].target = "";
  CHECK(refused(wrong));
  wrong = manifest;
  wrong.entries[1].code_bytes = 0;  // A row without code: a failed compile, stored.
  CHECK(refused(wrong));
  wrong = manifest;
  wrong.header.name = "../moe";
  CHECK(refused(wrong));
  wrong = manifest;
  wrong.header.entries = 2;
  CHECK(refused(wrong));
  std::string upper = manifest_text(manifest);
  const std::size_t digest = upper.find_first_of("abcdef", upper.find("rows\n") + 5);
  upper[digest] = static_cast<char>(upper[digest] - 'a' + 'A');
  CHECK_FALSE(parse_manifest(upper));
}

TEST_CASE("a manifest that claims to be larger than it is costs no memory", "[manifest]") {
  std::string text = manifest_text(manifest_of(1, 0));
  text.replace(text.find("entries ") + 8, 8, "99999999");
  const auto parsed = parse_manifest(text);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().message.find("99999999 rows take") != std::string::npos);
}
