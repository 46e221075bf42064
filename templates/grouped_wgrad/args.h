// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace sinter {

/// dW[g] = dY_g^T * X_g, where dY_g and X_g are the rows of group g: row_offsets[g] <= r < row_offsets[g + 1].
///
/// The gradient of a grouped GEMM's weights. All matrices are row-major and contiguous; pointers are device pointers,
/// 16-byte aligned (row_offsets: 4). Offsets that are out of range or decrease are clamped: no memory outside the
/// operands is touched, whatever they hold. A group without rows gets zeros; with output add_f32, which adds to what dW
/// holds, it is left as it is.
struct GroupedWgradArgs {
  const void* dy;          ///< [rows, N], bf16 or fp16.
  const void* x;           ///< [rows, K], the same type.
  void* dw;                ///< [groups, N, K], fp32 or (output same) the same type. separate: pointers [groups].
  const int* row_offsets;  ///< [groups + 1].
  long long rows;          ///< Rows of dY and X; below 2^31.
};
static_assert(sizeof(GroupedWgradArgs) == 40, "the argument layout is part of the cache key: raise args_version");

}  // namespace sinter
