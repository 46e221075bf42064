// SPDX-License-Identifier: Apache-2.0
#include "cache/sqlite_store.h"

#include <fmt/format.h>

#include <ctime>
#include <span>
#include <utility>

#include "base/digest.h"
#include "base/file.h"
#include "cache/entry_file.h"
#include "cache/entry_row.h"
#include "cache/failure_row.h"
#include "cache/row_columns.h"
#include "cache/schema.h"
#include "cache/verdict_row.h"

namespace sinter {
namespace {

std::int64_t unix_now() { return static_cast<std::int64_t>(std::time(nullptr)); }

std::int64_t identity_checksum(std::string_view stamp, std::string_view identity) {
  return static_cast<std::int64_t>(checksum64(as_bytes(fmt::format("{}:{}{}", stamp.size(), stamp, identity))));
}

}  // namespace

SqliteStore::SqliteStore(SqliteStoreOptions options, std::function<void(std::string)> on_problem)
    : options_(std::move(options)),
      on_problem_(std::move(on_problem)),
      pool_({.directory = options_.directory,
             .allow_shared_directory = options_.allow_shared_directory,
             .busy_timeout = options_.busy_timeout,
             .journal = options_.journal},
            on_problem_),
      upkeep_(pool_, options_.limits, options_.usage, on_problem_) {}

void SqliteStore::note_load(const Digest& key) {
  if (options_.usage != nullptr) {
    options_.usage->note_load(key);
    upkeep_.note_count();
  }
}

void SqliteStore::note_cause(const Digest& key, std::string_view cause) {
  if (options_.usage != nullptr) {
    options_.usage->note_cause(key, cause);
  }
}

Result<std::shared_ptr<const CodeObject>> SqliteStore::get(const CacheKey& key) {
  const std::string key_fields = key_fields_to_json(key.fields);
  if (auto code = get_directly({key.digest, key_fields})) {
    note_load(key.digest);
    return std::make_shared<const CodeObject>(std::move(*code));
  }
  std::optional<Result<EntryRow>> row;
  SINTER_TRY_VOID(pool_.run("read", [&](SqliteConnection& connection) {
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
  std::string refusal;
  const auto open = [&]() -> Result<CodeObject> {
    SINTER_TRY(EntryRow columns, std::move(*row));
    refusal = options_.signatures == nullptr ? "" : options_.signatures->refusal(columns);
    return open_entry(std::move(columns), {key.digest, key_fields});
  };
  auto code = open();
  if (!code) {
    set_entry_aside(key, code.error().message);
    return std::shared_ptr<const CodeObject>();
  }
  if (!refusal.empty()) {
    note_cause(key.digest, kCauseUntrusted);
    // The row stays: under another policy, or with another key trusted, it is good.
    on_problem_(fmt::format("an entry of the kernel cache {} is not used since {}, and SINTER_SIGNATURES is all; such "
                            "kernels are compiled again, and signed if SINTER_SIGNING_KEY is set",
                            pool_.files().database, refusal));
    return std::shared_ptr<const CodeObject>();
  }
  upkeep_.note_use(key.digest);
  note_load(key.digest);
  return std::make_shared<const CodeObject>(std::move(*code));
}

std::optional<CodeObject> SqliteStore::get_directly(const ExpectedKey& key) {
  const Database::DirectRead direct;
  if (!direct.is_allowed() ||
      !(options_.allow_shared_directory || check_private_directory(options_.directory).has_value())) {
    return std::nullopt;
  }
  const auto file = EntryFile::open(pool_.files().database, EntryFileKind::kLocal);
  auto row = file ? file->find(key.digest) : std::nullopt;
  if (!row || (options_.signatures != nullptr && !options_.signatures->refusal(*row).empty())) {
    return std::nullopt;
  }
  auto code = open_entry(std::move(*row), key);
  if (!code) {
    return std::nullopt;
  }
  const auto stamp = file->last_used(key.digest);
  const std::int64_t now = unix_now();
  if (!stamp || *stamp < now - schema::kStampAgeS || *stamp > now + schema::kStampAgeS) {
    upkeep_.note_use(key.digest);
  }
  return std::move(*code);
}

Result<void> SqliteStore::put(const CacheKey& key, std::shared_ptr<const CodeObject> code) {
  return put(key, std::move(code), Provenance::kCompiledHere);
}

Result<void> SqliteStore::put(const CacheKey& key, std::shared_ptr<const CodeObject> code, std::string_view origin) {
  SINTER_TRY(EntryRow row, seal_entry(key, *code, {.writer = options_.writer, .origin = origin}));
  return put_row(std::move(row));
}

Result<void> SqliteStore::put_row(EntryRow row) {
  if (options_.signatures != nullptr) {
    options_.signatures->sign(row);
  }
  return put_foreign_row(row);
}

Result<void> SqliteStore::put_foreign_row(const EntryRow& row) {
  int log_pages = 0;
  const auto changes = [&](SqliteConnection& connection) {
    DbStatus status = connection.execute(connection.put_entry, schema::kPutEntry,
                                         [&](Statement& statement) { bind_entry_row(statement, row); });
    if (status.ok()) {
      status = connection.execute(connection.put_use, schema::kPutUse, [&](Statement& statement) {
        statement.bind(1, bytes_of(row.key));
        statement.bind(2, unix_now());
        statement.bind(3, entry_bytes(row));
        statement.bind(4, entry_generation(row));
      });
    }
    return status;
  };
  SINTER_TRY_VOID(write(changes, &log_pages));
  upkeep_.note_store(entry_bytes(row), log_pages);
  return {};
}

void SqliteStore::set_entry_aside(const CacheKey& key, const std::string& reason) {
  bad_entries_.fetch_add(1, std::memory_order_relaxed);
  note_cause(key.digest, kCauseDamaged);
  on_problem_(
      fmt::format("the entry {} ({}) of the kernel cache {} is damaged: {}; it is kept for study and compiled again",
                  to_hex(key.digest).substr(0, 16), key.field(kSpecKeyField), pool_.files().database, reason));
  const auto moved = write([&](SqliteConnection& connection) {
    DbStatus status = connection.execute(connection.copy_to_bad, schema::kCopyToBad, [&](Statement& statement) {
      statement.bind(1, bytes_of(key.digest));
      statement.bind(2, unix_now());
      statement.bind(3, std::string_view(reason));
    });
    const auto bind_digest = [&](Statement& statement) { statement.bind(1, bytes_of(key.digest)); };
    if (status.ok()) status = connection.execute(connection.delete_entry, schema::kDeleteEntry, bind_digest);
    if (status.ok()) status = connection.execute(connection.delete_use, schema::kDeleteUse, bind_digest);
    if (status.ok()) status = delete_verdicts(connection, std::span(&key.digest, 1));
    if (status.ok()) {
      status = connection.execute(connection.trim_bad, schema::kTrimBad,
                                  [](Statement& statement) { statement.bind(1, schema::kMaxBadRows); });
    }
    return status;
  });
  if (!moved) {
    on_problem_(moved.error().message);  // The row stays: a miss again, until it is overwritten.
  }
}

Result<std::vector<CacheKey>> SqliteStore::keys_of_spec(std::string_view spec) {
  std::vector<CacheKey> keys;
  SINTER_TRY_VOID(pool_.run("read", [&](SqliteConnection& connection) {
    keys.clear();
    return read_keys_of_spec(connection, spec, keys);
  }));
  return keys;
}

Result<std::optional<std::string>> SqliteStore::compiler_identity(std::string_view stamp) {
  std::optional<std::string> identity;
  SINTER_TRY_VOID(pool_.run("read", [&](SqliteConnection& connection) {
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
  return write([&](SqliteConnection& connection) {
    DbStatus status = connection.execute(connection.put_identity, schema::kPutIdentity, [&](Statement& statement) {
      statement.bind(1, stamp);
      statement.bind(2, identity);
      statement.bind(3, identity_checksum(stamp, identity));
    });
    if (status.ok()) {
      status = connection.execute(connection.trim_identity, schema::kTrimIdentity,
                                  [](Statement& statement) { statement.bind(1, schema::kMaxIdentityRows); });
    }
    return status;
  });
}

// --- Failed compiles ---

Result<std::optional<CompileFailure>> SqliteStore::failure(const CacheKey& key) {
  std::optional<Result<FailureRow>> row;
  SINTER_TRY_VOID(pool_.run("read", [&](SqliteConnection& connection) {
    row.reset();
    return connection.query_row(
        connection.get_failure, schema::kGetFailure,
        [&](Statement& statement) { statement.bind(1, bytes_of(key.digest)); },
        [&](const Statement& statement) { row = read_failure_row(statement); });
  }));
  if (!row) {
    return std::optional<CompileFailure>();
  }
  const auto open = [&]() -> Result<CompileFailure> {
    SINTER_TRY(FailureRow columns, std::move(*row));
    return open_failure(std::move(columns), key, unix_now());
  };
  auto failure = open();
  if (!failure) {
    // It cannot be believed, and the next failure says more than a row kept for study would.
    SINTER_TRY_VOID(forget_failures({key.digest, key.digest}));
    return std::optional<CompileFailure>();
  }
  return std::optional(std::move(*failure));
}

Result<void> SqliteStore::remember_failure(const CacheKey& key, const CompileFailure& failure) {
  const FailureRow row = seal_failure(key, failure);
  return write([&](SqliteConnection& connection) {
    DbStatus status = connection.execute(connection.put_failure, schema::kPutFailure,
                                         [&](Statement& statement) { bind_failure_row(statement, row); });
    if (status.ok()) {
      status = connection.execute(connection.trim_failure, schema::kTrimFailure,
                                  [](Statement& statement) { statement.bind(1, schema::kMaxFailureRows); });
    }
    return status;
  });
}

Result<std::int64_t> SqliteStore::forget_failures(const KeyRange& keys) {
  std::int64_t forgotten = 0;
  SINTER_TRY_VOID(pool_.run("write", [&](SqliteConnection& connection) {
    const DbStatus status =
        connection.execute(connection.delete_failure, schema::kDeleteFailure, [&](Statement& statement) {
          statement.bind(1, bytes_of(keys.lowest));
          statement.bind(2, bytes_of(keys.highest));
        });
    forgotten = connection.database.changed_rows();
    return status;
  }));
  return forgotten;
}

// --- Golden checks ---

Result<std::optional<GoldenVerdict>> SqliteStore::verdict(const Digest& key, const GoldenPlace& place) {
  std::optional<GoldenVerdict> verdict;
  SINTER_TRY_VOID(pool_.run("read", [&](SqliteConnection& connection) { return read_verdict(connection, key, place, verdict); }));
  return verdict;
}

Result<void> SqliteStore::remember_verdict(const Digest& key, const GoldenVerdict& verdict) {
  return write([&](SqliteConnection& connection) { return write_verdict(connection, key, verdict); });
}

Result<std::int64_t> SqliteStore::forget_failed_verdicts(const KeyRange& keys) {
  std::int64_t forgotten = 0;
  SINTER_TRY_VOID(pool_.run("write", [&](SqliteConnection& connection) { return delete_failed_verdicts(connection, keys, forgotten); }));
  return forgotten;
}

// --- Growth ---

Result<GcReport> SqliteStore::collect_garbage(const CacheLimits& limits, bool dry_run) {
  const DatabaseRunner run = [this](std::string_view action, const std::function<DbStatus(SqliteConnection&)>& step) {
    return pool_.run(action, step);
  };
  return sinter::collect_garbage(
      run, {.limits = limits, .now_unix_s = unix_now(), .dry_run = dry_run, .list_victims = true});
}

Result<bool> SqliteStore::set_pinned(const Digest& key, bool pinned) {
  bool is_found = false;
  SINTER_TRY_VOID(pool_.run("write", [&](SqliteConnection& connection) {
    Statement set_pin;
    const DbStatus status = connection.execute(set_pin, schema::kSetPin, [&](Statement& statement) {
      statement.bind(1, bytes_of(key));
      statement.bind(2, std::int64_t{pinned ? 1 : 0});
      statement.bind(3, unix_now());
    });
    is_found = connection.database.changed_rows() > 0;
    return status;
  }));
  return is_found;
}

Result<void> SqliteStore::write(const std::function<DbStatus(SqliteConnection&)>& changes, int* log_pages) {
  return pool_.run("write", [&](SqliteConnection& connection) {
    Transaction transaction(connection.database);
    DbStatus status = transaction.begin_write();
    if (status.ok()) status = changes(connection);
    if (status.ok()) status = transaction.commit();
    if (log_pages != nullptr) *log_pages = connection.database.log_pages();
    return status;
  });
}

}  // namespace sinter
