// SPDX-License-Identifier: Apache-2.0
#include "cache/verdict_row.h"

#include <bit>
#include <cmath>
#include <string_view>
#include <utility>

#include "cache/row_columns.h"
#include "cache/schema.h"

namespace sinter {
namespace {

std::int64_t verdict_checksum(const Digest& key, const GoldenVerdict& verdict) {
  RowChecksum builder;
  builder.add(as_text(bytes_of(key)));
  builder.add(verdict.place.device);
  builder.add(verdict.place.driver);
  builder.add(as_text(bytes_of(verdict.code)));
  builder.add(static_cast<std::uint64_t>(verdict.version));
  builder.add(std::uint64_t{verdict.passed ? 1U : 0U});
  builder.add(std::bit_cast<std::uint64_t>(verdict.relative_error));
  builder.add(std::bit_cast<std::uint64_t>(verdict.allowed_relative_error));
  builder.add(static_cast<std::uint64_t>(verdict.compared));
  builder.add(static_cast<std::uint64_t>(verdict.checked_unix_s));
  builder.add(verdict.finding);
  builder.add(verdict.writer);
  return builder.finish();
}

/// nullopt for a row that is damaged: it is no verdict, and the next one takes its place.
std::optional<GoldenVerdict> read_row(const Statement& statement, const Digest& key) {
  GoldenVerdict verdict;
  std::int64_t passed = 0, checksum = 0;
  ColumnReader reader(statement);
  reader.read(verdict.place.device);
  reader.read(verdict.place.driver);
  reader.read(verdict.code);
  reader.read(verdict.version);
  reader.read(passed);
  reader.read(verdict.relative_error);
  reader.read(verdict.allowed_relative_error);
  reader.read(verdict.compared);
  reader.read(verdict.checked_unix_s);
  reader.read(verdict.finding);
  reader.read(verdict.writer);
  reader.read(checksum);
  verdict.passed = passed == 1;
  const bool is_whole = reader.problem().empty() && checksum == verdict_checksum(key, verdict);
  return is_whole ? std::optional(std::move(verdict)) : std::nullopt;
}

/// A number that a column of type REAL can hold: NaN would become NULL there.
double storable(double value) { return std::isnan(value) ? HUGE_VAL : value; }

}  // namespace

DbStatus has_verdicts(Database& database, bool& out) {
  std::int64_t tables = 0;
  const DbStatus status = database.query_integer(schema::kHasVerdicts, tables);
  out = tables > 0;
  return status;
}

DbStatus read_verdict(SqliteConnection& connection, const Digest& key, const GoldenPlace& place, std::optional<GoldenVerdict>& out) {
  out.reset();
  std::vector<GoldenVerdict> all;
  const DbStatus status = list_verdicts(connection.database, key, all);
  for (GoldenVerdict& verdict : all) {
    if (verdict.place == place) {
      out = std::move(verdict);
    }
  }
  return status;
}

DbStatus list_verdicts(Database& database, const Digest& key, std::vector<GoldenVerdict>& out) {
  bool has_table = false;
  DbStatus status = has_verdicts(database, has_table);
  if (!status.ok() || !has_table) {
    return status;
  }
  Statement statement;
  if (status = database.prepare(schema::kListVerdicts, statement); !status.ok()) {
    return status;
  }
  statement.bind(1, bytes_of(key));
  Step step = statement.step();
  for (; step == Step::kRow; step = statement.step()) {
    if (auto verdict = read_row(statement, key)) {
      out.push_back(std::move(*verdict));
    }
  }
  return step == Step::kDone ? DbStatus() : statement.status();
}

DbStatus write_verdict(SqliteConnection& connection, const Digest& key, const GoldenVerdict& verdict) {
  GoldenVerdict row = verdict;
  row.relative_error = storable(row.relative_error);
  row.finding = row.finding.substr(0, kMaxFindingText);
  Statement put, trim;
  DbStatus status = connection.database.execute(schema::kMakeVerdicts);
  if (status.ok()) {
    status = connection.execute(put, schema::kPutVerdict, [&](Statement& statement) {
      statement.bind(1, bytes_of(key));
      statement.bind(2, std::string_view(row.place.device));
      statement.bind(3, std::string_view(row.place.driver));
      statement.bind(4, bytes_of(row.code));
      statement.bind(5, row.version);
      statement.bind(6, std::int64_t{row.passed ? 1 : 0});
      statement.bind(7, row.relative_error);
      statement.bind(8, row.allowed_relative_error);
      statement.bind(9, row.compared);
      statement.bind(10, row.checked_unix_s);
      statement.bind(11, std::string_view(row.finding));
      statement.bind(12, std::string_view(row.writer));
      statement.bind(13, verdict_checksum(key, row));
    });
  }
  if (status.ok()) {
    status = connection.execute(trim, schema::kTrimVerdicts, [](Statement& statement) { statement.bind(1, schema::kMaxVerdictRows); });
  }
  return status;
}

DbStatus delete_verdicts(SqliteConnection& connection, std::span<const Digest> keys) {
  bool has_table = false;
  DbStatus status = has_verdicts(connection.database, has_table);
  Statement statement;
  for (std::size_t i = 0; i < keys.size() && has_table && status.ok(); ++i) {
    status = connection.execute(statement, schema::kDeleteVerdicts, [&](Statement& bound) { bound.bind(1, bytes_of(keys[i])); });
  }
  return status;
}

DbStatus delete_failed_verdicts(SqliteConnection& connection, const KeyRange& keys, std::int64_t& deleted) {
  deleted = 0;
  bool has_table = false;
  DbStatus status = has_verdicts(connection.database, has_table);
  if (!status.ok() || !has_table) {
    return status;
  }
  Statement statement;
  status = connection.execute(statement, schema::kDeleteFailedVerdicts, [&](Statement& bound) {
    bound.bind(1, bytes_of(keys.lowest));
    bound.bind(2, bytes_of(keys.highest));
  });
  deleted = connection.database.changed_rows();
  return status;
}

}  // namespace sinter
