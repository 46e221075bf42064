// SPDX-License-Identifier: Apache-2.0
#pragma once

// The table `verdict`: a GoldenVerdict as the database holds it. The table is made by the first verdict that is stored,
// so everything here asks first whether it is there.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cache/cache_key.h"
#include "cache/golden_verdict.h"
#include "cache/sqlite_connection.h"

namespace sinter {

/// What of a verdict's finding is kept, in bytes.
inline constexpr std::size_t kMaxFindingText = 4096;

/// Whether the database has the table.
DbStatus has_verdicts(Database& database, bool& out);

/// The verdict of a key on a place, if there is one whose checksum is right.
DbStatus read_verdict(SqliteConnection& connection, const Digest& key, const GoldenPlace& place, std::optional<GoldenVerdict>& out);

/// All verdicts of a key that can be believed, by device and driver.
DbStatus list_verdicts(Database& database, const Digest& key, std::vector<GoldenVerdict>& out);

/// In a transaction: stores a verdict in place of an older one of its key and place.
DbStatus write_verdict(SqliteConnection& connection, const Digest& key, const GoldenVerdict& verdict);

/// In a transaction: deletes the verdicts of keys that have no entry any more.
DbStatus delete_verdicts(SqliteConnection& connection, std::span<const Digest> keys);

/// Deletes those verdicts of these keys that did not pass.
DbStatus delete_failed_verdicts(SqliteConnection& connection, const KeyRange& keys, std::int64_t& deleted);

}  // namespace sinter
