// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace sinter {

/// D[r, :] = A[r, :] * B[g(r)]^T for the rows r of group g: row_offsets[g] <= r < row_offsets[g + 1].
///
/// All matrices are row-major and contiguous; pointers are device pointers, 16-byte aligned (row_offsets: 4).
/// Rows that no group owns are left untouched. Offsets that are out of range or decrease are clamped: no memory outside
/// the operands is touched, whatever they hold.
struct GroupedGemmArgs {
  const void* a;           ///< [rows, K], bf16 or e4m3.
  const void* b;           ///< [groups, N, K], the same type.
  void* d;                 ///< [rows, N], bf16.
  const float* a_scale;    ///< fp8_block: [rows, ceil(K / 128)], else null.
  const float* b_scale;    ///< fp8_block: [groups, ceil(N / 128), ceil(K / 128)], else null.
  const int* row_offsets;  ///< [groups + 1].
  long long rows;          ///< Rows of A and D; below 2^31.
};
static_assert(sizeof(GroupedGemmArgs) == 56, "the argument layout is part of the cache key: raise args_version");

}  // namespace sinter
