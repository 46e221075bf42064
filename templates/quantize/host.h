// SPDX-License-Identifier: Apache-2.0
#pragma once

// Quantizing bf16 to e4m3 on the host CPU, one fp32 scale per row and 128 columns.
//
// A work item is kTileM rows by kTileK columns; it needs no scratch. Each step is the IEEE operation that the
// convention names (divisions are divisions, not products with a reciprocal), so the bits equal every other device's.

#include "quantize/args.h"
#include "sinter_device/host.h"

namespace sinter {

using Args = QuantizeArgs;

inline constexpr int kScaleBlock = 128;
inline constexpr float kLargestE4m3 = 448.0f;

template <class P>
struct Layout {
  static_assert(P::kK > 0 && P::kK % 16 == 0, "K is a multiple of 16: rows and their last blocks are whole vectors");
  static_assert(P::kTileM > 0, "a work item has rows");
  static_assert(P::kTileK > 0 && P::kTileK % kScaleBlock == 0, "tile.k is whole scale blocks");

  static constexpr int kScaleBlocks = (P::kK + kScaleBlock - 1) / kScaleBlock;
  static constexpr int kColumnTiles = (P::kK + P::kTileK - 1) / P::kTileK;
};

// --- compute -------------------------------------------------------------------------------------------------------

/// kLanes columns of bf16, one in each lane.
SINTER_DEVICE VecU32 load_columns(const U16* x) {
  return __builtin_convertvector(load<Vec<U16, kLanes>>(x), VecU32);
}

SINTER_DEVICE VecU32 max_of(VecU32 a, VecU32 b) { return a > b ? a : b; }

/// The largest magnitude of up to 128 columns, as bits of bf16, which are ordered like integers. NaNs are skipped.
SINTER_DEVICE U32 largest_magnitude(const U16* x, int columns) {
  VecU32 largest = splat(0u);
  for (int column = 0; column < columns; column += kLanes) {
    const VecU32 magnitude = load_columns(x + column) & 0x7fff;
    largest = max_of(largest, magnitude > 0x7f80 ? splat(0u) : magnitude);
  }
  return __builtin_reduce_max(largest);
}

/// The multiplier of one block; a power of two is never subnormal. Inf gives Inf: 0 for finite columns, NaN for others.
template <class P>
SINTER_DEVICE float scale_of(U32 amax_bits) {
  const float amax = __builtin_bit_cast(float, amax_bits << 16);
  const float scale = (amax > P::kFloor ? amax : P::kFloor) / kLargestE4m3;
  if (scale == 0.0f) return 1.0f;  // floor 0 and nothing but zeros
  if constexpr (P::kPow2) {
    const U32 up = (__builtin_bit_cast(U32, scale) + 0x7fffff) & 0x7f800000;
    return __builtin_bit_cast(float, up);
  } else {
    return scale;
  }
}

/// Rounds to e4m3, to nearest, ties to even; saturates at 448; NaN becomes 0x7f. One byte in each 32-bit lane.
SINTER_DEVICE VecU32 f32_to_e4m3(VecF32 value) {
  const VecU32 in = bits<VecU32>(value);
  const VecU32 magnitude = in & 0x7fffffff;
  const VecU32 largest = splat(__builtin_bit_cast(U32, kLargestE4m3));
  const VecU32 clamped = magnitude > largest ? largest : magnitude;
  // Normal numbers: 20 bits of the mantissa are rounded off, the exponent's bias goes from 127 to 7.
  const VecU32 normal = ((clamped + 0x7ffff + ((clamped >> 20) & 1)) >> 20) - (120 << 3);
  // Below 2^-6 results are multiples of 2^-9, the unit in the last place of 2^14: the addition rounds.
  const VecF32 anchor = splat(16384.0f);
  const VecU32 subnormal = bits<VecU32>(bits<VecF32>(clamped) + anchor) - bits<VecU32>(anchor);
  const VecU32 finite = (clamped < (121u << 23) ? subnormal : normal) | ((in >> 24) & 0x80);
  return magnitude > 0x7f800000 ? splat(0x7fu) : finite;
}

// --- the kernel ----------------------------------------------------------------------------------------------------

/// Up to 128 columns of one row.
template <class P>
SINTER_DEVICE void quantize_block(const U16* x, U8* q, float* scale, int columns) {
  const float multiplier = scale_of<P>(largest_magnitude(x, columns));
  *scale = multiplier;
  for (int column = 0; column < columns; column += kLanes) {
    const VecF32 value = bits<VecF32>(load_columns(x + column) << 16);
    store(q + column, __builtin_convertvector(f32_to_e4m3(value / splat(multiplier)), Vec<U8, kLanes>));
  }
}

template <class P>
SINTER_DEVICE void run(const Args& args, const HostBlock& block) {
  using L = Layout<P>;
  const long long row_tiles = (args.rows + P::kTileM - 1) / P::kTileM;
  for (long long item = block.index; item < row_tiles * L::kColumnTiles; item += block.count) {
    const long long first_row = item / L::kColumnTiles * P::kTileM;
    const long long end_row = first_row + P::kTileM < args.rows ? first_row + P::kTileM : args.rows;
    const int first = static_cast<int>(item % L::kColumnTiles) * P::kTileK;
    const int end = P::kK - first < P::kTileK ? P::kK : first + P::kTileK;
    for (long long row = first_row; row < end_row; ++row) {
      const U16* const x = static_cast<const U16*>(args.x) + row * P::kK;
      U8* const q = static_cast<U8*>(args.q) + row * P::kK;
      float* const scale = args.scale + row * L::kScaleBlocks;
      for (int column = first; column < end; column += kScaleBlock) {
        const int columns = end - column < kScaleBlock ? end - column : kScaleBlock;
        quantize_block<P>(x + column, q + column, scale + column / kScaleBlock, columns);
      }
    }
  }
}

}  // namespace sinter
