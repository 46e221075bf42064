// SPDX-License-Identifier: Apache-2.0
#include "cache/connection_pool.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <utility>

#include "base/file.h"

namespace sinter {
namespace {

/// More threads than this rarely read the disk at once; a connection costs some 100 us to open.
constexpr std::size_t kMaxIdleConnections = 4;

/// After a failed open: long enough that a broken disk costs nothing, short enough to notice that it was mended.
constexpr std::chrono::seconds kRetryOpenAfter{1};

Error failed(std::string message) { return make_error(ErrorCode::kCacheError, std::move(message)); }

/// True if no database was made at this path yet.
bool is_new(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) != 0 || info.st_size == 0;
}

}  // namespace

ConnectionPool::ConnectionPool(ConnectionPoolOptions options, std::function<void(std::string)> on_problem)
    : options_(std::move(options)), files_(options_.directory), on_problem_(std::move(on_problem)) {}

ConnectionPool::~ConnectionPool() { forget_inherited_connections(); }

Result<void> ConnectionPool::run(std::string_view action, const std::function<DbStatus(SqliteConnection&)>& operation,
                                 std::chrono::milliseconds longest_wait) {
  DbStatus status;
  // A disk that fails once, which SQLite may call damage, is no reason to give up what is on it.
  bool looked_damaged = false;
  for (int attempt = 0; attempt < 3; ++attempt) {
    SINTER_TRY(ConnectionPtr connection, take_connection());
    std::optional<DirectoryLock> lock;
    if (connection->rollback_journal) {
      // A rollback journal is found by the path of its database, so that must not be renamed meanwhile.
      SINTER_TRY(lock, DirectoryLock::acquire(files_, LockMode::kShared, longest_wait));
      if (file_id(files_.database) != connection->file) {
        status = DbStatus::busy();
        continue;
      }
    }
    connection->database.start_operation(longest_wait);
    status = operation(*connection);
    if (status.ok()) {
      return_connection(std::move(connection));
      return {};
    }
    if (!status.is_damage()) {
      break;
    }
    lock.reset();
    if (std::exchange(looked_damaged, true)) {
      SINTER_TRY_VOID(set_database_aside(std::move(connection), status));
    } else {
      connection->database.skip_checkpoint_on_close();
    }
  }
  return failed(fmt::format("cannot {} the kernel cache {}: {}", action, files_.database, status.text()));
}

Result<ConnectionPool::ConnectionPtr> ConnectionPool::take_connection() {
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
    std::lock_guard lock(mutex_);
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
    std::lock_guard lock(mutex_);
    closed_until_ = std::chrono::steady_clock::now() + kRetryOpenAfter;
    closed_reason_ = connection.error().message;
  }
  return connection;
}

void ConnectionPool::return_connection(ConnectionPtr connection) {
  std::lock_guard lock(mutex_);
  if (idle_.size() < kMaxIdleConnections) {
    idle_.push_back(std::move(connection));
  }
}

void ConnectionPool::forget_inherited_connections() {
  if (!Database::is_inherited()) {
    return;
  }
  const std::lock_guard lock(mutex_);
  for (ConnectionPtr& connection : idle_) {
    connection.release();  // Even freeing it calls SQLite, whose mutexes another thread may have held at the fork.
  }
  idle_.clear();
}

Result<ConnectionPool::ConnectionPtr> ConnectionPool::open_or_heal() {
  SINTER_TRY(const JournalMode journal, prepare_directory());
  // As everybody who finds a database, twice if it looks damaged; alone to make one.
  LockMode mode = is_new(files_.database) ? LockMode::kExclusive : LockMode::kShared;
  bool looked_damaged = false;
  for (int attempt = 0; attempt < 4; ++attempt) {
    auto connection = std::make_unique<SqliteConnection>();
    SINTER_TRY(const OpenOutcome outcome,
               open_connection(files_, mode, journal, options_.busy_timeout, *connection));
    switch (outcome.kind) {
      case OpenOutcome::kReady: return connection;
      case OpenOutcome::kMissing: mode = LockMode::kExclusive; break;
      case OpenOutcome::kDamaged:
        if (std::exchange(looked_damaged, true)) {
          SINTER_TRY_VOID(set_database_aside(std::move(connection), outcome.status));
          mode = LockMode::kExclusive;
        } else {
          connection->database.skip_checkpoint_on_close();
        }
        break;
    }
  }
  return failed(
      fmt::format("cannot open the kernel cache {}: it is damaged again as soon as it is made", files_.database));
}

Result<JournalMode> ConnectionPool::prepare_directory() {
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

Result<void> ConnectionPool::set_database_aside(ConnectionPtr connection, const DbStatus& reason) {
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
