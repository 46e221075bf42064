// SPDX-License-Identifier: Apache-2.0
#include "codegen/families/amd_matrix.h"

namespace sinter::amd {

std::string_view matrix_instruction(const Arch& arch, MatrixType type) {
  const bool is_ocp = arch.fp8 == Fp8Hardware::kOcp, is_fnuz = arch.fp8 == Fp8Hardware::kFnuz;
  if (type == MatrixType::kFp8 && (is_ocp || is_fnuz)) {
    return is_fnuz ? "v_mfma_f32_32x32x16_fp8_fp8" : "v_mfma_f32_32x32x64_f8f6f4";
  }
  if (type == MatrixType::kF16) {
    return is_ocp ? "v_mfma_f32_32x32x16_f16" : is_fnuz ? "v_mfma_f32_32x32x8_f16" : "v_mfma_f32_32x32x8f16";
  }
  return is_ocp ? "v_mfma_f32_32x32x16_bf16" : is_fnuz ? "v_mfma_f32_32x32x8_bf16" : "v_mfma_f32_32x32x8bf16_1k";
}

TileBuild build_tile(const Arch& arch, TileShape tile, int row_bytes) {
  const std::int64_t stage_bytes = std::int64_t{tile.m + tile.n} * row_bytes;
  TileBuild build;
  build.waves_m = tile.m > kFragmentRows ? 2 : 1;
  // A second stage saves a barrier per step. Two blocks on a CU do more for speed, so it must not cost one of them.
  build.stages = 4 * stage_bytes <= arch.max_shared_memory_bytes ? 2 : 1;
  build.operand_bytes = build.stages * stage_bytes;
  return build;
}

}  // namespace sinter::amd
