// SPDX-License-Identifier: Apache-2.0

// Manifests of bundles: the text that is accepted is the one that its content is written as, and what is found line by
// line, as a look-up finds it, is what reading all of it finds. The first byte chooses the text as it is, the text with
// the digests of its blocks made right (which no mutation would find), or a manifest made of the input.

#include <algorithm>
#include <string>
#include <vector>

#include "base/digest.h"
#include "cache/bundle_manifest.h"
#include "tests/fuzz/fuzz.h"

using namespace sinter;

namespace {

constexpr std::size_t kDigestDigits = 64;

std::string with_right_digests(std::string text) {
  const auto layout = manifest_layout(text, text.size());
  if (!layout) {
    return text;
  }
  for (std::size_t block = 0; block < layout->block_count; ++block) {
    const std::string digest =
        sha256_hex(std::string_view(text).substr(layout->block_at(block), layout->block_bytes(block)));
    text.replace(layout->blocks_at + block * (kDigestDigits + 1), kDigestDigits, digest);
  }
  return text;
}

/// A name of the characters that names may have.
std::string make_name(fuzz::Input& input, std::size_t limit) {
  constexpr std::string_view kCharacters = "abcxyzABCXYZ0189_";
  std::string name(1 + input.below(limit), 'x');
  std::generate(name.begin(), name.end(), [&] { return kCharacters[input.below(kCharacters.size())]; });
  return name;
}

template <std::size_t size>
void make_bytes(fuzz::Input& input, std::array<std::uint8_t, size>& bytes) {
  const auto low = input.number<std::uint32_t>();
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::uint8_t>(low >> (8 * (i % 4)));
  }
}

std::string make_text(fuzz::Input& input) {
  Manifest made;
  made.header.name = make_name(input, manifest::kMaxNameBytes);
  made.header.arch = make_name(input, manifest::kMaxNameBytes);
  made.header.file_bytes = input.number<std::uint32_t>();
  make_bytes(input, made.header.file_sha256.bytes);
  made.entries.resize(input.below(80));
  for (ManifestEntry& entry : made.entries) {
    make_bytes(input, entry.key.bytes);
    make_bytes(input, entry.sha256.bytes);
    entry.target = make_name(input, manifest::kMaxTargetBytes);
    entry.code_bytes = 1 + input.number<std::uint16_t>();
  }
  std::ranges::sort(made.entries, {}, &ManifestEntry::key);
  const auto twins = std::ranges::unique(made.entries, {}, &ManifestEntry::key);
  made.entries.erase(twins.begin(), twins.end());
  made.header.entries = static_cast<std::int64_t>(made.entries.size());
  made.signatures.resize(input.below(3));
  for (std::size_t i = 0; i < made.signatures.size(); ++i) {
    made.signatures[i].key.bytes[0] = static_cast<std::uint8_t>(i);
    make_bytes(input, made.signatures[i].bytes);
  }
  const std::string text = manifest_text(made);
  SINTER_CHECK(parse_manifest(text), "a manifest that was made is refused");
  return text;
}

/// Walks the manifest as a look-up does.
void check_lines(std::string_view text, const Manifest& whole) {
  const auto layout = manifest_layout(text.substr(0, manifest::kMaxHeaderBytes), text.size());
  SINTER_CHECK(layout && layout->header == whole.header, "the header alone says something else");
  SINTER_CHECK(layout->signature_count == whole.signatures.size(), "signatures that are not there");
  std::size_t row = 0;
  for (std::size_t block = 0; block < layout->block_count; ++block) {
    const std::string_view lines = text.substr(layout->block_at(block), layout->block_bytes(block));
    for (std::size_t at = 0; at < lines.size(); at += manifest::kEntryLineBytes) {
      const auto entry = parse_entry_line(lines.substr(at, manifest::kEntryLineBytes));
      SINTER_CHECK(entry && row < whole.entries.size() && *entry == whole.entries[row], "a line that is another row");
      ++row;
    }
  }
  SINTER_CHECK(row == whole.entries.size(), "rows that no block has");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::size_t mode = input.below(3);
  std::string text;
  if (mode == 2) {
    text = make_text(input);
  } else {
    text.assign(reinterpret_cast<const char*>(input.rest().data()), input.rest().size());
  }
  if (mode == 1) {
    text = with_right_digests(std::move(text));
  }
  const auto parsed = parse_manifest(text);
  if (!parsed) {
    fuzz::check_refusal(parsed.error(), {ErrorCode::kCacheError});
    return 0;
  }
  SINTER_CHECK(manifest_text(*parsed) == text, "a manifest has two texts");
  check_lines(text, *parsed);
  return 0;
}
