// SPDX-License-Identifier: Apache-2.0
#include "cache/bundle_manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

#include "base/hex.h"

namespace sinter {
namespace {

constexpr std::string_view kFirstLine = "sinter-bundle-manifest 1\n";
constexpr std::string_view kRowsLine = "rows\n";
constexpr std::size_t kBlockLineBytes = 65;
constexpr std::size_t kEntriesDigits = 8;
constexpr std::size_t kFileBytesDigits = 15;
constexpr std::size_t kCodeBytesDigits = 10;
constexpr std::size_t kHexDigestDigits = 64;
constexpr std::string_view kAlgorithm = "ed25519 ";

Error bad(std::string message) { return make_error(ErrorCode::kCacheError, "manifest: " + std::move(message)); }

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' ||
         c == '+';
}

std::string digits(std::int64_t value, std::size_t count) { return fmt::format("{:0{}}", value, count); }

/// Exactly the bytes of `text`, all of them digits.
std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text.front() == '-' || error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

/// Lower-case digits only: there is one text per content.
template <std::size_t size>
bool from_hex(std::string_view hex, std::array<std::uint8_t, size>& out) {
  const auto value = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  if (hex.size() != 2 * size) {
    return false;
  }
  for (std::size_t i = 0; i < size; ++i) {
    const int high = value(hex[2 * i]);
    const int low = value(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      return false;
    }
    out[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

/// Cuts a text from the front; a mismatch makes all that follows fail.
class Cutter {
 public:
  explicit Cutter(std::string_view text) : rest_(text) {}

  void literal(std::string_view expected) {
    good_ = good_ && rest_.starts_with(expected);
    skip(expected.size());
  }
  std::string_view fixed(std::size_t size) {
    good_ = good_ && rest_.size() >= size;
    const std::string_view cut = good_ ? rest_.substr(0, size) : std::string_view();
    skip(size);
    return cut;
  }
  std::string_view until(char end) {
    const std::size_t size = rest_.find(end);
    good_ = good_ && size != std::string_view::npos;
    return fixed(good_ ? size : 0);
  }
  bool good() const { return good_; }
  std::size_t taken() const { return taken_; }

 private:
  void skip(std::size_t size) {
    if (good_) {
      rest_.remove_prefix(size);
      taken_ += size;
    }
  }

  std::string_view rest_;
  std::size_t taken_ = 0;
  bool good_ = true;
};

std::string entry_line(const ManifestEntry& entry) {
  return fmt::format("{} {} {:<{}} {}\n", to_hex(entry.key), to_hex(entry.sha256), entry.target,
                     manifest::kMaxTargetBytes, digits(entry.code_bytes, kCodeBytesDigits));
}

}  // namespace

bool is_bundle_name(std::string_view name) {
  return !name.empty() && name.size() <= manifest::kMaxNameBytes && name.front() != '.' && name.front() != '-' &&
         std::all_of(name.begin(), name.end(), is_name_character);
}

std::string row_disagreement(const ManifestEntry& promised, const Digest& row_sha256, std::size_t code_bytes,
                             std::string_view target) {
  if (promised.sha256 != row_sha256) {
    return "it is not the row that the manifest lists";
  }
  if (promised.code_bytes != static_cast<std::int64_t>(code_bytes)) {
    return fmt::format("its code has {} bytes, the manifest says {}", code_bytes, promised.code_bytes);
  }
  if (promised.target != target) {
    return fmt::format("its target is {:.100}, the manifest says {}", target, promised.target);
  }
  return {};
}

bool is_manifest_target(std::string_view target) {
  return !target.empty() && target.size() <= manifest::kMaxTargetBytes &&
         std::all_of(target.begin(), target.end(), is_name_character);
}

// --- Writing ---

namespace {

std::string row_lines(const Manifest& manifest) {
  std::string rows;
  rows.reserve(manifest.entries.size() * manifest::kEntryLineBytes);
  for (const ManifestEntry& entry : manifest.entries) {
    rows += entry_line(entry);
  }
  return rows;
}

std::string signed_part_of(const Manifest& manifest, std::string_view rows) {
  const ManifestHeader& header = manifest.header;
  std::string text = fmt::format("{}name {}\narch {}\nentries {}\nfile-bytes {}\nfile-sha256 {}\nblocks\n", kFirstLine,
                                 header.name, header.arch, digits(header.entries, kEntriesDigits),
                                 digits(header.file_bytes, kFileBytesDigits), to_hex(header.file_sha256));
  constexpr std::size_t kBlockBytes = manifest::kLinesPerBlock * manifest::kEntryLineBytes;
  for (std::size_t at = 0; at < rows.size(); at += kBlockBytes) {
    text += sha256_hex(rows.substr(at, kBlockBytes)) + "\n";
  }
  text += kRowsLine;
  return text;
}

}  // namespace

std::string signed_part(const Manifest& manifest) { return signed_part_of(manifest, row_lines(manifest)); }

std::string manifest_text(const Manifest& manifest) {
  const std::string rows = row_lines(manifest);
  std::string text = signed_part_of(manifest, rows) + rows;
  for (const Signature& signature : manifest.signatures) {
    text += fmt::format("{}{} {}\n", kAlgorithm, to_hex(signature.key), hex_of(std::as_bytes(std::span(signature.bytes))));
  }
  return text;
}

// --- Reading ---

std::size_t ManifestLayout::block_at(std::size_t block) const {
  return entries_at + block * static_cast<std::size_t>(manifest::kLinesPerBlock) * manifest::kEntryLineBytes;
}

std::size_t ManifestLayout::block_bytes(std::size_t block) const {
  return std::min(block_at(block + 1), signatures_at) - block_at(block);
}

Result<ManifestLayout> manifest_layout(std::string_view head, std::uint64_t file_bytes) {
  Cutter cutter(head.substr(0, manifest::kMaxHeaderBytes));
  cutter.literal(kFirstLine);
  if (!cutter.good()) {
    return bad("its first line is not 'sinter-bundle-manifest 1'");
  }
  ManifestLayout layout;
  ManifestHeader& header = layout.header;
  cutter.literal("name ");
  header.name = cutter.until('\n');
  cutter.literal("\narch ");
  header.arch = cutter.until('\n');
  cutter.literal("\nentries ");
  const auto entries = number(cutter.fixed(kEntriesDigits));
  cutter.literal("\nfile-bytes ");
  const auto bundle_bytes = number(cutter.fixed(kFileBytesDigits));
  cutter.literal("\nfile-sha256 ");
  const bool has_digest = from_hex(cutter.fixed(kHexDigestDigits), header.file_sha256.bytes);
  cutter.literal("\nblocks\n");
  if (!cutter.good() || !is_bundle_name(header.name) || !is_bundle_name(header.arch) || !entries || !bundle_bytes ||
      !has_digest) {
    return bad("its header is not well-formed");
  }
  header.entries = *entries;
  header.file_bytes = *bundle_bytes;

  const auto rows = static_cast<std::size_t>(header.entries);
  layout.blocks_at = cutter.taken();
  layout.block_count = (rows + manifest::kLinesPerBlock - 1) / manifest::kLinesPerBlock;
  layout.entries_at = layout.blocks_at + layout.block_count * kBlockLineBytes + kRowsLine.size();
  layout.signatures_at = layout.entries_at + rows * manifest::kEntryLineBytes;
  if (file_bytes < layout.signatures_at) {
    return bad(fmt::format("it has {} bytes; {} rows take {}", file_bytes, rows, layout.signatures_at));
  }
  const std::uint64_t signature_bytes = file_bytes - layout.signatures_at;
  layout.signature_count = signature_bytes / manifest::kSignatureLineBytes;
  if (signature_bytes % manifest::kSignatureLineBytes != 0 || layout.signature_count > manifest::kMaxSignatures) {
    return bad(fmt::format("{} bytes after the rows are not up to {} signatures", signature_bytes,
                           manifest::kMaxSignatures));
  }
  return layout;
}

std::optional<Digest> block_digest(std::string_view blocks, std::size_t block) {
  Digest digest;
  if ((block + 1) * kBlockLineBytes > blocks.size()) {
    return std::nullopt;
  }
  const std::string_view line = blocks.substr(block * kBlockLineBytes, kBlockLineBytes);
  if (line.back() != '\n' || !from_hex(line.substr(0, kHexDigestDigits), digest.bytes)) {
    return std::nullopt;
  }
  return digest;
}

std::optional<ManifestEntry> parse_entry_line(std::string_view line) {
  ManifestEntry entry;
  Cutter cutter(line);
  const bool has_key = from_hex(cutter.fixed(kHexDigestDigits), entry.key.bytes);
  cutter.literal(" ");
  const bool has_digest = from_hex(cutter.fixed(kHexDigestDigits), entry.sha256.bytes);
  cutter.literal(" ");
  const std::string_view padded = cutter.fixed(manifest::kMaxTargetBytes);
  cutter.literal(" ");
  const auto code_bytes = number(cutter.fixed(kCodeBytesDigits));
  cutter.literal("\n");
  if (!cutter.good() || cutter.taken() != line.size() || !has_key || !has_digest || !code_bytes || *code_bytes == 0) {
    return std::nullopt;
  }
  entry.code_bytes = *code_bytes;
  entry.target = padded.substr(0, padded.find_last_not_of(' ') + 1);
  if (!is_manifest_target(entry.target)) {
    return std::nullopt;
  }
  return entry;
}

std::optional<Signature> parse_signature_line(std::string_view line) {
  Signature signature;
  Cutter cutter(line);
  cutter.literal(kAlgorithm);
  const bool has_key = from_hex(cutter.fixed(2 * signature.key.bytes.size()), signature.key.bytes);
  cutter.literal(" ");
  const bool has_bytes = from_hex(cutter.fixed(2 * signature.bytes.size()), signature.bytes);
  cutter.literal("\n");
  if (!cutter.good() || cutter.taken() != line.size() || !has_key || !has_bytes) {
    return std::nullopt;
  }
  return signature;
}

Result<Manifest> parse_manifest(std::string_view text) {
  SINTER_TRY(const ManifestLayout layout, manifest_layout(text, text.size()));
  Manifest manifest;
  manifest.header = layout.header;
  const std::string_view blocks = text.substr(layout.blocks_at, layout.entries_at - layout.blocks_at);
  if (!blocks.ends_with(kRowsLine)) {
    return bad("the line 'rows' is not where it should be");
  }
  for (std::size_t block = 0; block < layout.block_count; ++block) {
    const std::string_view lines = text.substr(layout.block_at(block), layout.block_bytes(block));
    if (block_digest(blocks, block) != sha256(as_bytes(lines))) {
      return bad(fmt::format("rows {} and following do not have the digest that the header gives them",
                             block * manifest::kLinesPerBlock));
    }
    for (std::size_t at = 0; at < lines.size(); at += manifest::kEntryLineBytes) {
      auto entry = parse_entry_line(lines.substr(at, manifest::kEntryLineBytes));
      if (!entry) {
        return bad(fmt::format("row {} is not well-formed", manifest.entries.size()));
      }
      if (!manifest.entries.empty() && manifest.entries.back().key >= entry->key) {
        return bad(fmt::format("row {} is not in order", manifest.entries.size()));
      }
      manifest.entries.push_back(std::move(*entry));
    }
  }
  for (std::size_t at = layout.signatures_at; at < text.size(); at += manifest::kSignatureLineBytes) {
    const auto signature = parse_signature_line(text.substr(at, manifest::kSignatureLineBytes));
    if (!signature) {
      return bad(fmt::format("signature {} is not well-formed", manifest.signatures.size()));
    }
    if (!manifest.signatures.empty() && manifest.signatures.back().key >= signature->key) {
      return bad(fmt::format("signature {} is not in order", manifest.signatures.size()));
    }
    manifest.signatures.push_back(*signature);
  }
  return manifest;
}

}  // namespace sinter
