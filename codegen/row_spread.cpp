// SPDX-License-Identifier: Apache-2.0
#include "codegen/row_spread.h"

#include <algorithm>

namespace sinter {

namespace {

std::vector<std::int64_t> evenly(std::int64_t rows, std::int64_t groups) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(groups), rows / groups);
  std::fill_n(counts.begin(), rows % groups, rows / groups + 1);
  return counts;
}

/// first, first * ratio, first * ratio^2, ..., rounded down. Multiplications alone: they give the same everywhere.
std::vector<std::int64_t> geometrically(std::int64_t first, double ratio, std::int64_t groups) {
  std::vector<std::int64_t> counts;
  double count = static_cast<double>(first);
  for (std::int64_t g = 0; g < groups; ++g) {
    counts.push_back(static_cast<std::int64_t>(count));
    count *= ratio;
  }
  return counts;
}

std::int64_t sum(const std::vector<std::int64_t>& counts) {
  std::int64_t total = 0;
  for (const std::int64_t count : counts) {
    total += count;
  }
  return total;
}

}  // namespace

std::vector<std::int64_t> spread_rows(std::int64_t rows, std::int64_t groups, std::int64_t largest) {
  const std::int64_t first = std::min(largest, rows);
  if (first <= (rows + groups - 1) / groups) {
    return evenly(rows, groups);
  }
  // The largest ratio that does not give too many rows; 40 halvings tell groups of 2^31 rows apart.
  double low = 0, high = 1;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (sum(geometrically(first, middle, groups)) <= rows ? low : high) = middle;
  }
  std::vector<std::int64_t> counts = geometrically(first, low, groups);
  // Rounding down left a few rows over. They go to the groups behind the first, in turn.
  for (std::int64_t rest = rows - sum(counts); rest > 0;) {
    for (std::size_t g = 1; g < counts.size() && rest > 0; ++g) {
      if (counts[g] < first) {
        ++counts[g];
        --rest;
      }
    }
  }
  std::ranges::sort(counts, std::ranges::greater());
  return counts;
}

}  // namespace sinter
