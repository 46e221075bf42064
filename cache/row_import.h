// SPDX-License-Identifier: Apache-2.0
#pragma once

// One row that was made elsewhere on its way into the local database: the last part of importing a bundle and of
// merging caches.

#include <cstdint>
#include <string>

#include "base/result.h"
#include "cache/entry_row.h"
#include "cache/row_signature.h"
#include "cache/sqlite_store.h"

namespace sinter {

enum class RowImport : std::uint8_t {
  kStored,
  kAlreadyThere,  ///< The store has the same code under this key.
  kConflict,      ///< The store has other code under this key, and keeps it.
};

/// Stores the row with `origin` as its provenance, signed if there is a key to sign with. `source` is for messages.
/// REQUIRES: check_whole_entry() found nothing.
/// Errors: kCacheError, also for a row that `signatures` would refuse to read back.
Result<RowImport> import_row(EntryRow row, std::string origin, const std::string& source,
                             const RowSignatures& signatures, SqliteStore& store);

}  // namespace sinter
