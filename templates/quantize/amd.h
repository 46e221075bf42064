// SPDX-License-Identifier: Apache-2.0
#pragma once

// Quantizing bf16 to OCP e4m3 on AMD (gfx90a, gfx942, gfx950), one fp32 scale per row and 128 columns.
//
// A block takes a tile of kTileM rows by kTileK columns, a wave kTileM / 4 of these rows, a lane 8 neighbouring
// columns: 16 lanes, which is a row of DPP, share a scale. The kernel is bound by memory, so a wave starts all loads of
// its rows before it computes.
//
// The bits equal every other device's: divisions round like IEEE divisions, a power of two is never subnormal, NaN is
// passed over for the largest magnitude and becomes 0x7f. Inf makes the scale infinite; it becomes 0x7f, all else in
// its block +-0.
//
// Grid: one block per tile, at most kMaxBlocks; the launch computes it from `rows` (as in grouped_gemm/amd.h).

#include "quantize/args.h"
#include "sinter_device/amd.h"

#include "quantize/exact_quotient.h"
#include "sinter_device/amd_fp8.h"
#include "sinter_device/amd_vskip.h"

namespace sinter {

using Args = QuantizeArgs;

// --- assumptions -----------------------------------------------------------------------------------------------------

inline constexpr int kScaleBlock = 128;
inline constexpr int kLaneColumns = 8;  ///< 16 bytes of bf16.
inline constexpr int kLanesPerScale = kScaleBlock / kLaneColumns;
inline constexpr int kWaveColumns = kWaveSize * kLaneColumns;  ///< Of one row, per load.

template <class P>
struct Layout {
  static constexpr int kWaves = P::kThreads / kWaveSize;
  static constexpr int kRows = P::kTileM / kWaves;        ///< Rows of a wave.
  static constexpr int kRuns = P::kTileK / kWaveColumns;  ///< Runs of columns of a wave.
  static constexpr U32 kColumnTiles = (P::kK + P::kTileK - 1) / P::kTileK;
  static constexpr int kScaleBlocks = (P::kK + kScaleBlock - 1) / kScaleBlock;

  static constexpr bool kMayBeTiny = P::kFloor < kTinyScale * kMaxE4m3;

  static_assert(P::kThreads == 256, "four waves, one per SIMD");
  static_assert(P::kK % kLaneColumns == 0, "K is a multiple of 8: a lane's columns exist or not together");
  static_assert(P::kTileM % (kWaves * kGuardedRows) == 0, "a wave's rows are whole guarded statements");
  static_assert(P::kTileK % kWaveColumns == 0, "a store instruction writes 512 columns of one row");
};

// --- compute ---------------------------------------------------------------------------------------------------------

typedef U16 U16x2 __attribute__((ext_vector_type(2)));

inline constexpr U32 kInfBf16 = 0x7f80;

/// The larger of this lane's value and that of the lane kBy before it, around a DPP row of 16.
template <int kBy>
SINTER_DEVICE U32 larger_of_rotated(U32 value) {
  constexpr int kRowRotate = 0x120;
  const int other = __builtin_amdgcn_mov_dpp(static_cast<int>(value), kRowRotate + kBy, 0xf, 0xf, true);
  return value > static_cast<U32>(other) ? value : static_cast<U32>(other);
}

/// The largest value among the 16 lanes that share a scale.
SINTER_DEVICE U32 largest_of_row(U32 value) {
  return larger_of_rotated<1>(larger_of_rotated<2>(larger_of_rotated<4>(larger_of_rotated<8>(value))));
}

/// Largest magnitude in the block of this lane's row of DPP, as bf16 bits. With `kNan` NaN counts, as larger than Inf.
template <bool kNan>
SINTER_DEVICE U32 largest_magnitude(U32x4 x) {
  U16x2 largest = {0, 0};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    U16x2 magnitude = bits<U16x2>(x[i] & 0x7fff7fff);
    if constexpr (!kNan) {
      magnitude.x = magnitude.x > kInfBf16 ? U16(0) : magnitude.x;
      magnitude.y = magnitude.y > kInfBf16 ? U16(0) : magnitude.y;
    }
    largest = __builtin_elementwise_max(largest, magnitude);
  }
  return largest_of_row(largest.x > largest.y ? largest.x : largest.y);
}

/// The multiplier that undoes the division, by the spec's convention.
template <class P>
SINTER_DEVICE float scale_of(float amax) {
  const float floored = amax > P::kFloor ? amax : P::kFloor;
  if (P::kFloor == 0.0f && floored == 0.0f) return 1.0f;
  const float scale = floored / kMaxE4m3;
  return P::kPow2 ? bits<float>((bits<U32>(scale) + 0x7fffff) & 0x7f800000) : scale;
}

/// Inf and NaN elements become NaN: bytes of `word` whose two dwords of bf16 are given.
SINTER_DEVICE U32 mark_nan(U32 word, U32 low, U32 high) {
  const U32 element[4] = {low & 0x7fff, low >> 16 & 0x7fff, high & 0x7fff, high >> 16 & 0x7fff};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (element[i] >= kInfBf16) word = (word & ~(0xffu << 8 * i)) | (0x7fu << 8 * i);
  }
  return word;
}

SINTER_DEVICE float low_bf16(U32 pair) { return bits<float>(pair << 16); }
SINTER_DEVICE float high_bf16(U32 pair) { return bits<float>(pair & 0xffff0000); }

/// Four quotients as e4m3.
SINTER_DEVICE U32 divide_and_encode(U32 low, U32 high, const Divisor& by) {
  return encode_scaled_e4m3x4(quotient(low_bf16(low), by), quotient(high_bf16(low), by), quotient(low_bf16(high), by),
                              quotient(high_bf16(high), by));
}

/// Quantizes this lane's 8 columns; all lanes of the wave.
template <class P>
SINTER_DEVICE U64 quantize(U32x4 x, float& scale) {
  U32 magnitude = largest_magnitude<true>(x);
  const bool all_finite = magnitude < kInfBf16;
  if (!all_finite) magnitude = largest_magnitude<false>(x);  // The 16 lanes of a block take this branch together.
  scale = scale_of<P>(bits<float>(magnitude << 16));
  const Divisor by = make_divisor<Layout<P>::kMayBeTiny>(scale, kFp8EncodeScale);
  U32x2 q = {divide_and_encode(x[0], x[1], by), divide_and_encode(x[2], x[3], by)};
  if (!all_finite) q = U32x2{mark_nan(q[0], x[0], x[1]), mark_nan(q[1], x[2], x[3])};
  return bits<U64>(q);
}

// --- load and store --------------------------------------------------------------------------------------------------

/// One tile; `valid` of this wave's rows exist, the first is `row`.
template <class P>
SINTER_DEVICE void quantize_tile(const Args& args, long long row, int valid, int column) {
  using L = Layout<P>;
  const int lane = thread_index() % kWaveSize;
  Global<const U8>* x = (Global<const U8>*)args.x + (row * P::kK + column) * 2;
  U32x4 data[L::kRuns][L::kRows];
#pragma unroll
  for (int run = 0; run < L::kRuns; ++run) {
    const int lane_column = run * kWaveColumns + lane * kLaneColumns;
#pragma unroll
    for (int r = 0; r < L::kRows; ++r) data[run][r] = U32x4{0, 0, 0, 0};
    if (column + lane_column < P::kK) {
#pragma unroll
      for (int r = 0; r < L::kRows; ++r) {
        // Rows that do not exist read the last that does; their results are not stored.
        Global<const U8>* from = x + static_cast<long long>(min(r, valid - 1)) * (P::kK * 2);
        data[run][r] = *reinterpret_cast<Global<const U32x4>*>(from + static_cast<U32>(lane_column * 2));
      }
    }
  }

  Global<U8>* q = (Global<U8>*)args.q + row * P::kK + column;
  Global<U8>* scales = (Global<U8>*)args.scale + (row * L::kScaleBlocks + column / kScaleBlock) * 4;
#pragma unroll
  for (int run = 0; run < L::kRuns; ++run) {
    const int lane_column = run * kWaveColumns + lane * kLaneColumns;
    U64 values[L::kRows];
    U32 scale_bits[L::kRows];
#pragma unroll
    for (int r = 0; r < L::kRows; ++r) {
      float scale;
      values[r] = quantize<P>(data[run][r], scale);
      scale_bits[r] = bits<U32>(scale);
    }
    if (column + lane_column < P::kK) {
      store_rows<P::kVskip>(valid, q, P::kK, static_cast<U32>(lane_column), values);
      // 16 lanes write the same value to the same place, which is one request; a guard per lane would cost more.
      const U32 scale_offset = static_cast<U32>(lane_column / kScaleBlock * 4);
      store_rows<P::kVskip>(valid, scales, L::kScaleBlocks * 4, scale_offset, scale_bits);
    }
  }
}

template <class P>
SINTER_DEVICE void run(const Args& args) {
  using L = Layout<P>;
  const int wave = uniform(thread_index() / kWaveSize);
  for (TileIndex index = first_tile<L::kColumnTiles>();; index = next_tile<L::kColumnTiles, P::kMaxBlocks>(index)) {
    const long long tile_row = static_cast<long long>(index.row) * P::kTileM;
    if (tile_row >= args.rows) return;
    const long long row = tile_row + wave * L::kRows;
    const long long left = args.rows - row;
    if (left > 0) {
      quantize_tile<P>(args, row, left < L::kRows ? static_cast<int>(left) : L::kRows,
                       static_cast<int>(index.column) * P::kTileK);
    }
  }
}

}  // namespace sinter
