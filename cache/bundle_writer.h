// SPDX-License-Identifier: Apache-2.0
#pragma once

// Making bundles. The same rows, name and SQLite give the same bytes: rows are sorted, what differs between two builds of
// one kernel (times, and on which machine) is left out, and a bundle appears under its name only when it is whole.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cache/bundle_manifest.h"
#include "cache/entry_row.h"
#include "cache/signing_key.h"

namespace sinter {

struct BundleOptions {
  std::string directory;  ///< Made if it is missing.
  std::string name;       ///< is_bundle_name().
  std::string arch;       ///< Of all rows.
  /// created_unix_s of every row: SOURCE_DATE_EPOCH, or 0.
  std::int64_t created_unix_s = 0;
  const SigningKey* key = nullptr;  ///< Signs the manifest; null: it is not signed.
};

struct WrittenBundle {
  std::string path;
  Manifest manifest;
};

/// Gives the next row, nullopt at the end.
using RowSource = std::function<Result<std::optional<EntryRow>>()>;

/// Writes one bundle and its manifest, readable by everybody whatever the umask, in place of what was there. The rows
/// come in order of their keys and are checked whole. One row at a time is in memory.
/// Errors: kInvalidRequest for a bad name; kCacheError for no rows, a row that is damaged, out of order or of another
/// arch, and for what the disk or `rows` says. Nothing has changed then.
Result<WrittenBundle> write_bundle(const RowSource& rows, const BundleOptions& options);

/// Adds a signature to the manifest of a bundle that agrees with it in size and SHA-256, in place of one by the same key.
/// Errors: kCacheError.
Result<Manifest> sign_bundle(const std::string& bundle_path, const SigningKey& key);

/// Reads the whole file. Errors: kCacheError unless it has the size and SHA-256 that its manifest says.
Result<void> check_bundle_file(const std::string& bundle_path, const ManifestHeader& header);

/// The manifest of a bundle, read whole. Errors: kCacheError, also for none.
Result<Manifest> read_manifest(const std::string& bundle_path);

}  // namespace sinter
