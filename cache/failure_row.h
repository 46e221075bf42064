// SPDX-License-Identifier: Apache-2.0
#pragma once

// FailureRow: a remembered CompileFailure as the database holds it. Like an entry, it is believed only if its key and its
// checksum are right.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "cache/cache_key.h"
#include "cache/compile_failure.h"
#include "cache/sqlite_db.h"

namespace sinter {

struct FailureRow {
  Digest key;
  std::string key_fields;  ///< key_fields_to_json().
  std::string spec, arch;  ///< Copies of key fields, to list by.
  std::int64_t error_code = 0;
  std::int64_t crashed = 0;
  std::int64_t failed_unix_s = 0;
  std::string message, log, source;
  std::int64_t checksum = 0;  ///< XXH3-64 over all of the above.
};

/// What is kept of a longer log or source, in bytes.
inline constexpr std::size_t kMaxFailureText = std::size_t{256} << 10;

/// How far in the future a failure may lie before its time is not believed, in seconds: other hosts' clocks.
inline constexpr std::int64_t kMaxClockSkewS = 60;

FailureRow seal_failure(const CacheKey& key, const CompileFailure& failure);

/// What the column `checksum` of these columns must be.
std::int64_t failure_checksum(const FailureRow& row);

/// Binds all columns to schema::kPutFailure; `row` must live until the statement is reset.
void bind_failure_row(Statement& statement, const FailureRow& row);

/// Copies the columns of the current row. Errors: kCacheError naming a column of the wrong type or size.
Result<FailureRow> read_failure_row(const Statement& statement);

/// The failure of a row that belongs to `key` and is whole. One from the future is refused: after the clock was set back
/// it would be younger than any limit of age for as long as the clock was wrong.
/// Errors: kCacheError saying what is wrong.
Result<CompileFailure> open_failure(FailureRow row, const CacheKey& key, std::int64_t now_unix_s);

}  // namespace sinter
