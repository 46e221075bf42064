// SPDX-License-Identifier: Apache-2.0
#pragma once

// Family grouped_gemm: parameter indices, shared by the family (grouped_gemm.cpp) and its bodies
// (grouped_gemm_host.cpp, grouped_gemm_nvidia.cpp, grouped_gemm_amd.cpp).

#include <cstdint>

#include "codegen/family.h"
#include "templates/grouped_gemm/args.h"

namespace sinter::grouped_gemm {

enum Param : int { kQuant, kDtype, kN, kK, kGroups, kTile, kVskip };

/// Values of kQuant.
inline constexpr std::int64_t kQuantNone = 0;      ///< a, b, d bf16.
inline constexpr std::int64_t kQuantFp8Block = 1;  ///< a, b e4m3 with 1x128 and 128x128 fp32 scales; d bf16.

/// Columns of K (and rows of B) that share one scale in fp8_block.
inline constexpr std::int64_t kScaleBlock = 128;

const Body* host_body();
const Body* nvidia_body();
const Body* amd_body();

/// Upper bound of the tiles of a launch, whatever the offsets: every group may end with a partial tile.
inline std::int64_t max_tiles(const KernelSpec& spec, std::int64_t rows) {
  const TileShape tile = spec.tile(kTile);
  const std::int64_t groups = spec[kGroups];
  const std::int64_t row_tiles = rows / tile.m + (groups < rows ? groups : rows);
  return row_tiles * ((spec[kN] + tile.n - 1) / tile.n);
}

}  // namespace sinter::grouped_gemm
