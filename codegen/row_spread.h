// SPDX-License-Identifier: Apache-2.0
#pragma once

// How rows are taken to lie in groups where only their number and the largest group are known.

#include <cstdint>
#include <vector>

namespace sinter {

/// Rows of each group, largest first, `rows` in all. As even as they can be if `largest` is 0 or too small for all rows;
/// else the first group has `largest` of them (at most all) and each further one the same fraction of the one before.
/// The same on every machine. REQUIRES: rows >= 0, groups >= 1, largest >= 0.
std::vector<std::int64_t> spread_rows(std::int64_t rows, std::int64_t groups, std::int64_t largest);

}  // namespace sinter
