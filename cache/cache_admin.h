// SPDX-License-Identifier: Apache-2.0
#pragma once

// CacheAdmin: the cache as tools see it. It only reads, works while other processes use the database, and shows damaged
// entries instead of hiding them.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cache/cache_key.h"
#include "cache/entry_row.h"
#include "cache/golden_verdict.h"
#include "codegen/code_object.h"

namespace sinter {

/// One entry without its code.
struct EntryInfo {
  std::string key;  ///< Hex digest.
  std::string spec;
  std::string family;
  std::string arch;
  std::string format;  ///< code_format_name().
  std::string backend, compiler;
  std::int64_t code_bytes = 0;
  std::int64_t created_unix_s = 0;
  double compile_ms = 0;
};

/// An entry that failed its checks.
struct BadEntry {
  std::string key;
  std::string spec;
  std::string reason;
  std::int64_t found_unix_s = 0;  ///< When it was set aside; 0 from verify(), which moves nothing.
};

/// How an entry was used.
struct EntryUse {
  std::int64_t last_used_unix_s = 0;  ///< By the hour.
  bool pinned = false;
  std::int64_t loads = 0;  ///< Times that a process read it from the database; only of the 4,096 with the most.
};

/// What processes counted in one hour, or before the hours that are kept one by one.
struct HourCount {
  std::int64_t hour = 0;  ///< Unix time / 3600; 0: everything older.
  std::string name;       ///< usage_event_name(), or "miss <cause>" (cache/usage_log.cpp).
  std::int64_t value = 0;
};

/// A compile that failed last.
struct FailedCompile {
  std::string key, spec, arch;
  bool crashed = false;
  std::int64_t failed_unix_s = 0;
  std::string message;
};

/// A stored key that is near to one that is not stored.
struct NearKey {
  CacheKey key;
  bool same_spec = false;  ///< Then something else differs: the compiler, a template.
};

/// All of one entry.
struct CacheEntry {
  EntryInfo info;
  std::vector<KeyField> key_fields;
  CodeObject object;    ///< With log and source.
  std::string writer;   ///< The Sinter that stored it: "sinter 0.1.0".
  std::string origin;   ///< Where the row came from: "compiled", "bundle <name>", "import <name>".
  bool is_signed = false;
  std::string sha256;   ///< Hex, over key fields, entry symbol, format, facts and code.
  std::string problem;  ///< Empty if every check passed; else the first that did not. What could be read is above.
};

/// Where a row is, and what it is for.
struct RowInfo {
  std::int64_t number = 0;
  std::string arch, family;
};

struct VerifyReport {
  std::int64_t checked = 0;               ///< Entries looked at.
  std::vector<BadEntry> damaged;
  std::vector<std::string> file_problems;  ///< What SQLite's own check of the file found.
  bool ok() const { return damaged.empty() && file_problems.empty(); }
};

/// Not thread-safe. Every call can fail with kCacheError, naming the path.
class CacheAdmin {
 public:
  /// False if no process has made a database in `directory` yet, or finished to.
  static bool exists(const std::string& directory);
  /// Errors: kCacheError for a missing directory or database, one that cannot be read, a file that is no database of
  /// Sinter or one of a newer schema.
  static Result<CacheAdmin> open(const std::string& directory);
  /// The same for a bundle, whose rows look alike. Its owner and signatures are not looked at.
  static Result<CacheAdmin> open_bundle(const std::string& path);
  CacheAdmin(CacheAdmin&&) noexcept;
  CacheAdmin& operator=(CacheAdmin&&) noexcept;
  ~CacheAdmin();

  /// Every entry, by family, arch, spec and key.
  Result<std::vector<EntryInfo>> list();

  /// The one entry whose key starts with `key_prefix` (hex digits).
  /// Errors: kInvalidRequest for a prefix that is not 1 to 64 hex digits; kCacheError if none or several match.
  Result<CacheEntry> show(std::string_view key_prefix);

  /// Checks every entry (checksum, SHA-256, facts, columns against key fields) and the file's structure.
  Result<VerifyReport> verify();

  /// From here on, all reads of this object see one state, however others write.
  Result<void> freeze();
  /// Rows in the order of their keys, and one of them, whole and unchecked.
  Result<std::vector<RowInfo>> rows_by_key();
  Result<EntryRow> read_row(std::int64_t number);
  /// The row of a key, whole and unchecked; nullopt if there is none.
  Result<std::optional<EntryRow>> find_row(const Digest& key);

  /// Entries set aside by earlier reads, newest first. None of a bundle.
  Result<std::vector<BadEntry>> bad_entries();

  /// By key. None of a bundle, like the next two.
  Result<std::map<std::string, EntryUse>> uses();
  /// By hour and name.
  Result<std::vector<HourCount>> counts();
  /// Newest first.
  Result<std::vector<FailedCompile>> failures();
  /// What golden checks found out about the entry of a key, by device and driver. None of a bundle.
  Result<std::vector<GoldenVerdict>> verdicts(const Digest& key);
  /// Calls `visit` with the key and the facts of each entry, which are not checked.
  Result<void> visit_facts(const std::function<void(std::string_view key, const CodeFacts& facts)>& visit);

  /// The stored key that is nearest to `wanted`, which itself does not count: of its spec, else of the spec of its
  /// family and arch whose name differs least. nullopt if there is none.
  Result<std::optional<NearKey>> nearest(const CacheKey& wanted);
  /// Whether there is an entry of exactly this key.
  Result<bool> contains(const Digest& key);

  const std::string& database_path() const;

 private:
  struct State;
  explicit CacheAdmin(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sinter
