// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of bundles share: bundles of numbered kernels, and keys to sign them with.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cache/bundle.h"
#include "cache/bundle_writer.h"
#include "tests/support/cache.h"

namespace sinter::testing {

inline std::vector<EntryRow> rows_of(const std::vector<int>& numbers, std::size_t bytes = 3000) {
  std::vector<EntryRow> rows;
  for (const int number : numbers) {
    rows.push_back(*seal_entry(key_of(number), *code_of(number, bytes), {.writer = "test"}));
  }
  std::sort(rows.begin(), rows.end(), [](const EntryRow& a, const EntryRow& b) { return a.key < b.key; });
  return rows;
}

inline RowSource source_of(std::vector<EntryRow> rows) {
  return [rows = std::move(rows), next = std::size_t{0}]() mutable -> Result<std::optional<EntryRow>> {
    return next < rows.size() ? std::optional(rows[next++]) : std::nullopt;
  };
}

/// Gives its path.
inline std::string make_bundle(const std::string& directory, const std::vector<int>& numbers,
                               const SigningKey* key = nullptr, const std::string& name = "moe") {
  auto written = write_bundle(source_of(rows_of(numbers)),
                              {.directory = directory, .name = name, .arch = "sm_90a", .key = key});
  return written ? written->path : written.error().message;
}

inline std::string manifest_of(const std::string& bundle) { return bundle + ".manifest"; }

inline void flip_bit(const std::string& path, std::size_t bit) {
  std::vector<char> bytes = read_file(path);
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  write_file(path, bytes);
}

/// Runs SQL on a bundle, behind its manifest's back.
inline int change_bundle(const std::string& path, const std::string& sql) {
  sqlite3* handle = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE, nullptr);
  if (code == SQLITE_OK) {
    code = sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr);
  }
  sqlite3_close(handle);
  return code;
}

/// A file with a public key in a directory of its own.
inline void trust_key(const std::string& directory, const PublicKey& key) {
  fs::create_directories(directory);
  const std::string pem = to_pem(key);
  write_file(directory + "/" + to_hex(key.id()) + ".pub", {pem.begin(), pem.end()});
}

}  // namespace sinter::testing
