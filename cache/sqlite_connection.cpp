// SPDX-License-Identifier: Apache-2.0
#include "cache/sqlite_connection.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "cache/schema.h"

namespace sinter {
namespace {

Error failed(std::string message) { return make_error(ErrorCode::kCacheError, std::move(message)); }

DbStatus choose_journal(SqliteConnection& connection, JournalMode mode) {
  Database& database = connection.database;
  std::string chosen;
  DbStatus status;
  if (mode == JournalMode::kWriteAheadLog) {
    status = database.query_text(schema::kUseWal, chosen);
  } else {
    status = database.execute(schema::kLockExclusively);
    if (status.ok()) status = database.query_text(schema::kUseRollbackJournal, chosen);
    if (status.ok()) status = database.execute(schema::kLockNormally);
  }
  if (!status.ok()) {
    return status;
  }
  connection.rollback_journal = chosen != "wal";
  if (mode == JournalMode::kRollback && !connection.rollback_journal) {
    return DbStatus::busy();  // A local user holds the log that had to be folded in.
  }
  return {};
}

DbStatus create_schema(Database& database) {
  Transaction transaction(database);
  DbStatus status = transaction.begin_write();
  if (status.ok()) status = database.execute(schema::kCreate);
  if (status.ok()) status = transaction.commit();
  return status;
}

/// What the header says about the schema.
struct SchemaMark {
  std::int64_t version = 0;
  std::int64_t application_id = 0;

  bool is_ours() const { return *this == SchemaMark{schema::kVersion, schema::application_id(schema::kVersion)}; }
  bool is_absent() const { return *this == SchemaMark{}; }
  bool is_newer() const {
    return version > schema::kVersion && application_id == schema::application_id(version);
  }
  friend bool operator==(const SchemaMark&, const SchemaMark&) = default;
};

DbStatus read_schema_mark(Database& database, SchemaMark& mark) {
  DbStatus status = database.query_integer(schema::kGetUserVersion, mark.version);
  if (status.ok()) status = database.query_integer(schema::kGetApplicationId, mark.application_id);
  return status;
}

/// Brings a fresh connection to where statements can run.
DbStatus set_up(SqliteConnection& connection, LockMode mode, JournalMode journal, SchemaMark& mark) {
  Database& database = connection.database;
  DbStatus status;
  if (mode == LockMode::kExclusive) status = database.execute(schema::kBeforeCreate);
  if (status.ok()) status = choose_journal(connection, journal);
  if (status.ok()) status = database.execute(schema::kConnectionSettings);
  if (status.ok()) status = read_schema_mark(database, mark);
  if (status.ok() && mark.is_absent() && mode == LockMode::kExclusive) {
    status = create_schema(database);
    if (status.ok()) status = read_schema_mark(database, mark);
  }
  if (status.ok() && mark.is_ours()) status = database.prepare(schema::kGetEntry, connection.get_entry);
  return status;
}

}  // namespace

DbStatus SqliteConnection::execute(Statement& statement, std::string_view sql, const Binder& bind) {
  return query_row(statement, sql, bind, [](const Statement&) {});
}

DbStatus SqliteConnection::query_row(Statement& statement, std::string_view sql, const Binder& bind,
                                     const RowReader& read) {
  if (!statement.is_prepared()) {
    if (const DbStatus status = database.prepare(sql, statement); !status.ok()) {
      return status;
    }
  }
  StatementScope scope(statement);
  bind(statement);
  switch (statement.step()) {
    case Step::kRow: read(statement); return {};
    case Step::kDone: return {};
    case Step::kFailed: break;
  }
  return statement.status();
}

DbStatus read_keys_of_spec(SqliteConnection& connection, std::string_view spec, std::vector<CacheKey>& out) {
  constexpr std::int64_t kMost = 16;
  for (std::int64_t passed = 0; passed < kMost; ++passed) {
    bool found = false;
    const DbStatus status = connection.query_row(
        connection.get_spec_key, schema::kGetSpecKey,
        [&](Statement& statement) {
          statement.bind(1, spec);
          statement.bind(2, passed);
        },
        [&](const Statement& statement) {
          found = true;
          if (auto fields = key_fields_from_json(statement.column_text(0))) {
            out.push_back(make_cache_key(std::move(*fields)));
          }
        });
    if (!status.ok() || !found) {
      return status;
    }
  }
  return {};
}

Result<OpenOutcome> open_connection(const DatabaseFiles& files, LockMode mode, JournalMode journal,
                                    std::chrono::milliseconds longest_wait, SqliteConnection& out) {
  SINTER_TRY(const DirectoryLock lock, DirectoryLock::acquire(files, mode, longest_wait));
  struct stat info {};
  const bool exists = stat(files.database.c_str(), &info) == 0;
  if (exists && !S_ISREG(info.st_mode)) {
    return failed(fmt::format("{} is not a regular file", files.database));
  }
  if (mode == LockMode::kShared && (!exists || info.st_size == 0)) {
    return OpenOutcome{OpenOutcome::kMissing, {}};
  }
  if (!exists || info.st_size == 0) {
    SINTER_TRY_VOID(delete_leftovers(files));
  }
  const auto fault = [&](const DbStatus& status) {
    return failed(fmt::format("cannot open the kernel cache {}: {}", files.database, status.text()));
  };
  const std::optional<FileId> before = file_id(files.database);
  if (const DbStatus status = Database::open(files.database, OpenMode::kReadWrite, out.database); !status.ok()) {
    return fault(status);
  }
  out.file = file_id(files.database);
  const bool same_file = !before || before == out.file;
  out.database.start_operation(longest_wait);
  if (journal == JournalMode::kWriteAheadLog) {
    out.database.take_turns_at(files.lock);  // With a rollback journal, writers take the whole directory's lock.
  }
  SchemaMark mark;
  const DbStatus status = same_file ? set_up(out, mode, journal, mark) : DbStatus();
  // SQLite opens the log by its path, too. If somebody replaced the directory meanwhile, and our lock with it, this may
  // be one database with the log of another: nothing must be written through it.
  if (!same_file || file_id(files.database) != out.file) {
    out.database.skip_checkpoint_on_close();
    return OpenOutcome{OpenOutcome::kMissing, {}};
  }
  if (status.is_damage()) {
    return OpenOutcome{OpenOutcome::kDamaged, status};
  }
  if (!status.ok()) {
    return fault(status);
  }
  if (mark.is_newer()) {
    return failed(fmt::format("the kernel cache {} was written by a newer Sinter (schema {}, this one knows {}): it is "
                              "left alone, and kernels are kept in memory only",
                              files.database, mark.version, schema::kVersion));
  }
  if (mark.is_absent()) {
    return OpenOutcome{OpenOutcome::kMissing, {}};
  }
  if (!mark.is_ours()) {
    return OpenOutcome{OpenOutcome::kDamaged, DbStatus::damage()};
  }
  if (out.database.is_read_only()) {
    // A header that asks for a later SQLite to write looks the same as a file without permission.
    if (access(files.database.c_str(), W_OK) == 0) {
      return OpenOutcome{OpenOutcome::kDamaged, DbStatus::damage()};
    }
    return failed(fmt::format("the kernel cache {} may not be written", files.database));
  }
  return OpenOutcome{OpenOutcome::kReady, {}};
}

}  // namespace sinter
