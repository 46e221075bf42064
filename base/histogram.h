// SPDX-License-Identifier: Apache-2.0
#pragma once

// Histogram: how often something took how long, counted without a lock.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sinter {

/// Thread-safe. A reader may see a count before the sum that belongs to it.
class Histogram {
 public:
  /// Upper bounds of the buckets in seconds, from a hit in memory to the longest compile; what is longer is in one more.
  static constexpr std::array<double, 16> kBounds = {1e-6,  1e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2,
                                                     1e-1, 5e-1, 1,    2,    5,    10,   30,   120};

  void observe(double seconds) {
    std::size_t bucket = 0;
    while (bucket < kBounds.size() && seconds > kBounds[bucket]) {
      ++bucket;
    }
    counts_[bucket].fetch_add(1, std::memory_order_relaxed);
    nanoseconds_.fetch_add(static_cast<std::int64_t>(seconds * 1e9), std::memory_order_relaxed);
  }

  struct Snapshot {
    std::array<std::int64_t, kBounds.size() + 1> counts{};  ///< By bucket, not added up.
    double seconds = 0;                                     ///< The sum of all.
  };
  Snapshot snapshot() const {
    Snapshot snapshot;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      snapshot.counts[i] = counts_[i].load(std::memory_order_relaxed);
    }
    snapshot.seconds = static_cast<double>(nanoseconds_.load(std::memory_order_relaxed)) * 1e-9;
    return snapshot;
  }

 private:
  std::array<std::atomic<std::int64_t>, kBounds.size() + 1> counts_{};
  std::atomic<std::int64_t> nanoseconds_{0};
};

}  // namespace sinter
