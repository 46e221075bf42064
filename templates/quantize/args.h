// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace sinter {

/// q[r, k] = e4m3(x[r, k] / scale[r, k / 128]): one fp32 scale per row and 128 columns (the last block may be short).
///
/// Row-major, contiguous device pointers, 16-byte aligned. `scale` is the multiplier that undoes the division.
struct QuantizeArgs {
  const void* x;   ///< [rows, K], bf16.
  void* q;         ///< [rows, K], e4m3fn (OCP) on every device.
  float* scale;    ///< [rows, ceil(K / 128)].
  long long rows;  ///< Below 2^31.
};
static_assert(sizeof(QuantizeArgs) == 32, "the argument layout is part of the cache key: raise args_version");

}  // namespace sinter
