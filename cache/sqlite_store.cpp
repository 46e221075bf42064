// SPDX-License-Identifier: Apache-2.0
#include "cache/sqlite_store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <ctime>
#include <span>
#include <utility>

#include "base/digest.h"
#include "cache/entry_row.h"
#include "cache/schema.h"

namespace sinter {
namespace {

/// More threads than this rarely read the disk at once; a connection costs some 100 us to open.
constexpr std::size_t kMaxIdleConnections = 4;

/// After a failed open: long enough that a broken disk costs nothing, short enough to notice that it was mended.
constexpr std::chrono::seconds kRetryOpenAfter{1};

Error failed(std::string message) { return make_error(ErrorCode::kCacheError, std::move(message)); }

std::span<const std::byte> bytes_of(const Digest& digest) { return std::as_bytes(std::span(digest.bytes)); }

std::int64_t identity_checksum(std::string_view stamp, std::string_view identity) {
  return static_cast<std::int64_t>(checksum64(as_bytes(fmt::format("{}:{}{}", stamp.size(), stamp, identity))));
}

/// True if no database was made at this path yet.
bool is_new(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) != 0 || info.st_size == 0;
}

}  // namespace

SqliteStore::SqliteStore(SqliteStoreOptions options, std::function<void(std::string)> on_problem)
    : options_(std::move(options)), files_(options_.directory), on_problem_(std::move(on_problem)) {}

SqliteStore::~SqliteStore() { forget_inherited_connections(); }

// --- Operations ---

Result<std::shared_ptr<const CodeObject>> SqliteStore::get(const CacheKey& key) {
  const std::string key_fields = key_fields_to_json(key.fields);
  std::optional<Result<EntryRow>> row;
  SINTER_TRY_VOID(run("read", [&](SqliteConnection& connection) {
    row.reset();
    return connection.query_row(
        connection.get_entry, schema::kGetEntry,
        [&](Statement& statement) { statement.bind(1, bytes_of(key.digest)); },
        [&](const Statement& statement) { row = read_entry_row(statement, RowPart::kRead); });
  }));
  if (!row) {
    return std::shared_ptr<const CodeObject>();
  }
  // The digests are computed here, when the connection is free for others again.
  const auto open = [&]() -> Result<CodeObject> {
    SINTER_TRY(EntryRow columns, std::move(*row));
    return open_entry(std::move(columns), {key.digest, key_fields});
  };
  auto code = open();
  if (!code) {
    set_entry_aside(key, code.error().message);
    return std::shared_ptr<const CodeObject>();
  }
  return std::make_shared<const CodeObject>(std::move(*code));
}

Result<void> SqliteStore::put(const CacheKey& key, std::shared_ptr<const CodeObject> code) {
  SINTER_TRY(const EntryRow row, seal_entry(key, *code, options_.writer));
  return run("write", [&](SqliteConnection& connection) {
    return connection.execute(connection.put_entry, schema::kPutEntry,
                              [&](Statement& statement) { bind_entry_row(statement, row); });
  });
}

void SqliteStore::set_entry_aside(const CacheKey& key, const std::string& reason) {
  bad_entries_.fetch_add(1, std::memory_order_relaxed);
  on_problem_(
      fmt::format("the entry {} ({}) of the kernel cache {} is damaged: {}; it is kept for study and compiled again",
                  to_hex(key.digest).substr(0, 16), key.field(kSpecKeyField), files_.database, reason));
  const auto moved = run("write", [&](SqliteConnection& connection) {
    Transaction transaction(connection.database);
    DbStatus status = transaction.begin_write();
    if (status.ok()) {
      status = connection.execute(connection.copy_to_bad, schema::kCopyToBad, [&](Statement& statement) {
        statement.bind(1, bytes_of(key.digest));
        statement.bind(2, static_cast<std::int64_t>(std::time(nullptr)));
        statement.bind(3, std::string_view(reason));
      });
    }
    if (status.ok()) {
      status = connection.execute(connection.delete_entry, schema::kDeleteEntry,
                                  [&](Statement& statement) { statement.bind(1, bytes_of(key.digest)); });
    }
    if (status.ok()) {
      status = connection.execute(connection.trim_bad, schema::kTrimBad,
                                  [](Statement& statement) { statement.bind(1, schema::kMaxBadRows); });
    }
    return status.ok() ? transaction.commit() : status;
  });
  if (!moved) {
    on_problem_(moved.error().message);  // The row stays: a miss again, until it is overwritten.
  }
}

Result<std::vector<CacheKey>> SqliteStore::keys_of_spec(std::string_view spec) {
  constexpr std::int64_t kMost = 16;
  std::vector<CacheKey> keys;
  SINTER_TRY_VOID(run("read", [&](SqliteConnection& connection) {
    keys.clear();
    DbStatus status;
    for (std::int64_t passed = 0; passed < kMost && status.ok(); ++passed) {
      bool found = false;
      status = connection.query_row(
          connection.get_spec_key, schema::kGetSpecKey,
          [&](Statement& statement) {
            statement.bind(1, spec);
            statement.bind(2, passed);
          },
          [&](const Statement& statement) {
            found = true;
            // Fields that do not parse belong to a damaged row, which the next read of it finds out.
            if (auto fields = key_fields_from_json(statement.column_text(0))) {
              keys.push_back(make_cache_key(std::move(*fields)));
            }
          });
      if (!found) {
        break;
      }
    }
    return status;
  }));
  return keys;
}

Result<std::optional<std::string>> SqliteStore::compiler_identity(std::string_view stamp) {
  std::optional<std::string> identity;
  SINTER_TRY_VOID(run("read", [&](SqliteConnection& connection) {
    identity.reset();
    return connection.query_row(
        connection.get_identity, schema::kGetIdentity, [&](Statement& statement) { statement.bind(1, stamp); },
        [&](const Statement& statement) {
          const std::string_view text = statement.column_text(0);
          if (statement.column_integer(1) == identity_checksum(stamp, text)) {
            identity = text;
          }
        });
  }));
  return identity;
}

Result<void> SqliteStore::remember_compiler_identity(std::string_view stamp, std::string_view identity) {
  return run("write", [&](SqliteConnection& connection) {
    Transaction transaction(connection.database);
    DbStatus status = transaction.begin_write();
    if (status.ok()) {
      status = connection.execute(connection.put_identity, schema::kPutIdentity, [&](Statement& statement) {
        statement.bind(1, stamp);
        statement.bind(2, identity);
        statement.bind(3, identity_checksum(stamp, identity));
      });
    }
    if (status.ok()) {
      status = connection.execute(connection.trim_identity, schema::kTrimIdentity,
                                  [](Statement& statement) { statement.bind(1, schema::kMaxIdentityRows); });
    }
    return status.ok() ? transaction.commit() : status;
  });
}

// --- Connections ---

Result<void> SqliteStore::run(std::string_view action, const std::function<DbStatus(SqliteConnection&)>& operation) {
  DbStatus status;
  for (int attempt = 0; attempt < 2; ++attempt) {
    SINTER_TRY(ConnectionPtr connection, take_connection());
    std::optional<DirectoryLock> lock;
    if (connection->rollback_journal) {
      // A rollback journal is found by the path of its database, so that must not be renamed meanwhile.
      SINTER_TRY(lock, DirectoryLock::acquire(files_, LockMode::kShared, options_.busy_timeout));
      if (file_id(files_.database) != connection->file) {
        status = DbStatus::busy();
        continue;
      }
    }
    connection->database.start_operation(options_.busy_timeout);
    status = operation(*connection);
    if (status.ok()) {
      return_connection(std::move(connection));
      return {};
    }
    if (!status.is_damage()) {
      break;
    }
    lock.reset();
    SINTER_TRY_VOID(set_database_aside(std::move(connection), status));
  }
  return failed(fmt::format("cannot {} the kernel cache {}: {}", action, files_.database, status.text()));
}

Result<SqliteStore::ConnectionPtr> SqliteStore::take_connection() {
  if (Database::is_inherited()) {
    forget_inherited_connections();
    return failed(
        fmt::format("this process was forked while the kernel cache {} was open, which SQLite does not survive: "
                    "kernels are kept in memory only; fork before the first use of the cache",
                    files_.database));
  }
  const std::optional<FileId> current = file_id(files_.database);
  std::vector<ConnectionPtr> outdated;  // Closed after the lock is gone.
  {
    std::lock_guard lock(pool_mutex_);
    while (!idle_.empty()) {
      ConnectionPtr connection = std::move(idle_.back());
      idle_.pop_back();
      if (connection->file == current) {
        return connection;
      }
      outdated.push_back(std::move(connection));  // Somebody renamed or deleted the database.
    }
    if (std::chrono::steady_clock::now() < closed_until_) {
      return failed(closed_reason_);
    }
  }
  auto connection = open_or_heal();
  if (!connection) {
    std::lock_guard lock(pool_mutex_);
    closed_until_ = std::chrono::steady_clock::now() + kRetryOpenAfter;
    closed_reason_ = connection.error().message;
  }
  return connection;
}

void SqliteStore::return_connection(ConnectionPtr connection) {
  std::lock_guard lock(pool_mutex_);
  if (idle_.size() < kMaxIdleConnections) {
    idle_.push_back(std::move(connection));
  }
}

void SqliteStore::forget_inherited_connections() {
  if (!Database::is_inherited()) {
    return;
  }
  std::lock_guard lock(pool_mutex_);
  for (ConnectionPtr& connection : idle_) {
    connection.release();  // Even freeing it calls SQLite, whose mutexes another thread may have held at the fork.
  }
  idle_.clear();
}

Result<SqliteStore::ConnectionPtr> SqliteStore::open_or_heal() {
  SINTER_TRY(const JournalMode journal, prepare_directory());
  // First as everybody who finds a database, then alone to make one, then once more if what was there was damaged.
  LockMode mode = is_new(files_.database) ? LockMode::kExclusive : LockMode::kShared;
  for (int attempt = 0; attempt < 3; ++attempt) {
    auto connection = std::make_unique<SqliteConnection>();
    SINTER_TRY(const OpenOutcome outcome,
               open_connection(files_, mode, journal, options_.busy_timeout, *connection));
    switch (outcome.kind) {
      case OpenOutcome::kReady: return connection;
      case OpenOutcome::kMissing: break;
      case OpenOutcome::kDamaged: SINTER_TRY_VOID(set_database_aside(std::move(connection), outcome.status)); break;
    }
    mode = LockMode::kExclusive;
  }
  return failed(
      fmt::format("cannot open the kernel cache {}: it is damaged again as soon as it is made", files_.database));
}

Result<JournalMode> SqliteStore::prepare_directory() {
  SINTER_TRY_VOID(make_private_directories(files_.directory));
  if (!options_.allow_shared_directory) {
    SINTER_TRY_VOID(check_private_directory(files_.directory));
  }
  if (options_.journal != JournalMode::kAutomatic) {
    return options_.journal;
  }
  const std::string_view network = network_file_system_of(files_.directory);
  if (network.empty()) {
    return JournalMode::kWriteAheadLog;
  }
  on_problem_(
      fmt::format("the kernel cache {} is on {}, where hosts cannot share memory: it works without a write-ahead "
                  "log, more slowly; SINTER_CACHE_DIR can name a local directory",
                  files_.directory, network));
  return JournalMode::kRollback;
}

Result<void> SqliteStore::set_database_aside(ConnectionPtr connection, const DbStatus& reason) {
  const std::optional<FileId> damaged = connection->file;
  connection->database.skip_checkpoint_on_close();
  connection.reset();
  SINTER_TRY(const DirectoryLock lock, DirectoryLock::acquire(files_, LockMode::kExclusive, options_.busy_timeout));
  SINTER_TRY(const std::string name, rename_database_aside(files_, damaged));
  if (!name.empty()) {
    on_problem_(fmt::format("the kernel cache {} was damaged ({}) and is kept as {}; kernels are compiled again",
                            files_.database, reason.text(), name));
  }
  return {};
}

}  // namespace sinter
