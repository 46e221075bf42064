// SPDX-License-Identifier: Apache-2.0
#include "cache/gc.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "base/digest.h"
#include "cache/row_columns.h"
#include "cache/schema.h"
#include "cache/verdict_row.h"

namespace sinter {
namespace {

/// Rows of entry_use read in one step: some 64 KB.
constexpr std::int64_t kScanRows = 1000;

/// What one transaction deletes at most: it must end within a few milliseconds, since writers wait for it.
constexpr std::size_t kRemoveEntries = 64;
constexpr std::int64_t kRemoveBytes = std::int64_t{1} << 20;

/// After each transaction, so that a waiting writer gets its turn.
constexpr std::chrono::milliseconds kPause{1};

constexpr std::int64_t kHour = 3600;
/// Stamps that are older than this many hours (two years) count as this old: it bounds what a collection remembers.
constexpr std::int64_t kOldestHours = 2 * 366 * 24;
/// More compiler builds than this are not told apart, for the same reason.
constexpr std::size_t kMaxGenerations = 1000;

/// Free pages up to this part of the file stay in it, since the next entries will need them.
constexpr std::int64_t kFreePart = 8;
/// Steps of incremental vacuum in one collection: 1 GiB.
constexpr int kMaxVacuumSteps = 4096;

struct Use {
  Digest key;
  std::int64_t last_used_unix_s = 0;
  std::int64_t bytes = 0;
  std::int64_t generation = 0;
  std::int64_t pinned = 0;
};

struct Size {
  std::int64_t bytes = 0;
  std::int64_t entries = 0;
};

struct Generation {
  std::int64_t last_used_unix_s = 0;
  Digest newest;  ///< The entry that was used last.
};

struct Pages {
  std::int64_t all = 0, free = 0, size = 0;
  std::int64_t live_bytes() const { return (all - free) * size; }
};

DbStatus count_pages(Database& database, Pages& pages) {
  DbStatus status = database.query_integer(schema::kGetPageCount, pages.all);
  if (status.ok()) status = database.query_integer(schema::kGetFreePages, pages.free);
  if (status.ok()) status = database.query_integer(schema::kGetPageSize, pages.size);
  return status;
}

bool exceeds(std::int64_t value, std::int64_t limit) { return limit > 0 && value > limit; }

/// Of a limit that is exceeded four fifths, so that the next store does not exceed it again.
std::int64_t goal_of(std::int64_t value, std::int64_t limit) {
  if (limit <= 0) {
    return INT64_MAX;
  }
  return value > limit ? limit - limit / 5 : limit;
}

class Collector {
 public:
  Collector(const DatabaseRunner& run, const GcOptions& options) : run_(run), options_(options) {}

  Result<GcReport> collect() {
    SINTER_TRY_VOID(measure());
    if (!is_reached()) {
      SINTER_TRY_VOID(remove_bad());
      SINTER_TRY_VOID(find_dead_generations());
      SINTER_TRY_VOID(find_last_hour());
      for (const Turn turn : {Turn::kDead, Turn::kOlder, Turn::kLastHour}) {
        SINTER_TRY_VOID(remove_entries(turn));
      }
    }
    if (!options_.dry_run) {
      SINTER_TRY_VOID(vacuum());
    }
    report_.bytes_left = size_.bytes;
    return std::move(report_);
  }

 private:
  /// In which pass over the entries one goes.
  enum class Turn : std::uint8_t { kDead, kOlder, kLastHour, kStays };

  bool is_reached() const { return size_.bytes <= goal_.bytes && size_.entries <= goal_.entries; }
  bool is_over() const { return is_reached() || options_.should_stop(); }

  std::int64_t hour_of(const Use& use) const {
    const std::int64_t now = options_.now_unix_s / kHour;
    return std::clamp(use.last_used_unix_s / kHour, now - kOldestHours, now);
  }

  Turn turn_of(const Use& use) const {
    if (use.pinned != 0) return Turn::kStays;
    if (dead_.contains(use.generation)) return Turn::kDead;
    const std::int64_t hour = hour_of(use);
    return hour < last_hour_ ? Turn::kOlder : hour == last_hour_ ? Turn::kLastHour : Turn::kStays;
  }

  /// What an entry takes in the file: its bytes, and its part of what the file has beyond the bytes of all entries.
  std::int64_t file_bytes(std::int64_t entry_bytes) const {
    const double all = static_cast<double>(std::max<std::int64_t>(entry_bytes_, 1));
    const double part = std::min(static_cast<double>(entry_bytes) / all, 1.0);  // Rows change between two scans.
    return static_cast<std::int64_t>(part * static_cast<double>(report_.bytes));
  }

  Result<void> write(const std::function<DbStatus(SqliteConnection&)>& changes) {
    SINTER_TRY_VOID(run_("clean", [&](SqliteConnection& connection) {
      Transaction transaction(connection.database);
      DbStatus status = transaction.begin_write();
      if (status.ok()) status = changes(connection);
      return status.ok() ? transaction.commit() : status;
    }));
    std::this_thread::sleep_for(kPause);
    return {};
  }

  /// Reads the rows behind `last`, at most kScanRows.
  Result<std::vector<Use>> read_slice(const std::vector<std::byte>& last) {
    std::vector<Use> slice;
    SINTER_TRY_VOID(run_("read", [&](SqliteConnection& connection) {
      slice.clear();
      Statement statement;
      if (const DbStatus status = connection.database.prepare(schema::kScanUses, statement); !status.ok()) {
        return status;
      }
      statement.bind(1, std::span<const std::byte>(last));
      statement.bind(2, kScanRows);
      Step step = statement.step();
      for (; step == Step::kRow; step = statement.step()) {
        ColumnReader reader(statement);
        Use& use = slice.emplace_back();
        reader.read(use.key);
        reader.read(use.last_used_unix_s);
        reader.read(use.bytes);
        reader.read(use.generation);
        reader.read(use.pinned);
        if (!reader.problem().empty()) return DbStatus::damage();
        use.bytes = std::clamp<std::int64_t>(use.bytes, 0, Database::kMaxRowBytes);  // No checksum is over these rows.
      }
      return step == Step::kDone ? DbStatus() : statement.status();
    }));
    return slice;
  }

  /// Gives the rows of entry_use to `visit`, a slice at a time, until there are no more, it says that it has enough, or
  /// it is time to stop.
  Result<void> for_each_slice(const std::function<Result<bool>(const std::vector<Use>&)>& visit) {
    std::vector<std::byte> last;
    while (!options_.should_stop()) {
      SINTER_TRY(const std::vector<Use> slice, read_slice(last));
      SINTER_TRY(const bool has_enough, visit(slice));
      if (has_enough || std::ssize(slice) < kScanRows) {
        break;
      }
      const auto bytes = bytes_of(slice.back().key);
      last.assign(bytes.begin(), bytes.end());
    }
    return {};
  }

  Result<void> measure() {
    Pages pages;
    SINTER_TRY_VOID(
        run_("read", [&](SqliteConnection& connection) { return count_pages(connection.database, pages); }));
    const auto note = [&](const std::vector<Use>& slice) -> Result<bool> {
      std::vector<Use> future;
      for (const Use& use : slice) {
        ++size_.entries;
        entry_bytes_ += use.bytes;
        report_.pinned += use.pinned != 0 ? 1 : 0;
        if (use.last_used_unix_s > options_.now_unix_s + kHour) {
          future.push_back(use);
        }
        note_generation(use);
      }
      SINTER_TRY_VOID(stamp_now(future));
      return false;
    };
    SINTER_TRY_VOID(for_each_slice(note));
    size_.bytes = pages.live_bytes();
    report_.entries = size_.entries;
    report_.bytes = size_.bytes;
    goal_ = {goal_of(size_.bytes, options_.limits.max_bytes), goal_of(size_.entries, options_.limits.max_entries)};
    return {};
  }

  void note_generation(const Use& use) {
    if (generations_.size() >= kMaxGenerations && !generations_.contains(use.generation)) {
      return;
    }
    Generation& generation = generations_[use.generation];
    if (use.last_used_unix_s >= generation.last_used_unix_s) {
      generation = {std::min(use.last_used_unix_s, options_.now_unix_s), use.key};
    }
  }

  Result<void> stamp_now(const std::vector<Use>& uses) {
    if (options_.dry_run || uses.empty()) {
      return {};
    }
    return write([&](SqliteConnection& connection) {
      Statement stamp;
      DbStatus status;
      for (std::size_t i = 0; i < uses.size() && status.ok(); ++i) {
        status = connection.execute(stamp, schema::kStampUse, [&](Statement& statement) {
          statement.bind(1, bytes_of(uses[i].key));
          statement.bind(2, options_.now_unix_s);
        });
      }
      return status;
    });
  }

  Result<void> remove_bad() {
    std::int64_t rows = 0;
    SINTER_TRY_VOID(run_("read", [&](SqliteConnection& connection) {
      return connection.database.query_integer(schema::kCountBad, rows);
    }));
    for (; rows > 0 && !is_over(); --rows) {
      if (!options_.dry_run) {
        SINTER_TRY_VOID(write([&](SqliteConnection& connection) {
          Statement statement;
          const DbStatus status = connection.execute(statement, schema::kDeleteOldestBad, [](Statement&) {});
          return status.ok() ? remeasure(connection) : status;
        }));
      }
      ++report_.removed_bad;
      list({.reason = GcReason::kSetAside});
    }
    return {};
  }

  DbStatus remeasure(SqliteConnection& connection) {
    Pages pages;
    const DbStatus status = count_pages(connection.database, pages);
    size_.bytes = pages.live_bytes();
    return status;
  }

  Result<void> find_dead_generations() {
    std::vector<GenerationUse> uses;
    for (const auto& [id, generation] : generations_) {
      GenerationUse& use = uses.emplace_back();
      use.last_used_unix_s = generation.last_used_unix_s;
      SINTER_TRY_VOID(get_maker(generation.newest, [&](const Statement& row) { use.backend = row.column_text(1); }));
    }
    std::size_t i = 0;
    for (const auto& [id, generation] : generations_) {
      if (is_dead_generation(uses[i++], uses, options_.now_unix_s)) {
        dead_.insert(id);
      }
    }
    return {};
  }

  Result<void> get_maker(const Digest& key, const SqliteConnection::RowReader& read) {
    return run_("read", [&](SqliteConnection& connection) {
      Statement statement;
      return connection.query_row(
          statement, schema::kGetMaker, [&](Statement& bound) { bound.bind(1, bytes_of(key)); }, read);
    });
  }

  /// The hour whose entries must go in part if those of all earlier hours and of dead generations go whole.
  Result<void> find_last_hour() {
    Size left = size_;
    std::map<std::int64_t, Size> by_hour;
    SINTER_TRY_VOID(for_each_slice([&](const std::vector<Use>& slice) -> Result<bool> {
      for (const Use& use : slice) {
        if (use.pinned != 0) continue;
        Size& size = by_hour[dead_.contains(use.generation) ? INT64_MIN : hour_of(use)];
        size.bytes += use.bytes;
        ++size.entries;
      }
      return false;
    }));
    for (const auto& [hour, size] : by_hour) {
      last_hour_ = hour;
      left.bytes -= file_bytes(size.bytes);
      left.entries -= size.entries;
      if (left.bytes <= goal_.bytes && left.entries <= goal_.entries) {
        break;
      }
    }
    return {};
  }

  Result<void> remove_entries(Turn turn) {
    if (is_over() || (turn == Turn::kDead && dead_.empty())) {
      return {};
    }
    return for_each_slice([&](const std::vector<Use>& slice) -> Result<bool> {
      std::vector<Use> batch;
      std::int64_t bytes = 0;
      for (std::size_t i = 0; i < slice.size() && !is_over(); ++i) {
        if (turn_of(slice[i]) == turn) {
          batch.push_back(slice[i]);
          bytes += slice[i].bytes;
        }
        const bool is_full = batch.size() >= batch_limit() || bytes >= byte_limit() || i + 1 == slice.size();
        if (is_full && !batch.empty()) {
          SINTER_TRY_VOID(remove(batch, turn == Turn::kDead ? GcReason::kDeadGeneration : GcReason::kLeastRecentlyUsed));
          batch.clear();
          bytes = 0;
        }
      }
      return is_over();
    });
  }

  /// The transaction's limits, or what must still go if that is less.
  std::size_t batch_limit() const {
    const std::int64_t excess = std::max<std::int64_t>(size_.entries - goal_.entries, 1);
    return size_.bytes > goal_.bytes ? kRemoveEntries : std::min(kRemoveEntries, static_cast<std::size_t>(excess));
  }
  std::int64_t byte_limit() const {
    return size_.bytes > goal_.bytes ? std::min(kRemoveBytes, size_.bytes - goal_.bytes) : kRemoveBytes;
  }

  Result<void> remove(const std::vector<Use>& batch, GcReason reason) {
    std::vector<GcVictim> victims;
    for (const Use& use : batch) {
      GcVictim& victim = victims.emplace_back();
      victim = {to_hex(use.key), {}, use.bytes, use.last_used_unix_s, reason};
      if (options_.list_victims && report_.victims.size() + victims.size() <= kMaxListedVictims) {
        SINTER_TRY_VOID(get_maker(use.key, [&](const Statement& row) { victim.spec = row.column_text(0); }));
      }
    }
    std::vector<bool> is_removed(batch.size(), true);
    if (!options_.dry_run) {
      SINTER_TRY_VOID(write([&](SqliteConnection& connection) {
        Statement take;
        DbStatus status;
        std::vector<Digest> removed;
        for (std::size_t i = 0; i < batch.size() && status.ok(); ++i) {
          status = connection.execute(take, schema::kTakeUse, [&](Statement& statement) {
            statement.bind(1, bytes_of(batch[i].key));
            statement.bind(2, batch[i].last_used_unix_s);
          });
          is_removed[i] = status.ok() && connection.database.changed_rows() > 0;
          if (is_removed[i]) {
            status = connection.execute(connection.delete_entry, schema::kDeleteEntry,
                                        [&](Statement& statement) { statement.bind(1, bytes_of(batch[i].key)); });
            removed.push_back(batch[i].key);
          }
        }
        if (status.ok()) status = delete_verdicts(connection, removed);
        return status.ok() ? remeasure(connection) : status;
      }));
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!is_removed[i] || (options_.dry_run && is_reached())) continue;
      --size_.entries;
      size_.bytes -= options_.dry_run ? file_bytes(batch[i].bytes) : 0;
      ++report_.removed_entries;
      report_.removed_bytes += batch[i].bytes;
      list(std::move(victims[i]));
    }
    return {};
  }

  void list(GcVictim victim) {
    if (options_.list_victims && report_.victims.size() < kMaxListedVictims) {
      report_.victims.push_back(std::move(victim));
    }
  }

  Result<void> vacuum() {
    for (int step = 0; step < kMaxVacuumSteps && !options_.should_stop(); ++step) {
      bool is_small = false;
      SINTER_TRY_VOID(run_("clean", [&](SqliteConnection& connection) {
        Pages pages;
        DbStatus status = count_pages(connection.database, pages);
        is_small = pages.free <= pages.all / kFreePart;
        if (status.ok() && !is_small) status = connection.database.execute(schema::kVacuumSome);
        return status;
      }));
      if (is_small) {
        break;
      }
      std::this_thread::sleep_for(kPause);
    }
    return {};
  }

  const DatabaseRunner& run_;
  const GcOptions& options_;
  GcReport report_;
  Size size_, goal_;
  std::int64_t entry_bytes_ = 0;  // Of all entries, as entry_use has them.
  std::int64_t last_hour_ = INT64_MIN;
  std::map<std::int64_t, Generation> generations_;
  std::set<std::int64_t> dead_;
};

}  // namespace

std::string_view gc_reason_name(GcReason reason) {
  switch (reason) {
    case GcReason::kSetAside: return "set aside";
    case GcReason::kDeadGeneration: return "dead compiler generation";
    case GcReason::kLeastRecentlyUsed: return "least recently used";
  }
  return "?";
}

bool is_dead_generation(const GenerationUse& generation, const std::vector<GenerationUse>& all,
                        std::int64_t now_unix_s) {
  if (now_unix_s - generation.last_used_unix_s < kDeadAfterS) {
    return false;
  }
  return std::any_of(all.begin(), all.end(), [&](const GenerationUse& other) {
    return other.backend == generation.backend && other.last_used_unix_s > generation.last_used_unix_s;
  });
}

Result<bool> exceeds_limits(const DatabaseRunner& run, const CacheLimits& limits) {
  Pages pages;
  std::int64_t entries = 0;
  SINTER_TRY_VOID(run("read", [&](SqliteConnection& connection) {
    DbStatus status = count_pages(connection.database, pages);
    if (status.ok() && limits.max_entries > 0) {
      status = connection.database.query_integer(schema::kEntrySpan, entries);
      if (status.ok() && entries > limits.max_entries) {
        status = connection.database.query_integer(schema::kCountUses, entries);
      }
    }
    return status;
  }));
  return exceeds(pages.live_bytes(), limits.max_bytes) || exceeds(entries, limits.max_entries);
}

Result<GcReport> collect_garbage(const DatabaseRunner& run, const GcOptions& options) {
  return Collector(run, options).collect();
}

}  // namespace sinter
