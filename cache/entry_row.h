// SPDX-License-Identifier: Apache-2.0
#pragma once

// EntryRow: a code object as the database holds it, and the only way in and out: sealing writes the digests, opening
// checks them. Nothing here knows files or connections.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "cache/cache_key.h"
#include "cache/sqlite_db.h"
#include "codegen/code_object.h"

namespace sinter {

/// The columns of one row. The first part is what a read takes, the second what only tools look at.
struct EntryRow {
  Digest key;
  std::string key_fields;   ///< key_fields_to_json().
  std::int64_t format = 0;  ///< CodeFormat.
  std::string entry;
  std::string facts;        ///< to_json(CodeFacts).
  std::string backend, compiler;
  double compile_ms = 0;
  std::int64_t created_unix_s = 0;
  Digest sha256;              ///< Over key_fields, entry, format, facts and code.
  /// Over sha256: 8 bytes of key id and 64 of Ed25519, or empty for a row that nobody signed.
  std::vector<std::byte> signature;
  std::int64_t checksum = 0;  ///< XXH3-64 over every column of this part.
  std::vector<std::byte> code;

  std::string spec, family, arch;  ///< Copies of key fields, to list by.
  std::string writer, origin;      ///< Provenance.
  std::int64_t code_bytes = 0;     ///< Of `code`, so that a listing need not read it.
  std::int64_t text_checksum = 0;  ///< XXH3-64 over writer, origin, log and source.
  std::string log, source;
};

inline constexpr std::size_t kSignatureBytes = 72;

/// Where a row came from, for tools and policies.
struct Provenance {
  std::string_view writer = {};             ///< The Sinter that stored it: "sinter 0.1.0".
  std::string_view origin = kCompiledHere;  ///< kCompiledHere, "bundle <name>", "import <name>" or "remote <host>".

  static constexpr std::string_view kCompiledHere = "compiled";
};

/// How much of a row a statement selected: schema::kGetEntry or schema::kGetWholeEntry.
enum class RowPart : std::uint8_t { kRead, kWhole };

/// Says no to a result that would fail every later process: without code, without symbol, or with facts of another one.
/// Errors: kCacheError.
Result<void> check_complete(const CodeObject& code);

/// Makes the row of `code` under `key`. Errors: kCacheError for a code object that must not be stored: not complete,
/// larger than a row may be, or with key fields that JSON cannot hold.
Result<EntryRow> seal_entry(const CacheKey& key, const CodeObject& code, const Provenance& provenance);

/// What the column `checksum` of these columns must be.
std::int64_t entry_checksum(const EntryRow& row);
/// What the column `sha256` of these columns must be.
Digest entry_sha256(const EntryRow& row);

/// Equal for entries of one compiler build: a checksum over backend and compiler.
std::int64_t entry_generation(const EntryRow& row);
/// What a row adds to the database, without the page's own bookkeeping.
std::int64_t entry_bytes(const EntryRow& row);

/// Writes both fast checksums anew, after a change of columns that sha256 is not over: provenance, times, signature.
void reseal_entry(EntryRow& row);

/// Binds all columns to schema::kPutEntry; `row` must live until the statement is reset.
void bind_entry_row(Statement& statement, const EntryRow& row);

/// Copies the columns of the current row. Errors: kCacheError naming a column of the wrong type or size.
Result<EntryRow> read_entry_row(const Statement& statement, RowPart part);

/// What the row must belong to. The JSON is passed in since the caller has it for the whole look-up.
struct ExpectedKey {
  const Digest& digest;
  std::string_view key_fields;
};

/// The code object of a row whose key is the expected one and whose checksum, SHA-256 and facts are right.
/// Errors: kCacheError saying what is wrong.
Result<CodeObject> open_entry(EntryRow row, const ExpectedKey& expected);

/// The same checks, and those that only tools can afford: the key against its fields, the copied columns, log and
/// source. Empty if all is well, else what is wrong.
std::string check_whole_entry(const EntryRow& row);

}  // namespace sinter
