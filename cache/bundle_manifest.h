// SPDX-License-Identifier: Apache-2.0
#pragma once

// The manifest beside a bundle: which rows it holds, with the SHA-256 of each, signed. A text of lines of fixed width,
// sorted, in blocks with a digest each, so that one row is found and proven by reading a few kilobytes however large
// the bundle is; docs/bundles.md has the format. There is one text per content: what is not canonical is refused.
//
// Nothing here knows SQLite. Every function takes bytes from anywhere.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "cache/signing_key.h"

namespace sinter {

/// What a manifest says of one row.
struct ManifestEntry {
  Digest key;
  Digest sha256;  ///< The row's column: over key fields, entry symbol, format, facts and code.
  std::string target;  ///< CodeFacts::target.
  std::int64_t code_bytes = 0;
  friend bool operator==(const ManifestEntry&, const ManifestEntry&) = default;
};

/// What it says of the bundle.
struct ManifestHeader {
  std::string name;
  std::string arch;
  std::int64_t entries = 0;
  std::int64_t file_bytes = 0;  ///< Of the bundle.
  Digest file_sha256;           ///< Of the bundle, for `sinter cache verify`; a reader checks rows.
  friend bool operator==(const ManifestHeader&, const ManifestHeader&) = default;
};

struct Manifest {
  ManifestHeader header;
  std::vector<ManifestEntry> entries;  ///< By key, each once.
  std::vector<Signature> signatures;   ///< By key id, each once.
};

/// Empty if a row is the one that the manifest promised, else what differs.
std::string row_disagreement(const ManifestEntry& promised, const Digest& row_sha256, std::size_t code_bytes,
                             std::string_view target);

namespace manifest {

inline constexpr std::int64_t kLinesPerBlock = 32;
inline constexpr std::size_t kEntryLineBytes = 166;
inline constexpr std::size_t kSignatureLineBytes = 154;
inline constexpr std::size_t kMaxTargetBytes = 24;
inline constexpr std::size_t kMaxNameBytes = 64;  ///< Of a bundle's name and of an arch's.
inline constexpr std::int64_t kMaxEntries = 99'999'999;
inline constexpr std::size_t kMaxSignatures = 16;
/// No header is longer.
inline constexpr std::size_t kMaxHeaderBytes = 512;

}  // namespace manifest

/// True for 1 to kMaxNameBytes letters, digits, '.', '_', '+' and '-', the first not '.' or '-'.
bool is_bundle_name(std::string_view name);

/// What a line of a manifest can hold as a target.
bool is_manifest_target(std::string_view target);

/// What signatures are over: the header and the digest of each block, and so everything before the signatures.
std::string signed_part(const Manifest& manifest);
/// The whole text. REQUIRES: what parse_manifest checks.
std::string manifest_text(const Manifest& manifest);
/// Strict, all of it, the block digests too; signatures are read, not verified. Errors: kCacheError saying where.
Result<Manifest> parse_manifest(std::string_view text);

/// Where things are in a manifest, from its first kMaxHeaderBytes (or all of a shorter one) and its size.
struct ManifestLayout {
  ManifestHeader header;
  std::size_t blocks_at = 0;  ///< Digests of the blocks, one a line.
  std::size_t block_count = 0;
  std::size_t entries_at = 0;  ///< What lies before, header and block digests, is what signatures are over.
  std::size_t signatures_at = 0;
  std::size_t signature_count = 0;

  /// Where the lines of a block are.
  std::size_t block_at(std::size_t block) const;
  std::size_t block_bytes(std::size_t block) const;
};
/// Errors: kCacheError.
Result<ManifestLayout> manifest_layout(std::string_view head, std::uint64_t file_bytes);

/// The digest of block number `block`. `blocks` begins at blocks_at.
std::optional<Digest> block_digest(std::string_view blocks, std::size_t block);
std::optional<ManifestEntry> parse_entry_line(std::string_view line);
std::optional<Signature> parse_signature_line(std::string_view line);

}  // namespace sinter
