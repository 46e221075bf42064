// SPDX-License-Identifier: Apache-2.0
#pragma once

// MissReason: why a key is found or not, in words: the cause as `sinter cache stats` counts it, what it means and the
// way out.

#include <string>
#include <vector>

#include "cache/cache_admin.h"
#include "cache/key_difference.h"

namespace sinter::cli {

struct MissReason {
  std::string layer;  ///< Of a hit: "local", "bundle"; empty for a miss.
  std::string cause;  ///< "new", "damaged", "failing", "no cache", or the first key field that differs.
  std::string why, advice;
  std::string nearest, nearest_spec;       ///< Key and spec of the stored entry that is nearest; empty: none is near.
  std::vector<KeyDifference> differences;  ///< Left: wanted; right: stored.

  bool is_hit() const { return !layer.empty(); }
};

MissReason hit_reason(std::string layer, std::string key);
MissReason damaged_reason(const std::string& key, const std::string& problem);
/// For the policy that every row of the local cache must be signed.
MissReason untrusted_reason(const std::string& key);
MissReason failing_reason(const FailedCompile& failure);
MissReason no_cache_reason(const std::string& directory);
MissReason nothing_reason(const CacheKey& wanted);
/// Of another kernel that is near the parameters that differ are named, in place of the fields that follow from them.
MissReason nearest_reason(const CacheKey& wanted, const NearKey& near);

}  // namespace sinter::cli
