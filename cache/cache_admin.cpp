// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_admin.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "base/digest.h"
#include "base/file.h"
#include "base/hex.h"
#include "cache/database_files.h"
#include "cache/entry_row.h"
#include "cache/key_difference.h"
#include "cache/row_columns.h"
#include "cache/schema.h"
#include "cache/sqlite_db.h"
#include "cache/verdict_row.h"

namespace sinter {
namespace {

/// A tool has more patience than a launch.
constexpr std::chrono::seconds kLongestWait{5};

constexpr std::size_t kKeyDigits = 64;

Error failed(std::string message) { return make_error(ErrorCode::kCacheError, std::move(message)); }

std::string format_name(std::int64_t format) {
  const std::string_view name = format >= 1 && format <= 255 ? code_format_name(static_cast<CodeFormat>(format)) : "";
  return name.empty() ? fmt::format("unknown ({})", format) : std::string(name);
}

CacheEntry to_entry(EntryRow row) {
  CacheEntry entry;
  entry.problem = check_whole_entry(row);
  if (auto fields = key_fields_from_json(row.key_fields); fields) {
    entry.key_fields = std::move(*fields);
  }
  if (auto facts = code_facts_from_json(row.facts); facts) {
    entry.object.facts = std::move(*facts);
  }
  entry.info = {.key = to_hex(row.key),
                .spec = std::move(row.spec),
                .family = std::move(row.family),
                .arch = std::move(row.arch),
                .format = format_name(row.format),
                .backend = row.backend,
                .compiler = row.compiler,
                .code_bytes = static_cast<std::int64_t>(row.code.size()),
                .created_unix_s = row.created_unix_s,
                .compile_ms = row.compile_ms};
  entry.object.format = static_cast<CodeFormat>(row.format);
  entry.object.entry = std::move(row.entry);
  entry.object.code = std::move(row.code);
  entry.object.backend = std::move(row.backend);
  entry.object.compiler = std::move(row.compiler);
  entry.object.log = std::move(row.log);
  entry.object.source = std::move(row.source);
  entry.object.compile_ms = row.compile_ms;
  entry.object.created_unix_s = row.created_unix_s;
  entry.writer = std::move(row.writer);
  entry.origin = std::move(row.origin);
  entry.is_signed = !row.signature.empty();
  entry.sha256 = to_hex(row.sha256);
  return entry;
}

}  // namespace

struct CacheAdmin::State {
  DatabaseFiles files;
  Database database;
  bool is_bundle = false;
  std::unique_ptr<Transaction> frozen;

  explicit State(const std::string& directory) : files(directory) {}

  Error fault(const DbStatus& status) const {
    return failed(fmt::format("cannot read the {} {}: {}", is_bundle ? "bundle" : "kernel cache", files.database, status.text()));
  }

  /// Runs a query and gives each row to `read`.
  template <class Bind, class Read>
  Result<void> query(std::string_view sql, Bind bind, Read read) {
    database.start_operation(kLongestWait);
    Statement statement;
    if (const DbStatus status = database.prepare(sql, statement); !status.ok()) {
      return fault(status);
    }
    bind(statement);
    for (;;) {
      switch (statement.step()) {
        case Step::kRow: read(statement); break;
        case Step::kDone: return {};
        case Step::kFailed: return fault(statement.status());
      }
    }
  }
  template <class Read>
  Result<void> query(std::string_view sql, Read read) {
    return query(sql, [](Statement&) {}, read);
  }

  /// Within a frozen state there is a snapshot already.
  Result<void> begin(Transaction& snapshot) {
    if (frozen != nullptr) {
      return {};
    }
    const DbStatus status = snapshot.begin_read();
    return status.ok() ? Result<void>() : fault(status);
  }

  Result<EntryRow> row(std::int64_t number) {
    Result<EntryRow> row = failed("an index names a row that does not exist");
    SINTER_TRY_VOID(query(
        schema::kGetWholeEntry, [&](Statement& statement) { statement.bind(1, number); },
        [&](const Statement& statement) { row = read_entry_row(statement, RowPart::kWhole); }));
    return row;
  }

  /// False of a database that nobody has counted anything in yet, and of a bundle.
  Result<bool> has_usage_tables() {
    std::int64_t tables = 0;
    const DbStatus status = database.query_integer(schema::kHasUsageTables, tables);
    return status.ok() ? Result<bool>(tables == 2) : fault(status);
  }

  Result<void> check_schema();
};

Result<void> CacheAdmin::State::check_schema() {
  std::int64_t version = 0;
  std::int64_t application_id = 0;
  DbStatus status = database.query_integer(schema::kGetUserVersion, version);
  if (status.ok()) status = database.query_integer(schema::kGetApplicationId, application_id);
  if (!status.ok()) {
    return fault(status);
  }
  const std::int64_t expected = is_bundle ? schema::bundle_application_id(version) : schema::application_id(version);
  if (application_id != expected) {
    return failed(fmt::format("{} is not a {} of Sinter (application id {:#x})", files.database,
                              is_bundle ? "bundle" : "kernel cache", application_id));
  }
  if (version != schema::kVersion) {
    return failed(fmt::format("the kernel cache {} has schema {}, this Sinter reads {}", files.database, version,
                              schema::kVersion));
  }
  return {};
}

CacheAdmin::CacheAdmin(std::unique_ptr<State> state) : state_(std::move(state)) {}
CacheAdmin::CacheAdmin(CacheAdmin&&) noexcept = default;
CacheAdmin& CacheAdmin::operator=(CacheAdmin&&) noexcept = default;
CacheAdmin::~CacheAdmin() = default;

const std::string& CacheAdmin::database_path() const { return state_->files.database; }

bool CacheAdmin::exists(const std::string& directory) {
  const DatabaseFiles files(directory);
  struct stat info {};
  if (stat(files.database.c_str(), &info) != 0) {
    return errno != ENOENT;
  }
  // One whose maker was killed half-way has no schema: the next process finishes it.
  Database database;
  std::int64_t version = 0;
  std::int64_t application_id = 0;
  if (!S_ISREG(info.st_mode) || !Database::open(files.database, OpenMode::kReadOnly, database).ok()) {
    return true;
  }
  database.skip_checkpoint_on_close();
  database.start_operation(kLongestWait);
  return !database.query_integer(schema::kGetUserVersion, version).ok() ||
         !database.query_integer(schema::kGetApplicationId, application_id).ok() || version != 0 ||
         application_id != 0;
}

Result<CacheAdmin> CacheAdmin::open(const std::string& directory) {
  struct stat info {};
  if (stat(directory.c_str(), &info) != 0) {
    return failed(fmt::format("cannot open the cache directory {}: {}", directory, errno_text(errno)));
  }
  auto state = std::make_unique<State>(directory);
  if (stat(state->files.database.c_str(), &info) != 0) {
    return failed(errno == ENOENT
                      ? fmt::format("there is no kernel cache in {}: it has no {}", directory, schema::kFileName)
                      : fmt::format("cannot open {}: {}", state->files.database, errno_text(errno)));
  }
  // A database with a log needs its shared memory even to be read. Where that cannot be made, on a read-only medium,
  // nobody else writes either.
  DbStatus status;
  for (const OpenMode mode : {OpenMode::kReadOnly, OpenMode::kImmutable}) {
    std::int64_t version = 0;
    state->database = Database();
    status = Database::open(state->files.database, mode, state->database);
    if (status.ok()) {
      state->database.skip_checkpoint_on_close();
      state->database.start_operation(kLongestWait);
      status = state->database.query_integer(schema::kGetUserVersion, version);
    }
    if (status.ok() || status.is_damage() || status.is_busy()) {
      break;
    }
  }
  if (!status.ok()) {
    return state->fault(status);
  }
  SINTER_TRY_VOID(state->check_schema());
  return CacheAdmin(std::move(state));
}

Result<CacheAdmin> CacheAdmin::open_bundle(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return failed(fmt::format("cannot open the bundle {}: {}", path, errno_text(errno)));
  }
  if (!S_ISREG(info.st_mode)) {
    return failed(fmt::format("{} is not a regular file", path));
  }
  auto state = std::make_unique<State>("");
  state->files.database = path;
  state->is_bundle = true;
  if (const DbStatus status = Database::open(path, OpenMode::kImmutable, state->database); !status.ok()) {
    return state->fault(status);
  }
  state->database.start_operation(kLongestWait);
  SINTER_TRY_VOID(state->check_schema());
  return CacheAdmin(std::move(state));
}

Result<void> CacheAdmin::freeze() {
  auto snapshot = std::make_unique<Transaction>(state_->database);
  SINTER_TRY_VOID(state_->begin(*snapshot));
  if (state_->frozen == nullptr) {
    state_->frozen = std::move(snapshot);
  }
  return {};
}

Result<std::vector<RowInfo>> CacheAdmin::rows_by_key() {
  std::vector<RowInfo> rows;
  SINTER_TRY_VOID(state_->query(schema::kListRowsByKey, [&](const Statement& row) {
    rows.push_back({row.column_integer(0), std::string(row.column_text(1)), std::string(row.column_text(2))});
  }));
  return rows;
}

Result<EntryRow> CacheAdmin::read_row(std::int64_t number) { return state_->row(number); }

Result<std::optional<EntryRow>> CacheAdmin::find_row(const Digest& key) {
  std::optional<std::int64_t> number;
  SINTER_TRY_VOID(state_->query(
      schema::kFindRows,
      [&](Statement& statement) {
        statement.bind(1, bytes_of(key));
        statement.bind(2, bytes_of(key));
      },
      [&](const Statement& row) { number = row.column_integer(0); }));
  if (!number) {
    return std::optional<EntryRow>();
  }
  SINTER_TRY(EntryRow row, state_->row(*number));
  return std::optional(std::move(row));
}

Result<std::vector<EntryInfo>> CacheAdmin::list() {
  std::vector<EntryInfo> entries;
  SINTER_TRY_VOID(state_->query(schema::kListEntries, [&](const Statement& row) {
    entries.push_back({.key = hex_of(row.column_bytes(0)),
                       .spec = std::string(row.column_text(1)),
                       .family = std::string(row.column_text(2)),
                       .arch = std::string(row.column_text(3)),
                       .format = format_name(row.column_integer(4)),
                       .backend = std::string(row.column_text(5)),
                       .compiler = std::string(row.column_text(6)),
                       .code_bytes = row.column_integer(7),
                       .created_unix_s = row.column_integer(8),
                       .compile_ms = row.column_real(9)});
  }));
  return entries;
}

Result<CacheEntry> CacheAdmin::show(std::string_view key_prefix) {
  const auto keys = keys_with_prefix(key_prefix);
  if (key_prefix.empty() || !keys) {
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("'{}' is no key: 1 to {} hex digits are", key_prefix, kKeyDigits));
  }
  Transaction snapshot(state_->database);
  SINTER_TRY_VOID(state_->begin(snapshot));
  std::vector<std::int64_t> rows;
  SINTER_TRY_VOID(state_->query(
      schema::kFindRows,
      [&](Statement& statement) {
        statement.bind(1, bytes_of(keys->lowest));
        statement.bind(2, bytes_of(keys->highest));
      },
      [&](const Statement& row) { rows.push_back(row.column_integer(0)); }));
  if (rows.empty()) {
    return failed(fmt::format("no entry of {} has a key that starts with {}", database_path(), key_prefix));
  }
  if (rows.size() > 1) {
    return failed(fmt::format("several entries of {} have keys that start with {}: give more digits", database_path(),
                              key_prefix));
  }
  auto row = state_->row(rows.front());
  if (!row) {
    return failed(
        fmt::format("the entry {} of {} cannot be shown: {}", key_prefix, database_path(), row.error().message));
  }
  return to_entry(std::move(*row));
}

Result<VerifyReport> CacheAdmin::verify() {
  Transaction snapshot(state_->database);
  SINTER_TRY_VOID(state_->begin(snapshot));
  VerifyReport report;
  SINTER_TRY_VOID(state_->query(schema::kQuickCheck, [&](const Statement& row) {
    if (row.column_text(0) != "ok") {
      report.file_problems.emplace_back(row.column_text(0));
    }
  }));
  std::vector<std::int64_t> rows;
  SINTER_TRY_VOID(
      state_->query(schema::kListRows, [&](const Statement& row) { rows.push_back(row.column_integer(0)); }));
  for (const std::int64_t number : rows) {
    auto row = state_->row(number);
    ++report.checked;
    if (!row) {
      report.damaged.push_back({.key = {}, .spec = fmt::format("row {}", number), .reason = row.error().message});
    } else if (std::string problem = check_whole_entry(*row); !problem.empty()) {
      report.damaged.push_back({.key = to_hex(row->key), .spec = row->spec, .reason = std::move(problem)});
    }
  }
  return report;
}

Result<std::vector<BadEntry>> CacheAdmin::bad_entries() {
  std::vector<BadEntry> entries;
  if (state_->is_bundle) {
    return entries;
  }
  SINTER_TRY_VOID(state_->query(schema::kListBad, [&](const Statement& row) {
    entries.push_back({.key = hex_of(row.column_bytes(0)),
                       .spec = std::string(row.column_text(1)),
                       .reason = std::string(row.column_text(2)),
                       .found_unix_s = row.column_integer(3)});
  }));
  return entries;
}

// --- Use, counts, failures ---

Result<std::map<std::string, EntryUse>> CacheAdmin::uses() {
  std::map<std::string, EntryUse> uses;
  if (state_->is_bundle) {
    return uses;
  }
  SINTER_TRY_VOID(state_->query(schema::kListUses, [&](const Statement& row) {
    uses[hex_of(row.column_bytes(0))] = {.last_used_unix_s = row.column_integer(1), .pinned = row.column_integer(2) != 0};
  }));
  SINTER_TRY(const bool counted, state_->has_usage_tables());
  if (counted) {
    SINTER_TRY_VOID(state_->query(schema::kListLoads, [&](const Statement& row) {
      if (const auto use = uses.find(hex_of(row.column_bytes(0))); use != uses.end()) {
        use->second.loads = row.column_integer(1);
      }
    }));
  }
  return uses;
}

Result<std::vector<HourCount>> CacheAdmin::counts() {
  std::vector<HourCount> counts;
  SINTER_TRY(const bool counted, state_->has_usage_tables());
  if (counted) {
    SINTER_TRY_VOID(state_->query(schema::kListCounts, [&](const Statement& row) {
      counts.push_back({row.column_integer(0), std::string(row.column_text(1)), row.column_integer(2)});
    }));
  }
  return counts;
}

Result<std::vector<FailedCompile>> CacheAdmin::failures() {
  std::vector<FailedCompile> failures;
  if (state_->is_bundle) {
    return failures;
  }
  SINTER_TRY_VOID(state_->query(schema::kListFailures, [&](const Statement& row) {
    failures.push_back({.key = hex_of(row.column_bytes(0)),
                        .spec = std::string(row.column_text(1)),
                        .arch = std::string(row.column_text(2)),
                        .crashed = row.column_integer(3) != 0,
                        .failed_unix_s = row.column_integer(4),
                        .message = std::string(row.column_text(5))});
  }));
  return failures;
}

Result<std::vector<GoldenVerdict>> CacheAdmin::verdicts(const Digest& key) {
  std::vector<GoldenVerdict> verdicts;
  if (state_->is_bundle) {
    return verdicts;
  }
  state_->database.start_operation(kLongestWait);
  const DbStatus status = list_verdicts(state_->database, key, verdicts);
  return status.ok() ? Result<std::vector<GoldenVerdict>>(std::move(verdicts)) : state_->fault(status);
}

Result<void> CacheAdmin::visit_facts(const std::function<void(std::string_view key, const CodeFacts& facts)>& visit) {
  return state_->query(schema::kListFacts, [&](const Statement& row) {
    if (const auto facts = code_facts_from_json(row.column_text(1))) {
      visit(hex_of(row.column_bytes(0)), *facts);
    }
  });
}

Result<std::optional<NearKey>> CacheAdmin::nearest(const CacheKey& wanted) {
  std::vector<CacheKey> same_spec;
  SINTER_TRY_VOID(state_->query(
      schema::kListKeysOfSpec, [&](Statement& statement) { statement.bind(1, wanted.field(kSpecKeyField)); },
      [&](const Statement& row) {
        if (auto fields = key_fields_from_json(row.column_text(1))) {
          same_spec.push_back(make_cache_key(std::move(*fields)));
        }
      }));
  if (const CacheKey* key = nearest_key(wanted, same_spec)) {
    return std::optional(NearKey{*key, true});
  }
  std::int64_t number = 0;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  SINTER_TRY_VOID(state_->query(
      schema::kListSpecs,
      [&](Statement& statement) {
        statement.bind(1, wanted.field(kFamilyKeyField));
        statement.bind(2, wanted.field(kArchKeyField));
      },
      [&](const Statement& row) {
        const std::size_t distance = spec_distance(wanted.field(kSpecKeyField), row.column_text(1));
        if (distance > 0 && distance < least) {
          least = distance;
          number = row.column_integer(0);
        }
      }));
  if (least == std::numeric_limits<std::size_t>::max()) {
    return std::optional<NearKey>();
  }
  SINTER_TRY(const EntryRow row, state_->row(number));
  SINTER_TRY(std::vector<KeyField> fields, key_fields_from_json(row.key_fields));
  return std::optional(NearKey{make_cache_key(std::move(fields)), false});
}

Result<bool> CacheAdmin::contains(const Digest& key) {
  bool found = false;
  SINTER_TRY_VOID(state_->query(
      schema::kFindRows,
      [&](Statement& statement) {
        statement.bind(1, bytes_of(key));
        statement.bind(2, bytes_of(key));
      },
      [&](const Statement&) { found = true; }));
  return found;
}

}  // namespace sinter
