// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of the cache share: keys and code objects by number, the problems that were reported, and SQL.

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "cache/cache_key.h"
#include "cache/sqlite_store.h"
#include "codegen/code_object.h"
#include "tests/support/files.h"

namespace sinter::testing {

inline CacheKey key_of(int number) {
  return make_cache_key({{"schema", "1"},
                         {"spec", "grouped_gemm_none_bf16_n" + std::to_string(number)},
                         {"family", "grouped_gemm"},
                         {"arch", "sm_90a"},
                         {"compiler", "nvrtc 13.0"}});
}

/// Different numbers give different bytes of different length, around `bytes`.
inline std::shared_ptr<const CodeObject> code_of(int number, std::size_t bytes = 3000) {
  auto code = std::make_shared<CodeObject>();
  code->format = CodeFormat::kCubin;
  code->entry = "grouped_gemm_none_bf16_n" + std::to_string(number);
  code->code.resize(bytes + static_cast<std::size_t>(number % 97));
  std::uint32_t state = static_cast<std::uint32_t>(number) * 2654435761u + 1;
  for (std::byte& byte : code->code) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::byte>(state >> 24);
  }
  code->facts.target = "sm_90a";
  code->facts.entry = code->entry;
  code->facts.registers = 100 + number % 50;
  code->facts.matrix_instructions = {"HMMA"};
  code->backend = "nvrtc";
  code->compiler = "nvrtc 13.0";
  code->log = "warning " + std::to_string(number);
  code->source = "source " + std::to_string(number) + std::string(500, ' ');
  code->compile_ms = 12.5 + number;
  code->created_unix_s = 1700000000 + number;
  return code;
}

/// True if a read gave what was written. Log and source are not read.
inline bool same_code(const CodeObject& a, const CodeObject& b) {
  return a.format == b.format && a.entry == b.entry && a.code == b.code && a.facts == b.facts &&
         a.backend == b.backend && a.compiler == b.compiler && a.compile_ms == b.compile_ms &&
         a.created_unix_s == b.created_unix_s;
}

/// Collects problem texts from any thread.
class Problems {
 public:
  std::function<void(std::string)> sink() {
    return [this](std::string problem) {
      std::lock_guard lock(mutex_);
      texts_.push_back(std::move(problem));
    };
  }
  std::vector<std::string> texts() const {
    std::lock_guard lock(mutex_);
    return texts_;
  }
  std::string all() const {
    std::string joined;
    for (const std::string& text : texts()) {
      joined += text + "\n";
    }
    return joined;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> texts_;
};

inline std::string database_in(const std::string& directory) { return directory + "/sinter-v2.db"; }

/// Databases that were set aside.
inline std::size_t count_bad_databases(const std::string& directory) {
  std::size_t count = 0;
  for (const auto& file : fs::directory_iterator(directory)) {
    const std::string name = file.path().filename().string();
    count += name.find(".bad-") != std::string::npos && !name.ends_with("-wal") ? 1u : 0u;
  }
  return count;
}

/// Runs SQL that no store would, on a connection without our defences.
inline int run_sql(const std::string& directory, const std::string& sql) {
  sqlite3* handle = nullptr;
  int code = sqlite3_open_v2(database_in(directory).c_str(), &handle, SQLITE_OPEN_READWRITE, nullptr);
  if (code == SQLITE_OK) {
    code = sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr);
  }
  sqlite3_close(handle);
  return code;
}

/// The integer that a query gives; -1 if it gives none.
inline std::int64_t query_sql(const std::string& directory, const std::string& sql) {
  sqlite3* handle = nullptr;
  sqlite3_stmt* statement = nullptr;
  std::int64_t value = -1;
  if (sqlite3_open_v2(database_in(directory).c_str(), &handle, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK) {
    sqlite3_busy_timeout(handle, 10'000);
    if (sqlite3_prepare_v2(handle, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
      value = sqlite3_column_int64(statement, 0);
    }
  }
  sqlite3_finalize(statement);
  sqlite3_close(handle);
  return value;
}

/// Lets the next run_sql put values of any type into the table of entries.
inline int drop_strictness(const std::string& directory) {
  return run_sql(
      directory,
      "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = replace(replace(sql, 'STRICT', ''), ' NOT NULL', "
      "'') WHERE name = 'entry'; PRAGMA writable_schema=RESET;");
}

}  // namespace sinter::testing
