// SPDX-License-Identifier: Apache-2.0
#pragma once

// The wgmma body of grouped_gemm (templates/grouped_gemm/hopper.h), for sm_90a: the large tiles that
// grouped_gemm_nvidia.cpp builds with it instead of mma.sync.

#include <cstdint>
#include <vector>

#include "codegen/families/grouped_gemm.h"

namespace sinter::grouped_gemm {

/// Tiles of this body for the spec's arch and mode, best general choice first; empty where it has none.
std::vector<TileShape> hopper_tiles(const KernelSpec& spec);

/// Columns that a tile of this body computes for each row of D: N, and what it adds to the last tile of a row.
std::int64_t hopper_columns(const KernelSpec& spec, TileShape tile);

/// REQUIRES: the spec's tile is one of hopper_tiles().
BodyPlan hopper_plan(const KernelSpec& spec);

}  // namespace sinter::grouped_gemm
