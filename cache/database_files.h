// SPDX-License-Identifier: Apache-2.0
#pragma once

// The files behind the local store: the database, its log, the lock that orders opening against renaming, and the
// damaged databases kept aside. Which file is the database may change while processes have it open; the lock makes that
// safe.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/result.h"

namespace sinter {

/// Paths in a cache directory.
struct DatabaseFiles {
  explicit DatabaseFiles(const std::string& directory);

  std::string directory;
  std::string database;       ///< sinter-v2.db
  std::string log;            ///< sinter-v2.db-wal, SQLite's
  std::string shared_memory;  ///< sinter-v2.db-shm, SQLite's
  std::string journal;        ///< sinter-v2.db-journal, SQLite's on a network file system
  std::string lock;            ///< sinter-v2.lock
  std::string collector_lock;  ///< sinter-v2.gc, locked by the one process that removes entries
};

enum class LockMode : std::uint8_t { kShared, kExclusive };

/// A lock of the whole cache directory, held for moments: shared while a process opens the database by its path,
/// exclusive while one makes it or renames it aside. The kernel frees it when its owner dies.
class DirectoryLock {
 public:
  /// Waits for at most `longest_wait`. Errors: kCacheError if the lock file cannot be made or others do not let go.
  static Result<DirectoryLock> acquire(const DatabaseFiles& files, LockMode mode,
                                       std::chrono::milliseconds longest_wait);

  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&& other) noexcept;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

/// Damaged databases that are kept for study, newest first.
inline constexpr std::size_t kKeptBadDatabases = 3;

/// Renames the database and its log to "sinter-v2.db.bad-<unix time>-<pid>" and deletes the oldest such files, unless
/// the path names another file than `damaged` by now: then somebody was faster. Gives the new name, or empty in that
/// case.
/// REQUIRES: the exclusive lock. Errors: kCacheError.
Result<std::string> rename_database_aside(const DatabaseFiles& files, const std::optional<FileId>& damaged);

/// Deletes the log, the shared memory and the journal of a database that is gone, before another one is made at its path.
///
/// SQLite finds them by path and would share them with whoever still has the old database open. A process with both open
/// loses its locks on them when it closes one, another process then cuts the shared memory short as if nobody used it,
/// and the first dies of SIGBUS at its next look.
/// REQUIRES: the exclusive lock, and no database or an empty one at the path. Errors: kCacheError.
Result<void> delete_leftovers(const DatabaseFiles& files);

}  // namespace sinter
