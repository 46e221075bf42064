// SPDX-License-Identifier: Apache-2.0
#pragma once

// Checking and importing a bundle whole, as tools do; a reader checks row by row (cache/bundle.h).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cache/bundle.h"
#include "cache/bundle_manifest.h"
#include "cache/cache_admin.h"
#include "cache/sqlite_store.h"

namespace sinter {

struct BundleReport {
  VerifyReport rows;
  std::optional<Manifest> manifest;            ///< None if there is no file, or it is not well-formed.
  std::vector<std::string> manifest_problems;  ///< Also that there is none.

  bool ok() const { return rows.ok() && manifest_problems.empty(); }
};

/// Checks the file's structure, every row, the manifest, and each against the other. Signatures are read, not verified.
/// Errors: kCacheError for a file that is no bundle or cannot be read.
Result<BundleReport> verify_bundle(const std::string& path);

/// Those of the trusted keys that signed the manifest.
std::vector<TrustedKey> trusted_signers(const Manifest& manifest, const TrustedKeys& trusted);

struct ImportReport {
  std::string name;              ///< Of the bundle, as its manifest or else its file says.
  std::int64_t imported = 0;
  std::int64_t already_there = 0;  ///< Rows that the store had, whole.
};

/// Copies the rows of a bundle into `store`, with "import <name>" as their origin. All of the bundle is checked before
/// the first row is stored, as a reader would and verify_bundle() does. Opening it settled that its manifest is to be
/// believed: only rows of that one are stored, whatever its path names by now.
/// Rows that `signatures` would refuse to read back are refused.
/// Errors: kCacheError.
Result<ImportReport> import_bundle(const Bundle& bundle, const RowSignatures& signatures, SqliteStore& store);

}  // namespace sinter
