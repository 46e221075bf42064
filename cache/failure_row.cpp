// SPDX-License-Identifier: Apache-2.0
#include "cache/failure_row.h"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>
#include <utility>

#include "cache/row_columns.h"

namespace sinter {
namespace {

Error bad(std::string message) { return make_error(ErrorCode::kCacheError, std::move(message)); }

std::string beginning_of(const std::string& text) { return text.substr(0, kMaxFailureText); }

bool is_error_code(std::int64_t value) {
  return value >= 1 && value <= INT32_MAX && error_code_name(static_cast<ErrorCode>(value)) != "unknown";
}

}  // namespace

FailureRow seal_failure(const CacheKey& key, const CompileFailure& failure) {
  FailureRow row;
  row.key = key.digest;
  row.key_fields = key_fields_to_json(key.fields);
  row.spec = key.field(kSpecKeyField);
  row.arch = key.field(kArchKeyField);
  row.error_code = static_cast<std::int64_t>(failure.code);
  row.crashed = failure.crashed ? 1 : 0;
  row.failed_unix_s = failure.failed_unix_s;
  row.message = beginning_of(failure.message);
  row.log = beginning_of(failure.log);
  row.source = beginning_of(failure.source);
  row.checksum = failure_checksum(row);
  return row;
}

std::int64_t failure_checksum(const FailureRow& row) {
  RowChecksum builder;
  builder.add(as_text(bytes_of(row.key)));
  builder.add(row.key_fields);
  builder.add(row.spec);
  builder.add(row.arch);
  builder.add(static_cast<std::uint64_t>(row.error_code));
  builder.add(static_cast<std::uint64_t>(row.crashed));
  builder.add(static_cast<std::uint64_t>(row.failed_unix_s));
  builder.add_large(as_bytes(row.message));
  builder.add_large(as_bytes(row.log));
  builder.add_large(as_bytes(row.source));
  return builder.finish();
}

void bind_failure_row(Statement& statement, const FailureRow& row) {
  int parameter = 0;
  const auto bind = [&](const auto& value) { statement.bind(++parameter, value); };
  bind(bytes_of(row.key));
  bind(std::string_view(row.key_fields));
  bind(std::string_view(row.spec));
  bind(std::string_view(row.arch));
  bind(row.error_code);
  bind(row.crashed);
  bind(row.failed_unix_s);
  bind(std::string_view(row.message));
  bind(std::string_view(row.log));
  bind(std::string_view(row.source));
  bind(row.checksum);
}

Result<FailureRow> read_failure_row(const Statement& statement) {
  FailureRow row;
  ColumnReader reader(statement);
  reader.read(row.key);
  reader.read(row.key_fields);
  reader.read(row.spec);
  reader.read(row.arch);
  reader.read(row.error_code);
  reader.read(row.crashed);
  reader.read(row.failed_unix_s);
  reader.read(row.message);
  reader.read(row.log);
  reader.read(row.source);
  reader.read(row.checksum);
  if (std::string problem = reader.problem(); !problem.empty()) {
    return bad(std::move(problem));
  }
  return row;
}

Result<CompileFailure> open_failure(FailureRow row, const CacheKey& key, std::int64_t now_unix_s) {
  if (row.key != key.digest || row.key_fields != key_fields_to_json(key.fields)) {
    return bad("stored under another key's digest");
  }
  if (row.checksum != failure_checksum(row)) {
    return bad("checksum does not match");
  }
  if (!is_error_code(row.error_code)) {
    return bad(fmt::format("unknown error code {}", row.error_code));
  }
  // Compared without a sum, which any stored number could overflow.
  if (row.failed_unix_s < 0 || row.failed_unix_s - kMaxClockSkewS > now_unix_s) {
    return bad(fmt::format("failed at {}, and it is {} now", row.failed_unix_s, now_unix_s));
  }
  return CompileFailure{.code = static_cast<ErrorCode>(row.error_code),
                        .crashed = row.crashed != 0,
                        .failed_unix_s = row.failed_unix_s,
                        .message = std::move(row.message),
                        .log = std::move(row.log),
                        .source = std::move(row.source)};
}

}  // namespace sinter
