// SPDX-License-Identifier: Apache-2.0
#pragma once

// ManifestFile: a manifest as a reader of one row uses it. It holds the header and the block digests in memory and reads
// one block for each row, so that a file that changes later is noticed and a large one costs no more than a small one.
//
// It reads with pread and maps nothing: a mapped file that is cut short kills the process that touches it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"
#include "cache/bundle_manifest.h"
#include "cache/trusted_keys.h"

namespace sinter {

/// Immutable after construction, thread-safe.
class ManifestFile {
 public:
  /// nullopt if there is no file. Errors: kCacheError for one that cannot be read or is no manifest.
  static Result<std::optional<ManifestFile>> open(const std::string& path);

  const ManifestHeader& header() const { return layout_.header; }

  /// True if one of the keys signed the header and the block digests, and so every row.
  bool is_signed_by(const TrustedKeys& keys) const;
  const std::vector<Signature>& signatures() const { return signatures_; }

  /// What the manifest says of a row, or nullopt. Errors: kCacheError if the file is not what it was signed as.
  Result<std::optional<ManifestEntry>> find(const Digest& key) const;

 private:
  Result<std::string> read(std::size_t offset, std::size_t bytes) const;
  /// The last block whose first key is not above `key`. Blocks are not verified on the way: a wrong turn ends in one
  /// that has the right digest and lacks the key.
  Result<std::size_t> block_of(const Digest& key) const;

  std::string path_;
  Descriptor file_;
  ManifestLayout layout_;
  std::string signed_part_;  // Header and block digests.
  std::vector<Signature> signatures_;
};

}  // namespace sinter
