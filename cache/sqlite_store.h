// SPDX-License-Identifier: Apache-2.0
#pragma once

// SqliteStore: the local layer, one SQLite file that many threads and processes share. It opens lazily, heals what it
// can (docs/cache_format.md has the table of faults) and says once what it could not.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/database_files.h"
#include "cache/sqlite_connection.h"
#include "cache/store.h"

namespace sinter {

struct SqliteStoreOptions {
  std::string directory = {};
  bool allow_shared_directory = false;  ///< See CacheOptions.
  std::string writer = {};              ///< See CacheOptions.
  std::chrono::milliseconds busy_timeout{500};
  JournalMode journal = JournalMode::kAutomatic;
};

/// Thread-safe: every operation takes a connection of its own from a small pool, so that threads do not wait for each
/// other's disk. Nothing is opened before the first operation.
class SqliteStore final : public Store {
 public:
  /// `on_problem` gets a sentence about what degraded without failing an operation; called from any thread.
  SqliteStore(SqliteStoreOptions options, std::function<void(std::string)> on_problem);
  ~SqliteStore() override;
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  std::string_view name() const override { return "local"; }
  Result<std::shared_ptr<const CodeObject>> get(const CacheKey& key) override;
  Result<void> put(const CacheKey& key, std::shared_ptr<const CodeObject> code) override;

  /// Keys of stored entries of this spec, whatever compiler made them, newest first, at most 16. Errors: kCacheError.
  Result<std::vector<CacheKey>> keys_of_spec(std::string_view spec);

  /// The remembered build identity of the compiler libraries with this stamp. Errors: kCacheError.
  Result<std::optional<std::string>> compiler_identity(std::string_view stamp);
  Result<void> remember_compiler_identity(std::string_view stamp, std::string_view identity);

  /// Entries that failed their checks here since construction.
  std::int64_t bad_entries() const { return bad_entries_.load(std::memory_order_relaxed); }

 private:
  using ConnectionPtr = std::unique_ptr<SqliteConnection>;

  /// Runs `operation` on a connection; `action` is its verb in an error. After damage the database is set aside and the
  /// operation runs once more, on a new one. Errors: kCacheError for everything else that went wrong.
  Result<void> run(std::string_view action, const std::function<DbStatus(SqliteConnection&)>& operation);

  Result<ConnectionPtr> take_connection();
  void return_connection(ConnectionPtr connection);
  Result<ConnectionPtr> open_or_heal();
  Result<JournalMode> prepare_directory();
  Result<void> set_database_aside(ConnectionPtr connection, const DbStatus& reason);
  void set_entry_aside(const CacheKey& key, const std::string& reason);
  void forget_inherited_connections();

  const SqliteStoreOptions options_;
  const DatabaseFiles files_;
  const std::function<void(std::string)> on_problem_;
  std::atomic<std::int64_t> bad_entries_{0};

  std::mutex pool_mutex_;  // Guards what follows; held for moments, never during I/O.
  std::vector<ConnectionPtr> idle_;
  std::chrono::steady_clock::time_point closed_until_{};  // After a failed open, nothing is tried before this.
  std::string closed_reason_;
};

}  // namespace sinter
