// SPDX-License-Identifier: Apache-2.0
#pragma once

// Family grouped_gemm: parameter indices, shared by the family (grouped_gemm.cpp) and its bodies
// (grouped_gemm_host.cpp, grouped_gemm_nvidia.cpp, grouped_gemm_amd.cpp).

#include <cstdint>
#include <string>

#include "codegen/family.h"
#include "templates/grouped_gemm/args.h"

namespace sinter::grouped_gemm {

enum Param : int { kQuant, kDtype, kN, kK, kGroups, kTile, kVskip, kLayout, kTensors, kEpilogue };

/// Values of kQuant.
inline constexpr std::int64_t kQuantNone = 0;      ///< a, b of the same type as d.
inline constexpr std::int64_t kQuantFp8Block = 1;  ///< a, b e4m3 with 1x128 and 128x128 fp32 scales.
inline constexpr std::int64_t kQuantFp8Token = 2;  ///< a, b e4m3 with a fp32 scale for each row of a and of b.

/// Values of kDtype: the type of d, of bias, and without scales of a and b.
inline constexpr std::int64_t kDtypeBf16 = 0, kDtypeFp16 = 1;

/// Values of kLayout. kn is how the gradient of a reads the weights of the forward pass.
inline constexpr std::int64_t kLayoutNk = 0;  ///< b is [groups, n, k].
inline constexpr std::int64_t kLayoutKn = 1;  ///< b is [groups, k, n].

/// Values of kTensors.
inline constexpr std::int64_t kTensorsStacked = 0;   ///< b is one tensor.
inline constexpr std::int64_t kTensorsSeparate = 1;  ///< b is an array of pointers, one to the matrix of each group.

/// Values of kEpilogue.
inline constexpr std::int64_t kEpilogueNone = 0;
inline constexpr std::int64_t kEpilogueBias = 1;    ///< d + bias[group].
inline constexpr std::int64_t kEpilogueSwiglu = 2;  ///< d [rows, n / 2] = silu(left half of the columns) * right half.

/// Columns of K (and rows of B) that share one scale in fp8_block.
inline constexpr std::int64_t kScaleBlock = 128;

inline bool is_fp8(const KernelSpec& spec) { return spec[kQuant] != kQuantNone; }
inline std::int64_t element_bytes(const KernelSpec& spec) { return is_fp8(spec) ? 1 : 2; }  ///< Of a and b.
inline std::int64_t columns_of_d(const KernelSpec& spec) {
  return spec[kEpilogue] == kEpilogueSwiglu ? spec[kN] / 2 : spec[kN];
}

/// The constants that every template takes, as lines of `struct Params`.
std::string common_params(const KernelSpec& spec);

/// Why a body that reads b as [n, k] and knows no epilogue but bias cannot serve the spec, or nothing.
std::string beyond_plain_body(const KernelSpec& spec);

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
