// SPDX-License-Identifier: Apache-2.0
#pragma once

// A table of the cache that takes values of any type, so that a row can be read back with what a damaged or forged
// database may hold.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "cache/schema.h"
#include "cache/sqlite_db.h"
#include "tests/fuzz/fuzz.h"

namespace sinter::fuzz {

/// Values that replace up to three columns of a row; they outlive the statement that they are bound to.
class Replacements {
 public:
  Replacements(Input& input, std::size_t column_count) {
    for (Value& value : values_) {
      value.column = static_cast<int>(1 + input.below(column_count));
      value.type = static_cast<int>(input.below(4));
      value.integer = input.number<std::int64_t>();
      value.real = input.number<double>();
      value.text = input.text();
    }
  }

  void bind(Statement& statement) const {
    for (const Value& value : values_) {
      switch (value.type) {
        case 0: statement.bind(value.column, value.integer); break;
        case 1: statement.bind(value.column, value.real); break;
        case 2: statement.bind(value.column, std::string_view(value.text)); break;
        default: statement.bind(value.column, as_bytes(value.text)); break;
      }
    }
  }

 private:
  struct Value {
    int column = 1;
    int type = 0;
    std::int64_t integer = 0;
    double real = 0;
    std::string text;
  };
  std::array<Value, 3> values_;
};

/// The tables of the schema without types and constraints, and the statements of one of them. One row at a time.
class LooseTable {
 public:
  LooseTable(std::string_view table, std::string_view put, std::string_view get) {
    SINTER_CHECK(Database::open(":memory:", OpenMode::kReadWrite, database_).ok(), "no database in memory");
    SINTER_CHECK(database_.execute(loose_schema().c_str()).ok(), "the schema has no loose form");
    SINTER_CHECK(database_.prepare(put, put_).ok(), "put");
    SINTER_CHECK(database_.prepare(get.substr(0, get.find(" WHERE")), get_).ok(), "get");
    delete_all_ = "DELETE FROM " + std::string(table);
  }

  /// Stores the row that `bind` binds, with replacements, in place of the one before, and gives `read` the statement
  /// that has selected it.
  template <class Bind, class Read>
  auto store_and_read(Bind bind, const Replacements& replacements, Read read) {
    SINTER_CHECK(database_.execute(delete_all_.c_str()).ok(), "delete");
    {
      StatementScope scope(put_);
      bind(put_);
      replacements.bind(put_);
      SINTER_CHECK(put_.step() == Step::kDone, "a loose table refused a value");
    }
    StatementScope scope(get_);
    SINTER_CHECK(get_.step() == Step::kRow, "the row is gone");
    return read(get_);
  }

 private:
  static std::string loose_schema() {
    std::string sql = schema::kCreate;
    for (const std::string_view word : {", WITHOUT ROWID", " STRICT", " NOT NULL", " PRIMARY KEY", " UNIQUE", " BLOB",
                                        " TEXT", " REAL", " INTEGER"}) {
      for (std::size_t at = sql.find(word); at != std::string::npos; at = sql.find(word, at)) {
        sql.erase(at, word.size());
      }
    }
    return sql;
  }

  Database database_;
  Statement put_, get_;
  std::string delete_all_;
};

}  // namespace sinter::fuzz
