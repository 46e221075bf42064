// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace sinter {

/// D[r, :] = A[r, :] * B[g(r)]^T for the rows r of group g: row_offsets[g] <= r < row_offsets[g + 1].
///
/// All matrices are row-major and contiguous; pointers are device pointers, 16-byte aligned (row_offsets, scales and
/// bias: 4). Rows that no group owns are left untouched. Offsets that are out of range or decrease are clamped: no
/// memory outside the operands is touched, whatever they hold.
struct GroupedGemmArgs {
  const void* a;           ///< [rows, K], of D's type or e4m3.
  const void* b;           ///< [groups, N, K] of A's type; layout kn: [groups, K, N]. separate: pointers [groups].
  void* d;                 ///< [rows, N], bf16 or fp16; swiglu: [rows, N / 2].
  const float* a_scale;    ///< fp8_block: [rows, ceil(K / 128)]; fp8_token: [rows]; else null.
  const float* b_scale;    ///< fp8_block: [groups, ceil(N / 128), ceil(K / 128)]; fp8_token: [groups, N]; else null.
  const int* row_offsets;  ///< [groups + 1].
  long long rows;          ///< Rows of A and D; below 2^31.
  const void* bias = nullptr;  ///< Epilogue bias: [groups, N] of D's type; else null.
};
static_assert(sizeof(GroupedGemmArgs) == 64, "the argument layout is part of the cache key: raise args_version");

}  // namespace sinter
