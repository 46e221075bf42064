// SPDX-License-Identifier: Apache-2.0
#include "cache/usage_log.h"

#include <fmt/format.h>

#include <ctime>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cache/key_difference.h"
#include "cache/row_columns.h"
#include "cache/schema.h"

namespace sinter {
namespace {

constexpr std::chrono::seconds kInterval{60};

std::int64_t this_hour() { return static_cast<std::int64_t>(std::time(nullptr)) / 3600; }

/// Why the key was not found, by what the database has now: the new entry may be among it already.
DbStatus explain(SqliteConnection& connection, const NotedMiss& miss, std::string& cause) {
  cause = miss.cause;
  if (!cause.empty()) {
    return {};
  }
  bool has_failed = false;
  DbStatus status = connection.query_row(
      connection.get_failure, schema::kGetFailure,
      [&](Statement& statement) { statement.bind(1, bytes_of(miss.key.digest)); },
      [&](const Statement&) { has_failed = true; });
  std::vector<CacheKey> stored;
  if (status.ok() && !has_failed) {
    status = read_keys_of_spec(connection, miss.key.field(kSpecKeyField), stored);
  }
  const CacheKey* nearest = nearest_key(miss.key, stored);
  cause = has_failed           ? std::string_view("failing")
          : nearest == nullptr ? std::string_view("new")
                               : first_difference(miss.key, *nearest);
  return status;
}

DbStatus add(SqliteConnection& connection, Statement& statement, std::int64_t hour, std::string_view name,
             std::int64_t value) {
  return connection.execute(statement, schema::kAddCount, [&](Statement& bound) {
    bound.bind(1, hour);
    bound.bind(2, name);
    bound.bind(3, value);
  });
}

DbStatus fold_old_hours(SqliteConnection& connection, std::int64_t hour) {
  DbStatus status;
  for (const std::string_view sql : {schema::kFoldCounts, schema::kDropCounts}) {
    Statement statement;
    if (status.ok()) {
      status = connection.execute(statement, sql, [&](Statement& bound) {
        bound.bind(1, hour - schema::kCountedHours);
        bound.bind(2, hour + 1);
      });
    }
  }
  return status;
}

DbStatus add_loads(SqliteConnection& connection, const std::map<Digest, std::int64_t>& loads) {
  Statement statement;
  DbStatus status;
  for (auto load = loads.begin(); load != loads.end() && status.ok(); ++load) {
    status = connection.execute(statement, schema::kAddLoads, [&](Statement& bound) {
      bound.bind(1, bytes_of(load->first));
      bound.bind(2, load->second);
    });
  }
  std::int64_t rows = 0;
  if (status.ok()) status = connection.database.query_integer(schema::kCountLoads, rows);
  if (status.ok() && rows > 2 * schema::kMaxLoadRows) {
    Statement trim;
    status =
        connection.execute(trim, schema::kTrimLoads, [](Statement& bound) { bound.bind(1, schema::kMaxLoadRows); });
  }
  return status;
}

}  // namespace

UsageLog::UsageLog(std::shared_ptr<UsageCounters> counters)
    : counters_(std::move(counters)), next_((Clock::now() + kInterval).time_since_epoch().count()) {}

bool UsageLog::is_due() const {
  return counters_ != nullptr && Clock::now().time_since_epoch().count() >= next_.load(std::memory_order_relaxed);
}

Result<void> UsageLog::flush(ConnectionPool& pool, std::chrono::milliseconds longest_wait) {
  if (counters_ == nullptr) {
    return {};
  }
  next_ = (Clock::now() + kInterval).time_since_epoch().count();
  std::array<std::int64_t, kUsageEvents> now{};
  for (std::size_t i = 0; i < kUsageEvents; ++i) {
    now[i] = counters_->value(static_cast<UsageEvent>(i));
  }
  if (now == written_) {
    return {};
  }
  const UsageCounters::Noted noted = counters_->take_noted();
  std::map<std::string, std::int64_t> causes;
  if (!noted.misses.empty()) {
    // Apart from the writing, which others wait for.
    SINTER_TRY_VOID(pool.run(
        "read",
        [&](SqliteConnection& connection) {
          causes.clear();
          DbStatus status;
          for (std::size_t i = 0; i < noted.misses.size() && status.ok(); ++i) {
            std::string cause;
            status = explain(connection, noted.misses[i], cause);
            ++causes[cause];
          }
          return status;
        },
        longest_wait));
  }
  const std::int64_t hour = this_hour();
  SINTER_TRY_VOID(pool.run(
      "write",
      [&](SqliteConnection& connection) {
        Transaction transaction(connection.database);
        Statement add_count;
        DbStatus status = transaction.begin_write();
        if (status.ok()) status = connection.database.execute(schema::kMakeUsageTables);
        for (std::size_t i = 0; i < kUsageEvents && status.ok(); ++i) {
          if (now[i] != written_[i]) {
            status =
                add(connection, add_count, hour, usage_event_name(static_cast<UsageEvent>(i)), now[i] - written_[i]);
          }
        }
        for (auto cause = causes.begin(); cause != causes.end() && status.ok(); ++cause) {
          status = add(connection, add_count, hour, fmt::format("miss {}", cause->first), cause->second);
        }
        if (status.ok()) status = add_loads(connection, noted.loads);
        if (status.ok()) status = fold_old_hours(connection, hour);
        return status.ok() ? transaction.commit() : status;
      },
      longest_wait));
  written_ = now;
  return {};
}

}  // namespace sinter
