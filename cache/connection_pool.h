// SPDX-License-Identifier: Apache-2.0
#pragma once

// ConnectionPool: the local database as operations see it. It makes the database when first needed, keeps a few
// connections, notices when the file was replaced, and sets a damaged one aside (docs/cache_format.md has the table of
// faults).

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/fork_safe_mutex.h"
#include "cache/database_files.h"
#include "cache/sqlite_connection.h"

namespace sinter {

struct ConnectionPoolOptions {
  std::string directory = {};
  bool allow_shared_directory = false;  ///< See CacheOptions.
  std::chrono::milliseconds busy_timeout{500};
  JournalMode journal = JournalMode::kAutomatic;
};

/// Thread-safe: every operation has a connection of its own, so that threads do not wait for each other's disk. Nothing
/// is opened before the first operation.
class ConnectionPool {
 public:
  /// `on_problem` gets a sentence about what degraded without failing an operation; called from any thread.
  ConnectionPool(ConnectionPoolOptions options, std::function<void(std::string)> on_problem);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  /// Runs `operation` on a connection; `action` is its verb in an error. After damage the operation runs once more; after
  /// damage again the database is set aside and the operation runs on a new one. Waits for other processes for at most
  /// `longest_wait`. Errors: kCacheError for everything else that went wrong.
  Result<void> run(std::string_view action, const std::function<DbStatus(SqliteConnection&)>& operation,
                   std::chrono::milliseconds longest_wait);
  Result<void> run(std::string_view action, const std::function<DbStatus(SqliteConnection&)>& operation) {
    return run(action, operation, options_.busy_timeout);
  }

  const DatabaseFiles& files() const { return files_; }

 private:
  using ConnectionPtr = std::unique_ptr<SqliteConnection>;

  Result<ConnectionPtr> take_connection();
  void return_connection(ConnectionPtr connection);
  Result<ConnectionPtr> open_or_heal();
  Result<JournalMode> prepare_directory();
  Result<void> set_database_aside(ConnectionPtr connection, const DbStatus& reason);
  void forget_inherited_connections();

  const ConnectionPoolOptions options_;
  const DatabaseFiles files_;
  const std::function<void(std::string)> on_problem_;

  ForkSafeMutex mutex_;  // Guards what follows; held for moments, never during I/O.
  std::vector<ConnectionPtr> idle_;
  std::chrono::steady_clock::time_point closed_until_{};  // After a failed open, nothing is tried before this.
  std::string closed_reason_;
};

}  // namespace sinter
