// SPDX-License-Identifier: Apache-2.0
#include "cache/tuning_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <chrono>
#include <string_view>
#include <utility>

#include "base/descriptor.h"
#include "base/file.h"
#include "cache/connection_pool.h"
#include "cache/database_files.h"
#include "cache/row_columns.h"
#include "cache/schema.h"
#include "cache/sqlite_db.h"

namespace sinter {

namespace {

/// A choice should not wait long for others, and writers hold the database for moments.
constexpr std::chrono::milliseconds kLongestRead{500};
constexpr std::chrono::seconds kLongestWrite{5};

Error failed(std::string message) { return make_error(ErrorCode::kCacheError, std::move(message)); }

std::int64_t record_checksum(std::string_view record) {
  RowChecksum checksum;
  checksum.add_large(as_bytes(record));
  return checksum.finish();
}

/// False if the file says by itself that nobody tuned: no log with newer pages, and a list of tables, all in the first
/// page, without ours.
bool may_have_rows(const DatabaseFiles& files) {
  struct stat log {};
  if (stat(files.log.c_str(), &log) == 0 && log.st_size > 0) {
    return true;
  }
  const Database::DirectRead direct;
  if (!direct.is_allowed()) {
    return true;
  }
  const Descriptor file(::open(files.database.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  std::array<char, schema::kPageBytes> page;
  if (!file.is_open() || !file.read_at(page.data(), page.size(), 0)) {
    return true;
  }
  constexpr std::size_t kPageType = 100;  // behind the file's header
  constexpr char kTableLeaf = 13;
  return page[kPageType] != kTableLeaf ||
         std::string_view(page.data(), page.size()).find(schema::kTuningTableMark) != std::string_view::npos;
}

DbStatus query(Database& database, std::string_view sql, const std::function<void(const Statement&)>& read) {
  Statement statement;
  if (const DbStatus status = database.prepare(sql, statement); !status.ok()) {
    return status;
  }
  for (;;) {
    switch (statement.step()) {
      case Step::kRow: read(statement); break;
      case Step::kDone: return {};
      case Step::kFailed: return statement.status();
    }
  }
}

/// A connection that reads our schema. Where the log's index cannot be made, on a read-only medium, nobody else writes.
DbStatus open_to_read(const std::string& path, Database& database) {
  DbStatus status;
  for (const OpenMode mode : {OpenMode::kReadOnly, OpenMode::kImmutable}) {
    database = Database();
    status = Database::open(path, mode, database);
    std::int64_t application = 0;
    if (status.ok()) {
      database.skip_checkpoint_on_close();
      database.start_operation(kLongestRead);
      status = database.query_integer(schema::kGetApplicationId, application);
    }
    if (status.ok() && application != schema::application_id(schema::kVersion)) {
      return DbStatus::damage();
    }
    if (status.ok() || status.is_damage() || status.is_busy()) {
      break;
    }
  }
  return status;
}

void read_row(const Statement& statement, const std::string& path, StoredTuning& out) {
  ColumnReader reader(statement);
  std::string record;
  std::int64_t checksum = 0;
  reader.read(record);
  reader.read(checksum);
  std::string problem = reader.problem();
  if (problem.empty() && checksum != record_checksum(record)) {
    problem = "its checksum does not match";
  }
  if (!problem.empty()) {
    out.problems.push_back(fmt::format("a tuned row of {} is not used: {}", path, problem));
    return;
  }
  auto row = tuning_row_from_json(record, fmt::format("a tuned row of {} is not used", path));
  if (!row) {
    out.problems.push_back(std::move(row.error().message));
    return;
  }
  out.rows.push_back(std::move(*row));
}

/// Runs `changes` in one transaction on the cache's database, with the table made.
Result<void> write(const TuningStoreOptions& options, const std::function<void(std::string)>& on_problem,
                   const std::function<DbStatus(SqliteConnection&)>& changes) {
  if (options.directory.empty()) {
    return make_error(ErrorCode::kInvalidRequest, "there is no cache directory to keep tuned rows in: set SINTER_CACHE_DIR");
  }
  ConnectionPool pool({.directory = options.directory, .allow_shared_directory = options.allow_shared_directory}, on_problem);
  return pool.run(
      "write",
      [&](SqliteConnection& connection) {
        Transaction transaction(connection.database);
        DbStatus status = transaction.begin_write();
        if (status.ok()) status = connection.database.execute(schema::kCreateTuning);
        if (status.ok()) status = changes(connection);
        if (status.ok()) status = transaction.commit();
        return status;
      },
      kLongestWrite);
}

}  // namespace

Result<StoredTuning> read_tuning(const TuningStoreOptions& options) {
  StoredTuning stored;
  const DatabaseFiles files(options.directory);
  if (options.directory.empty() || !file_id(files.database)) {
    return stored;
  }
  const bool is_ours = options.allow_shared_directory || check_private_directory(options.directory).has_value();
  if (!is_ours || !may_have_rows(files)) {
    return stored;
  }
  Database database;
  DbStatus status = open_to_read(files.database, database);
  bool has_table = false;
  if (status.ok()) {
    status = query(database, schema::kHasTuning, [&](const Statement&) { has_table = true; });
  }
  if (status.ok() && has_table) {
    status = query(database, schema::kListTuning, [&](const Statement& statement) { read_row(statement, files.database, stored); });
  }
  if (!status.ok()) {
    return failed(fmt::format("the tuned rows of {} cannot be read: {}", files.database, status.text()));
  }
  return stored;
}

Result<void> write_tuning(const TuningStoreOptions& options, const std::vector<TuningRow>& rows,
                          const std::function<void(std::string)>& on_problem) {
  return write(options, on_problem, [&](SqliteConnection& connection) {
    Statement put;
    for (const TuningRow& row : rows) {
      const Digest decision = decision_of(row);
      const std::string device = to_string(row.device), record = to_json(row);
      const std::string problem = fmt::format("{} {} rows={} largest={}", row.problem.family, to_string(row.problem.params),
                                              row.problem.rows, row.problem.largest);
      const DbStatus status = connection.execute(put, schema::kPutTuning, [&](Statement& statement) {
        statement.bind(1, bytes_of(decision));
        statement.bind(2, std::string_view(device));
        statement.bind(3, std::string_view(problem));
        statement.bind(4, std::string_view(record));
        statement.bind(5, record_checksum(record));
      });
      if (!status.ok()) {
        return status;
      }
    }
    return DbStatus();
  });
}

Result<std::int64_t> forget_tuning(const TuningStoreOptions& options, const std::vector<Digest>& decisions,
                                   const std::function<void(std::string)>& on_problem) {
  std::int64_t forgotten = 0;
  SINTER_TRY_VOID(write(options, on_problem, [&](SqliteConnection& connection) {
    forgotten = 0;
    Statement remove;
    for (const Digest& decision : decisions) {
      const DbStatus status = connection.execute(remove, schema::kDeleteTuning,
                                                 [&](Statement& statement) { statement.bind(1, bytes_of(decision)); });
      if (!status.ok()) {
        return status;
      }
      forgotten += connection.database.changed_rows();
    }
    return DbStatus();
  }));
  return forgotten;
}

}  // namespace sinter
