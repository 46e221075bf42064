// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is done to a warpgroup's sums before they are rounded: scales of fp8_token, bias, swiglu.

#include "grouped_gemm/hopper_layout.h"

namespace sinter {

/// Whether the columns of a tile have values of their own: scales, a bias, or both. They are copied to the warp's first
/// buffer of D while the tile is computed, so that nobody waits for them and no register keeps them.
template <class P>
inline constexpr bool kHasColumnValues = P::kTokenScales || P::kBias;

/// Of the buffer, where the bias begins: behind a scale for each column.
template <class P>
inline constexpr int kBiasOffset = P::kTokenScales ? 4 * P::kTileN : 0;

/// The row of B that column `column` of the tile computes; those behind the last are some other.
template <class P>
SINTER_DEVICE int column_of_b(const HopperTile& tile, int column) {
  if constexpr (P::kSwiglu) {
    constexpr int kHalf = P::kTileN / 2;
    const int in_half = tile.column / 2 + column % kHalf;
    return (column < kHalf ? 0 : P::kN / 2) + (in_half < P::kN / 2 ? in_half : 0);
  } else {
    return tile.column + column < P::kN ? tile.column + column : 0;
  }
}

/// Starts to copy the values of a tile's columns to `buffer`.
template <class P, int kColumns>
SINTER_DEVICE void copy_column_values(const GroupedGemmArgs& args, const HopperTile& tile, U32 buffer, int lane) {
  static_assert(kBiasOffset<P> + (P::kBias ? 2 * P::kTileN : 0) <= Layout<P>::kBufferBytes * P::kBuffers, "they fit");
  warp_barrier();  // every lane has read the buffer
  const long long first = static_cast<long long>(tile.group) * P::kN;
  if constexpr (P::kTokenScales) {
#pragma unroll
    for (int at = 0; at < kColumns; at += kWarpSize) {
      const int column = at + lane;
      copy_async_4(buffer + static_cast<U32>(4 * column), args.b_scale + first + column_of_b<P>(tile, column), true);
    }
  }
  if constexpr (P::kBias) {  // two columns at a time
#pragma unroll
    for (int at = 0; at < kColumns; at += 2 * kWarpSize) {
      const int column = at + 2 * lane;
      copy_async_4(buffer + static_cast<U32>(kBiasOffset<P> + 2 * column),
                   static_cast<const U16*>(args.bias) + first + column_of_b<P>(tile, column), true);
    }
  }
  copy_async_commit();
}

/// Applies scales and bias to every sum, then pairs the halves of swiglu: their results are in the first half. `buffer` is
/// that of copy_column_values().
template <class P, int kColumns>
SINTER_DEVICE void finish(float (&sum)[kColumns / 2], const GroupedGemmArgs& args, const HopperTile& tile, U32 buffer,
                          int band, int lane) {
  if constexpr (kHasColumnValues<P>) {
    copy_async_wait<0>();
    warp_barrier();
    float row_scale[2] = {1, 1};
    if constexpr (P::kTokenScales) {
      const int row = tile.row + band * Layout<P>::kBandRows + thread_index() / kWarpSize % 4 * 16 + lane / 4;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        row_scale[half] = args.a_scale[row + 8 * half < tile.end ? row + 8 * half : tile.end - 1];
      }
    }
#pragma unroll
    for (int j = 0; j < kColumns / 8; ++j) {
      const int column = 8 * j + 2 * (lane % 4);
      U32 biases = 0;
      if constexpr (P::kBias) {
        biases = float_bits(load_shared_float(buffer + static_cast<U32>(kBiasOffset<P> + 2 * column)));
      }
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        float scale = 1, bias = 0;
        if constexpr (P::kTokenScales) scale = load_shared_float(buffer + static_cast<U32>(4 * (column + e)));
        if constexpr (P::kBias) {
          bias = P::kHalf ? f16_float(static_cast<U16>(biases >> (16 * e))) : bits_float(biases << 16 * (1 - e) & 0xffff0000);
        }
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          float& value = sum[4 * j + 2 * half + e];
          if constexpr (P::kTokenScales) value *= row_scale[half] * scale;
          if constexpr (P::kBias) value += bias;
        }
      }
    }
  }
  if constexpr (P::kSwiglu) {
#pragma unroll
    for (int i = 0; i < kColumns / 4; ++i) sum[i] = silu(sum[i]) * sum[kColumns / 4 + i];
  }
}

/// Two sums as neighbours in a row of D.
template <bool kHalf>
SINTER_DEVICE U32 rounded(float low, float high) {
  return kHalf ? f16x2(low, high) : bf16x2(low, high);
}

}  // namespace sinter
