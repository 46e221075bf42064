// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sums over a cache: what it holds, and what processes asked of it.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tools/sinter/cache_view.h"

namespace sinter::cli {

struct Share {
  std::int64_t entries = 0, bytes = 0;  ///< Bytes of code.
};

struct Contents {
  std::int64_t entries = 0, bytes = 0, pinned = 0, set_aside = 0, failures = 0;
  std::map<std::string, Share> by_arch, by_mode;
  std::map<std::string, Share> by_compiler;  ///< By the first part of its identity, which people can read.
};
/// Errors: kCacheError.
Result<Contents> contents_of(CacheAdmin& cache, const std::vector<EntryView>& entries);

struct HourTraffic {
  std::int64_t hits = 0, misses = 0;
};
struct Traffic {
  std::map<std::string, std::int64_t> hits;    ///< By layer.
  std::map<std::string, std::int64_t> causes;  ///< Of misses.
  std::int64_t misses = 0, stores = 0;
  std::map<std::int64_t, HourTraffic> hours;  ///< By Unix time / 3600; without what is too old to be kept by the hour.

  std::int64_t all_hits() const;
};
/// Of the hours from `first_hour` on; 0: everything.
Traffic traffic_of(const std::vector<HourCount>& counts, std::int64_t first_hour);

/// What a cause of misses means, in a few words.
std::string_view cause_text(std::string_view cause);

}  // namespace sinter::cli
