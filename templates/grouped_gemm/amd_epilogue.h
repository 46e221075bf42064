// SPDX-License-Identifier: Apache-2.0
#pragma once

// From sums to rows of D: scales of fp8_token, bias, swiglu, rounding, and stores of whole rows.

#include "grouped_gemm/amd_layout.h"
#include "grouped_gemm/amd_schedule.h"
#include "sinter_device/amd_fp8.h"
#include "sinter_device/amd_vskip.h"

namespace sinter {

using Args = GroupedGemmArgs;

/// One lane's part of a row of the tile.
template <int kBytes>
struct LaneValue;
template <>
struct LaneValue<2> {
  using Type = U16;
};
template <>
struct LaneValue<4> {
  using Type = U32;
};
template <>
struct LaneValue<8> {
  using Type = U64;
};

/// x / (1 + e^-x). The instructions are off by a unit in the last place, and D has 16 bits.
SINTER_DEVICE float silu(float x) {
  constexpr float kLog2E = 1.44269504f;
#if __has_builtin(__builtin_amdgcn_exp2f)
  // The instruction alone: it makes zero of results below the smallest normal number, which is nothing beside 1.
  const float power = __builtin_amdgcn_exp2f(x * -kLog2E);
#else
  const float power = __builtin_exp2f(x * -kLog2E);
#endif
  return x * __builtin_amdgcn_rcpf(1.0f + power);
}

/// Applies the scales of fp8_token, and the bias.
template <class P>
SINTER_DEVICE void scale_and_bias(Sums<Layout<P>>& sums, const Args& args, const Tile& tile, int wave_m, int wave_n) {
  using L = Layout<P>;
  const int lane = thread_index() % kWaveSize, half = lane / kFragmentRows;
  float row_scale[L::kFragmentsM];
#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
    const int row = tile.row + min(wave_m + i * kFragmentRows + lane % kFragmentRows, tile.rows - 1);
    row_scale[i] = P::kTokenScales ? ((Global<const float>*)args.a_scale)[row] * kFp8ProductScale : 1.0f;
  }
  const long long first = static_cast<long long>(tile.group) * P::kN;
#pragma unroll
  for (int j = 0; j < L::kFragmentsN; ++j) {
#pragma unroll
    for (int r = 0; r < 16; ++r) {
      const int in_wave = j % L::kColumnFragments * kFragmentRows + 8 * (r / 4) + 4 * half + r % 4;
      const int in_half = min(tile.column + wave_n + in_wave, L::kDColumns - 1);
      const int column = j / L::kColumnFragments * L::kDColumns + in_half;  // of B's rows
      float scale = 1, bias = 0;
      if constexpr (P::kTokenScales) scale = ((Global<const float>*)args.b_scale)[first + column];
      if constexpr (P::kBias) {
        const U16 bits = ((Global<const U16>*)args.bias)[first + column];
        bias = P::kHalf ? f16_to_f32(bits) : bf16_to_f32(bits);
      }
#pragma unroll
      for (int i = 0; i < L::kFragmentsM; ++i) {
        float value = sums.value[i][j][r];
        if constexpr (P::kTokenScales) value *= row_scale[i] * scale;
        if constexpr (P::kBias) value += bias;
        sums.value[i][j][r] = value;
      }
    }
  }
}

/// Everything between the sums and rounding. With swiglu the results are in the first half of the fragments.
template <class P>
SINTER_DEVICE void finish(Sums<Layout<P>>& sums, const Args& args, const Tile& tile, int wave_m, int wave_n) {
  using L = Layout<P>;
  if constexpr (P::kTokenScales || P::kBias) scale_and_bias<P>(sums, args, tile, wave_m, wave_n);
  if constexpr (P::kSwiglu) {
#pragma unroll
    for (int i = 0; i < L::kFragmentsM; ++i) {
#pragma unroll
      for (int j = 0; j < L::kColumnFragments; ++j) {
        const F32x16 other = sums.value[i][j + L::kColumnFragments];
#pragma unroll
        for (int r = 0; r < 16; ++r) sums.value[i][j][r] = silu(sums.value[i][j][r]) * other[r];
      }
    }
  }
}

/// Rounds the sums and stores them, slab by slab, through LDS: a store instruction writes one row.
template <class P>
SINTER_DEVICE void store_tile(const Sums<Layout<P>>& sums, const Args& args, const Tile& tile, U8* lds, int wave,
                              int wave_m, int wave_n) {
  using L = Layout<P>;
  constexpr int kRowsPerWave = L::kSlabRows / L::kWaves;
  constexpr int kLaneColumns = L::kTileColumns / kWaveSize;
  using Value = typename LaneValue<kLaneColumns * 2>::Type;
  const int lane = thread_index() % kWaveSize, half = lane / kFragmentRows;
  const int slab_wave_row = wave_m / L::kWaveM * kFragmentRows;  // Of the slab, this wave's first row when computing,
  const int slab_row = wave * kRowsPerWave;                      // and when storing.
  const int store_row = slab_row / kFragmentRows * L::kWaveM + slab_row % kFragmentRows;
  constexpr long long kStride = L::kDColumns * 2ll;
  Global<U8>* d = (Global<U8>*)args.d + static_cast<long long>(tile.row + store_row) * kStride + tile.column * 2ll;

#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
    U8* row = lds + (slab_wave_row + lane % kFragmentRows) * L::kSlabRowBytes + (wave_n + 4 * half) * 2;
#pragma unroll
    for (int j = 0; j < L::kColumnFragments; ++j) {
#pragma unroll
      for (int r = 0; r < 16; r += 4) {
        const F32x16 v = sums.value[i][j];
        const U32 low = rounded<P::kHalf>(v[r]) | (rounded<P::kHalf>(v[r + 1]) << 16);
        const U32 high = rounded<P::kHalf>(v[r + 2]) | (rounded<P::kHalf>(v[r + 3]) << 16);
        *reinterpret_cast<U32x2*>(row + (j * kFragmentRows + 2 * r) * 2) = U32x2{low, high};
      }
    }
    block_barrier();
    Value values[kRowsPerWave];
#pragma unroll
    for (int r = 0; r < kRowsPerWave; ++r) {
      values[r] = *reinterpret_cast<const Value*>(lds + (slab_row + r) * L::kSlabRowBytes + lane * kLaneColumns * 2);
    }
    const int valid = tile.rows - store_row - i * kFragmentRows;
    if (tile.column + lane * kLaneColumns < L::kDColumns) {
      const U32 offset = static_cast<U32>(lane * kLaneColumns * 2);
      store_rows<P::kVskip>(valid, d + i * kFragmentRows * kStride, kStride, offset, values);
    }
    block_barrier();  // The slab is read.
  }
}

}  // namespace sinter
