// SPDX-License-Identifier: Apache-2.0
#pragma once

// SqliteConnection: an open database of this schema with its statements. Opening decides whether the file is ours, new,
// damaged or from the future; what to do about that is the store's.

#include <chrono>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "cache/cache_key.h"
#include "cache/database_files.h"
#include "cache/sqlite_db.h"

namespace sinter {

/// How the database survives a crash in the middle of a write.
enum class JournalMode : std::uint8_t {
  kAutomatic,  ///< A write-ahead log, but a rollback journal on a network file system.
  kWriteAheadLog,
  kRollback,  ///< Without shared memory; readers wait for writers.
};

/// Used by one thread at a time. Statements are prepared when first used, and once.
struct SqliteConnection {
  Database database;
  std::optional<FileId> file;     ///< What the database's path named when it was opened.
  bool rollback_journal = false;  ///< The mode that it really got.
  Statement get_entry, get_spec_key, put_entry, put_use, copy_to_bad, delete_entry, delete_use, trim_bad;
  Statement get_identity, put_identity, trim_identity;
  Statement get_failure, put_failure, trim_failure, delete_failure;

  using Binder = std::function<void(Statement&)>;
  using RowReader = std::function<void(const Statement&)>;

  /// Runs a statement that gives no rows.
  DbStatus execute(Statement& statement, std::string_view sql, const Binder& bind);
  /// Gives the first row, if there is one, to `read`.
  DbStatus query_row(Statement& statement, std::string_view sql, const Binder& bind, const RowReader& read);
};

/// Appends the keys of entries of this spec, whatever compiler made them, newest first, at most 16. Of the rows nothing
/// is checked but that their key fields parse: reading one finds out the rest.
DbStatus read_keys_of_spec(SqliteConnection& connection, std::string_view spec, std::vector<CacheKey>& out);

struct OpenOutcome {
  enum Kind : std::uint8_t {
    kReady,
    kMissing,  ///< There is no database, or no longer the one that was there; making one takes the exclusive lock.
    kDamaged,  ///< There is one, but see `status`.
  };
  Kind kind = kReady;
  DbStatus status;
};

/// Opens the database, or makes it if `mode` is exclusive, under the lock of the directory. `journal` is not
/// kAutomatic. On kReady and kDamaged `out` is the connection.
/// Errors: kCacheError for what renaming will not mend: no permission, no space, locked, a newer schema.
Result<OpenOutcome> open_connection(const DatabaseFiles& files, LockMode mode, JournalMode journal,
                                    std::chrono::milliseconds longest_wait, SqliteConnection& out);

}  // namespace sinter
