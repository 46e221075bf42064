// SPDX-License-Identifier: Apache-2.0
#pragma once

// What goes when the cache has grown beyond its limits, and taking it out in steps so short that readers and writers
// hardly notice. Memory and the length of each step do not grow with the cache.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cache/sqlite_connection.h"

namespace sinter {

/// 0: no limit.
struct CacheLimits {
  std::int64_t max_bytes = std::int64_t{8} << 30;  ///< Of the database file, without pages that are free.
  std::int64_t max_entries = 100'000;
};

/// In the order in which entries go.
enum class GcReason : std::uint8_t {
  kSetAside,           ///< A damaged row that was kept for study.
  kDeadGeneration,     ///< Its compiler was replaced, see is_dead_generation().
  kLeastRecentlyUsed,
};
std::string_view gc_reason_name(GcReason reason);  ///< "set aside", "dead compiler generation", "least recently used".

struct GcVictim {
  std::string key = {};   ///< Hex digest; empty for a row that was set aside.
  std::string spec = {};  ///< Empty if the entry is gone already.
  std::int64_t bytes = 0;
  std::int64_t last_used_unix_s = 0;
  GcReason reason = GcReason::kLeastRecentlyUsed;
};

struct GcReport {
  std::int64_t entries = 0;         ///< Before.
  std::int64_t pinned = 0;          ///< Of these.
  std::int64_t bytes = 0;           ///< Of the file, before, without free pages.
  std::int64_t removed_entries = 0;
  std::int64_t removed_bytes = 0;   ///< Of the entries.
  std::int64_t removed_bad = 0;     ///< Rows that were set aside.
  std::int64_t bytes_left = 0;      ///< As `bytes`, afterwards; an estimate for a dry run.
  std::vector<GcVictim> victims;    ///< The first kMaxListedVictims, if they were asked for.
};
inline constexpr std::size_t kMaxListedVictims = 1000;

struct GcOptions {
  CacheLimits limits = {};
  std::int64_t now_unix_s = 0;
  bool dry_run = false;       ///< Say what would go; change nothing.
  bool list_victims = false;
  std::function<bool()> should_stop = [] { return false; };  ///< Asked after each step.
};

/// Entries of one compiler build are a generation. It is dead if no entry of it was used for kDeadAfterS, while one of
/// another build of the same backend was used later. Storing is using.
struct GenerationUse {
  std::string backend;
  std::int64_t last_used_unix_s = 0;  ///< Of any of its entries.
};
inline constexpr std::int64_t kDeadAfterS = 7 * 86'400;
bool is_dead_generation(const GenerationUse& generation, const std::vector<GenerationUse>& all, std::int64_t now_unix_s);

/// Runs one short operation on a connection, like ConnectionPool::run.
using DatabaseRunner =
    std::function<Result<void>(std::string_view action, const std::function<DbStatus(SqliteConnection&)>&)>;

/// True if a limit is exceeded. Takes microseconds unless entries must be counted. Errors: kCacheError.
Result<bool> exceeds_limits(const DatabaseRunner& run, const CacheLimits& limits);

/// If a limit is exceeded, removes entries until the cache is at four fifths of it, in the order of GcReason; then gives
/// free pages back to the file system. Pinned entries stay. Stamps from the future are set to now, so that a clock that
/// was wrong once does not keep an entry for ever.
/// Errors: kCacheError; what was removed before stays removed.
Result<GcReport> collect_garbage(const DatabaseRunner& run, const GcOptions& options);

}  // namespace sinter
