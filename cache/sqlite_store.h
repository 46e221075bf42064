// SPDX-License-Identifier: Apache-2.0
#pragma once

// SqliteStore: the local layer, one SQLite file that many threads and processes share. What rows mean is decided here;
// opening and healing are the pool's.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/compile_failure.h"
#include "cache/connection_pool.h"
#include "cache/entry_row.h"
#include "cache/gc.h"
#include "cache/golden_verdict.h"
#include "cache/row_signature.h"
#include "cache/store.h"
#include "cache/upkeep.h"
#include "cache/usage_counters.h"

namespace sinter {

struct SqliteStoreOptions {
  std::string directory = {};
  bool allow_shared_directory = false;  ///< See CacheOptions.
  std::string writer = {};              ///< See CacheOptions.
  std::chrono::milliseconds busy_timeout{500};
  JournalMode journal = JournalMode::kAutomatic;
  CacheLimits limits = {};
  /// Signs what is stored, and says which rows may be used. Null: no row is signed, none needs to be.
  std::shared_ptr<const RowSignatures> signatures = {};
  /// Gets loads and causes of misses, and is written to the database now and then. Null: nothing is counted.
  std::shared_ptr<UsageCounters> usage = {};
};

/// Thread-safe. Nothing is opened before the first operation.
class SqliteStore final : public Store {
 public:
  /// `on_problem` gets a sentence about what degraded without failing an operation; called from any thread.
  SqliteStore(SqliteStoreOptions options, std::function<void(std::string)> on_problem);
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  std::string_view name() const override { return "local"; }
  Result<std::shared_ptr<const CodeObject>> get(const CacheKey& key) override;
  Result<void> put(const CacheKey& key, std::shared_ptr<const CodeObject> code) override;
  /// The same for a code object that was not compiled here; `origin` as in Provenance.
  Result<void> put(const CacheKey& key, std::shared_ptr<const CodeObject> code, std::string_view origin);

  /// The same for a whole row, as it is but for its signature. REQUIRES: check_whole_entry() found nothing.
  Result<void> put_row(EntryRow row);
  /// The same, with the signature that it has: for what others made, which is not to be signed as if made here.
  Result<void> put_foreign_row(const EntryRow& row);

  /// Keys of stored entries of this spec, whatever compiler made them, newest first, at most 16. Errors: kCacheError.
  Result<std::vector<CacheKey>> keys_of_spec(std::string_view spec);

  /// The remembered build identity of the compiler libraries with this stamp. Errors: kCacheError.
  Result<std::optional<std::string>> compiler_identity(std::string_view stamp);
  Result<void> remember_compiler_identity(std::string_view stamp, std::string_view identity);

  /// What is remembered of the key's last failed compile. A row that cannot be believed is removed, and is none.
  /// Errors: kCacheError.
  Result<std::optional<CompileFailure>> failure(const CacheKey& key);
  Result<void> remember_failure(const CacheKey& key, const CompileFailure& failure);
  /// How many were forgotten.
  Result<std::int64_t> forget_failures(const KeyRange& keys);

  /// What a golden check found out about the key's kernel there; a row that cannot be believed is none. Errors: kCacheError.
  Result<std::optional<GoldenVerdict>> verdict(const Digest& key, const GoldenPlace& place);
  Result<void> remember_verdict(const Digest& key, const GoldenVerdict& verdict);
  /// Those that did not pass. How many were forgotten.
  Result<std::int64_t> forget_failed_verdicts(const KeyRange& keys);

  /// Removes what exceeds the limits, or says what would go, now and in this thread.
  /// Errors: kCacheError.
  Result<GcReport> collect_garbage(const CacheLimits& limits, bool dry_run);
  /// Keeps the entry whatever the limits are, or lets it go again. False if there is no such entry. Errors: kCacheError.
  Result<bool> set_pinned(const Digest& key, bool pinned);

  /// Entries that failed their checks here since construction.
  std::int64_t bad_entries() const { return bad_entries_.load(std::memory_order_relaxed); }

 private:
  /// A hit without opening a connection, while this process has none. nullopt for anything but a verified entry: a
  /// connection then finds out what there is.
  std::optional<CodeObject> get_directly(const ExpectedKey& key);
  void note_load(const Digest& key);
  void note_cause(const Digest& key, std::string_view cause);
  void set_entry_aside(const CacheKey& key, const std::string& reason);
  /// Runs `changes` in one transaction; `log_pages` gets the length of the write-ahead log afterwards.
  Result<void> write(const std::function<DbStatus(SqliteConnection&)>& changes, int* log_pages = nullptr);

  const SqliteStoreOptions options_;
  const std::function<void(std::string)> on_problem_;
  ConnectionPool pool_;
  std::atomic<std::int64_t> bad_entries_{0};
  Upkeep upkeep_;  // Last: its thread uses the pool.
};

}  // namespace sinter
