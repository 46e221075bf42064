// SPDX-License-Identifier: Apache-2.0

// Rows of the cache with columns of any type and content, read the way a look-up and the tools read them: no crash, and
// what is given out is what was sealed, unless the input forged the digests, too.
//
// clang++-14 -fsanitize=fuzzer,address; the sources of cache/, base/ and codegen/code_object.cpp with it.

#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/check.h"
#include "cache/entry_row.h"
#include "cache/schema.h"
#include "cache/sqlite_db.h"

namespace {

using namespace sinter;

constexpr int kColumns = 22;

CodeObject sample_code() {
  CodeObject code;
  code.format = CodeFormat::kHsaco;
  code.entry = "kernel";
  code.code.assign(64, std::byte{7});
  code.facts.target = "gfx942";
  code.facts.entry = "kernel";
  code.facts.registers = 128;
  code.backend = "llvm";
  code.compile_ms = 1.5;
  return code;
}

/// A table of entries that takes anything.
struct LooseTable {
  LooseTable() {
    SINTER_CHECK(Database::open(":memory:", OpenMode::kReadWrite, database).ok(), "no database in memory");
    std::string sql = schema::kCreate;
    for (const std::string_view word :
         {" STRICT", " NOT NULL", " PRIMARY KEY", " UNIQUE", " BLOB", " TEXT", " REAL", " INTEGER"}) {
      for (std::size_t at = sql.find(word); at != std::string::npos; at = sql.find(word, at)) {
        sql.erase(at, word.size());
      }
    }
    SINTER_CHECK(database.execute(sql.c_str()).ok(), "the schema has no loose form");
    SINTER_CHECK(database.prepare(schema::kPutEntry, put).ok(), "put");
    SINTER_CHECK(database.prepare("SELECT rowid FROM entry", row_number).ok(), "row number");
    SINTER_CHECK(database.prepare(schema::kGetWholeEntry, get).ok(), "get");
  }

  Database database;
  Statement put, row_number, get;
};

/// The values that replace columns; they outlive the statement they are bound to.
struct Replacement {
  int column = -1;
  int type = 0;
  std::string text;
  std::int64_t integer = 0;
  double real = 0;
};

void bind(Statement& statement, const Replacement& value) {
  switch (value.type) {
    case 0: statement.bind(value.column, value.integer); break;
    case 1: statement.bind(value.column, value.real); break;
    case 2: statement.bind(value.column, std::string_view(value.text)); break;
    default: statement.bind(value.column, as_bytes(value.text)); break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static LooseTable table;
  FuzzedDataProvider input(data, size);
  const CacheKey key = make_cache_key({{"spec", "s"}, {"family", "f"}, {"arch", "gfx942"}});
  const CodeObject original = sample_code();
  auto sealed = seal_entry(key, original, {.writer = "fuzzer"});
  SINTER_CHECK(sealed.has_value(), "the sample cannot be sealed");

  std::array<Replacement, 3> replacements;
  for (Replacement& replacement : replacements) {
    replacement.column = input.ConsumeIntegralInRange(1, kColumns);
    replacement.type = input.ConsumeIntegralInRange(0, 3);
    replacement.integer = input.ConsumeIntegral<std::int64_t>();
    replacement.real = input.ConsumeFloatingPoint<double>();
    replacement.text = input.ConsumeRandomLengthString();
  }
  const bool forge = input.ConsumeBool();

  SINTER_CHECK(table.database.execute("DELETE FROM entry").ok(), "delete");
  {
    StatementScope scope(table.put);
    bind_entry_row(table.put, *sealed);
    for (const Replacement& replacement : replacements) {
      bind(table.put, replacement);
    }
    SINTER_CHECK(table.put.step() == Step::kDone, "a loose table refused a value");
  }
  StatementScope number_scope(table.row_number);
  SINTER_CHECK(table.row_number.step() == Step::kRow, "the row is gone");
  StatementScope get_scope(table.get);
  table.get.bind(1, table.row_number.column_integer(0));
  SINTER_CHECK(table.get.step() == Step::kRow, "the row is gone");
  auto row = read_entry_row(table.get, RowPart::kWhole);
  if (!row) {
    return 0;
  }
  if (forge) {
    row->sha256 = entry_sha256(*row);
    row->checksum = entry_checksum(*row);
  }
  (void)check_whole_entry(*row);
  const std::string facts = row->facts;
  const auto code = open_entry(std::move(*row), {key.digest, key_fields_to_json(key.fields)});
  if (code) {
    SINTER_CHECK(to_json(code->facts) == facts, "facts were accepted that are not canonical");
    SINTER_CHECK(forge || (code->code == original.code && code->entry == original.entry &&
                           code->format == original.format && code->facts == original.facts),
                 "something was given out that was not sealed");
  }
  return 0;
}
