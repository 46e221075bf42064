// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the commands that look into a cache share: opening it, filtering entries, and how numbers and times are written.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cache/cache_admin.h"
#include "tools/sinter/command.h"

namespace sinter::cli {

/// The cache of the settings, or a bundle if one is named. Errors: kInvalidRequest without a directory; kCacheError.
Result<CacheAdmin> open_cache(const CommonOptions& options, const std::string& bundle = {});

/// What a spec's name says of its kernel; empty where it says nothing, or is a name that this Sinter cannot read.
struct KernelTraits {
  std::string mode;   ///< "none", "fp8_block".
  std::string tile;   ///< "128x128x64".
  std::string vskip;  ///< "on", "off".
};
KernelTraits traits_of(std::string_view spec);

std::string time_text(std::int64_t unix_s);  ///< "2026-01-31 12:00:00Z", "-" for 0.
std::string age_text(std::int64_t seconds);  ///< "45 s", "3 h", "12 d"; never negative.
std::string bytes_text(std::int64_t bytes);  ///< "812 B", "12.3 KiB".
std::string dump(const nlohmann::ordered_json& value);

/// "90s", "30m", "12h", "7d". In seconds. Errors: kInvalidRequest.
Result<std::int64_t> parse_duration(std::string_view text);
/// "4096", "12K", "3M", "1G". In bytes. Errors: kInvalidRequest.
Result<std::int64_t> parse_size(std::string_view text);

/// One entry with how it was used.
struct EntryView {
  EntryInfo info;
  KernelTraits traits;
  EntryUse use;
};

/// Which entries, in which order. Empty texts and 0 are no condition.
struct EntryQuery {
  std::string arch, family, mode;
  std::string older_than, newer_than, unused_for;  ///< As in parse_duration().
  std::string min_bytes, max_bytes;                ///< As in parse_size().
  std::string sort = "spec";  ///< spec, bytes, created, used, loads, compile; all but spec: largest or latest first.
  bool reverse = false;
};
void add_query_options(CLI::App& command, EntryQuery& query);

/// The time matters to conditions about age alone.
/// Errors: kInvalidRequest for a query that makes no sense; kCacheError.
Result<std::vector<EntryView>> select_entries(CacheAdmin& cache, const EntryQuery& query, std::int64_t now_unix_s);

nlohmann::ordered_json to_json_object(const EntryView& entry);
nlohmann::ordered_json to_json_object(const BadEntry& entry);

}  // namespace sinter::cli
