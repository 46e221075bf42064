// SPDX-License-Identifier: Apache-2.0
#include "cache/entry_row.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <span>
#include <utility>

#include "cache/row_columns.h"

namespace sinter {
namespace {

Error bad(std::string message) { return make_error(ErrorCode::kCacheError, std::move(message)); }

std::int64_t tool_checksum(const EntryRow& row) {
  RowChecksum builder;
  builder.add(row.writer);
  builder.add(row.origin);
  builder.add_large(as_bytes(row.log));
  builder.add_large(as_bytes(row.source));
  return builder.finish();
}

bool is_format(std::int64_t value) {
  for (const CodeFormat format :
       {CodeFormat::kSharedObject, CodeFormat::kCubin, CodeFormat::kPtx, CodeFormat::kHsaco}) {
    if (value == static_cast<std::int64_t>(format)) {
      return true;
    }
  }
  return false;
}

/// Everything but the key. Gives the facts, since they had to be parsed.
Result<CodeFacts> check_contents(const EntryRow& row) {
  if (row.checksum != entry_checksum(row)) {
    return bad("checksum does not match");
  }
  if (row.sha256 != entry_sha256(row)) {
    return bad("SHA-256 does not match");
  }
  if (!row.signature.empty() && row.signature.size() != kSignatureBytes) {
    return bad(fmt::format("a signature of {} bytes: it has none or {}", row.signature.size(), kSignatureBytes));
  }
  if (!is_format(row.format)) {
    return bad(fmt::format("unknown code format {}", row.format));
  }
  if (row.code.empty() || row.entry.empty()) {
    return bad("no code or no entry symbol");
  }
  SINTER_TRY(CodeFacts facts, code_facts_from_json(row.facts));
  if (facts.entry != row.entry) {
    return bad(fmt::format("facts of '{:.100}' beside the code of '{:.100}'", facts.entry, row.entry));
  }
  return facts;
}

}  // namespace

std::int64_t entry_checksum(const EntryRow& row) {
  RowChecksum builder;
  builder.add(as_text(bytes_of(row.key)));
  builder.add(row.key_fields);
  builder.add(static_cast<std::uint64_t>(row.format));
  builder.add(row.entry);
  builder.add(row.facts);
  builder.add(row.backend);
  builder.add(row.compiler);
  builder.add(std::bit_cast<std::uint64_t>(row.compile_ms));
  builder.add(static_cast<std::uint64_t>(row.created_unix_s));
  builder.add(as_text(bytes_of(row.sha256)));
  builder.add(as_text(row.signature));
  builder.add_large(row.code);
  return builder.finish();
}

Digest entry_sha256(const EntryRow& row) {
  DigestBuilder builder;
  builder.field("key_fields", row.key_fields);
  builder.field("entry", row.entry);
  builder.field("format", std::to_string(row.format));
  builder.field("facts", row.facts);
  builder.field("code", row.code);
  return builder.finish();
}

std::int64_t entry_generation(const EntryRow& row) {
  RowChecksum builder;
  builder.add(row.backend);
  builder.add(row.compiler);
  return builder.finish();
}

std::int64_t entry_bytes(const EntryRow& row) {
  return static_cast<std::int64_t>(row.code.size() + row.log.size() + row.source.size() + row.key_fields.size() +
                                   row.facts.size());
}

Result<void> check_complete(const CodeObject& code) {
  if (code.code.empty() || code.entry.empty() || code.facts.entry != code.entry) {
    return bad(fmt::format("a code object of {} bytes with the symbol '{:.100}' and facts of '{:.100}' is not stored",
                           code.code.size(), code.entry, code.facts.entry));
  }
  return {};
}

Result<EntryRow> seal_entry(const CacheKey& key, const CodeObject& code, const Provenance& provenance) {
  SINTER_TRY_VOID(check_complete(code));
  constexpr std::size_t kRoomForTheRest = std::size_t{1} << 20;
  const std::size_t bytes = code.code.size() + code.log.size() + code.source.size() + kRoomForTheRest;
  if (bytes > static_cast<std::size_t>(Database::kMaxRowBytes)) {
    return bad(fmt::format("a code object of {} bytes with log and source is not stored: the limit is {}",
                           bytes - kRoomForTheRest,
                           static_cast<std::size_t>(Database::kMaxRowBytes) - kRoomForTheRest));
  }
  EntryRow row;
  row.key = key.digest;
  row.key_fields = key_fields_to_json(key.fields);
  SINTER_TRY(auto stored_fields, key_fields_from_json(row.key_fields));
  if (stored_fields != key.fields) {
    return bad("a cache key with fields that are not UTF-8 is not stored");
  }
  row.format = static_cast<std::int64_t>(code.format);
  row.entry = code.entry;
  row.facts = to_json(code.facts);
  row.backend = code.backend;
  row.compiler = code.compiler;
  // SQLite has no NaN and no negative zero; a time has neither.
  row.compile_ms = std::isfinite(code.compile_ms) && code.compile_ms > 0 ? code.compile_ms : 0.0;
  row.created_unix_s = code.created_unix_s;
  row.code = code.code;
  row.spec = key.field(kSpecKeyField);
  row.family = key.field(kFamilyKeyField);
  row.arch = key.field(kArchKeyField);
  row.writer = provenance.writer;
  row.origin = provenance.origin;
  row.code_bytes = static_cast<std::int64_t>(row.code.size());
  row.log = code.log;
  row.source = code.source;
  row.sha256 = entry_sha256(row);
  reseal_entry(row);
  return row;
}

void reseal_entry(EntryRow& row) {
  row.checksum = entry_checksum(row);
  row.text_checksum = tool_checksum(row);
}

void bind_entry_row(Statement& statement, const EntryRow& row) {
  int parameter = 0;
  const auto bind = [&](const auto& value) { statement.bind(++parameter, value); };
  bind(bytes_of(row.key));
  bind(std::string_view(row.key_fields));
  bind(row.format);
  bind(std::string_view(row.entry));
  bind(std::string_view(row.facts));
  bind(std::string_view(row.backend));
  bind(std::string_view(row.compiler));
  bind(row.compile_ms);
  bind(row.created_unix_s);
  bind(bytes_of(row.sha256));
  bind(std::span<const std::byte>(row.signature));
  bind(row.checksum);
  bind(std::span<const std::byte>(row.code));
  bind(std::string_view(row.spec));
  bind(std::string_view(row.family));
  bind(std::string_view(row.arch));
  bind(std::string_view(row.writer));
  bind(std::string_view(row.origin));
  bind(row.code_bytes);
  bind(row.text_checksum);
  bind(std::string_view(row.log));
  bind(std::string_view(row.source));
}

Result<EntryRow> read_entry_row(const Statement& statement, RowPart part) {
  EntryRow row;
  ColumnReader reader(statement);
  reader.read(row.key);
  reader.read(row.key_fields);
  reader.read(row.format);
  reader.read(row.entry);
  reader.read(row.facts);
  reader.read(row.backend);
  reader.read(row.compiler);
  reader.read(row.compile_ms);
  reader.read(row.created_unix_s);
  reader.read(row.sha256);
  reader.read(row.signature);
  reader.read(row.checksum);
  reader.read(row.code);
  if (part == RowPart::kWhole) {
    reader.read(row.spec);
    reader.read(row.family);
    reader.read(row.arch);
    reader.read(row.writer);
    reader.read(row.origin);
    reader.read(row.code_bytes);
    reader.read(row.text_checksum);
    reader.read(row.log);
    reader.read(row.source);
  }
  if (std::string problem = reader.problem(); !problem.empty()) {
    return bad(std::move(problem));
  }
  return row;
}

Result<CodeObject> open_entry(EntryRow row, const ExpectedKey& expected) {
  if (row.key != expected.digest || row.key_fields != expected.key_fields) {
    return bad("stored under another key's digest");
  }
  SINTER_TRY(CodeFacts facts, check_contents(row));
  CodeObject code;
  code.format = static_cast<CodeFormat>(row.format);
  code.entry = std::move(row.entry);
  code.code = std::move(row.code);
  code.facts = std::move(facts);
  code.backend = std::move(row.backend);
  code.compiler = std::move(row.compiler);
  code.compile_ms = row.compile_ms;
  code.created_unix_s = row.created_unix_s;
  return code;
}

std::string check_whole_entry(const EntryRow& row) {
  if (const auto facts = check_contents(row); !facts) {
    return facts.error().message;
  }
  auto fields = key_fields_from_json(row.key_fields);
  if (!fields) {
    return fields.error().message;
  }
  const CacheKey key = make_cache_key(std::move(*fields));
  if (key.digest != row.key) {
    return "the key is not the digest of its fields";
  }
  if (row.spec != key.field(kSpecKeyField) || row.family != key.field(kFamilyKeyField) ||
      row.arch != key.field(kArchKeyField)) {
    return "spec, family or arch differ from the key's fields";
  }
  if (row.code_bytes != static_cast<std::int64_t>(row.code.size())) {
    return fmt::format("code_bytes is {}, the code has {}", row.code_bytes, row.code.size());
  }
  if (row.text_checksum != tool_checksum(row)) {
    return "checksum of writer, origin, log and source does not match";
  }
  return {};
}

}  // namespace sinter
