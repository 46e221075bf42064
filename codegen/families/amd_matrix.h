// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the AMD bodies of all families share: which archs they are for, and what those can do.

#include <cstdint>
#include <string_view>

#include "codegen/family.h"

namespace sinter::amd {

/// The archs of templates/sinter_device/amd.h.
inline bool has_templates(const Arch& arch) {
  return arch.vendor == Vendor::kAmd && arch.wave_size == 64 && arch.has_bf16_matrix;
}
inline constexpr std::string_view kArchsOfTemplates = "gfx90a, gfx942, gfx950";

/// Threads of a block: four waves, one per SIMD, whose 512 registers per lane they need not share.
inline constexpr int kThreads = 256, kWaves = 4;
inline constexpr std::int64_t kRegistersPerSimd = 512;

/// The grid's limit: blocks times threads must stay below 2^32 (hipModuleLaunchKernel). Blocks of a grid this large
/// loop.
inline constexpr std::int64_t kMaxBlocks = std::int64_t{1} << 22;

/// Rows and columns of the matrix instructions.
inline constexpr int kFragmentRows = 32;

/// Types that matrix instructions multiply.
enum class MatrixType { kBf16, kF16, kFp8 };

/// The instruction of templates/sinter_device/amd_mfma.h as LLVM 22 prints it. Those for bf16 where the arch has none
/// for fp8.
std::string_view matrix_instruction(const Arch& arch, MatrixType type);

/// How a tile of m x n is built whose rows of operands have `row_bytes` in LDS (amd_fragments.h).
struct TileBuild {
  int waves_m = 1;                 ///< Rows of waves, of four waves in all.
  int stages = 1;                  ///< Copies of both operands in LDS.
  std::int64_t operand_bytes = 0;  ///< LDS of all stages.
};
TileBuild build_tile(const Arch& arch, TileShape tile, int row_bytes);

}  // namespace sinter::amd
