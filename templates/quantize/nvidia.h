// SPDX-License-Identifier: Apache-2.0
#pragma once

// Quantization of bf16 to e4m3 with one scale per 1x128, for sm_80 and later. Bound by memory: 3 bytes per element.
//
// A tile is tile.m rows by tile.k columns. Sixteen lanes share a block of 128: each reads 16 bytes (8 elements), all of
// a tile's reads start before the first use, and stores are 8 bytes a lane, whole lines a warp.
//
// The numbers, the same on every device:
//   amax   largest magnitude of the block, at least the floor; NaN is passed over.
//   scale  amax / 448 as IEEE fp32; pow2: the next power of two at or above that, no subnormal; 1 if amax is 0.
//   q      x / scale as IEEE fp32, then e4m3: to nearest, ties to even, saturating at 448; NaN is 0x7f.
// An infinite amax gives an infinite scale, 0 for finite x, and NaN for infinite x.

#include "quantize/args.h"
#include "sinter_device/nvidia.h"
#include "sinter_device/nvidia_e4m3.h"

namespace sinter {

using Args = QuantizeArgs;

inline constexpr int kScaleBlock = 128;
inline constexpr int kLaneElements = 8;
inline constexpr int kBlockLanes = kScaleBlock / kLaneElements;

/// Everything that follows from the parameters.
template <class P>
struct Layout {
  static constexpr int kBlocks = (P::kK + kScaleBlock - 1) / kScaleBlock;  ///< Scales of a row.
  static constexpr int kTileBlocks = P::kTileK / kScaleBlock;
  static constexpr int kColumnTiles = (P::kK + P::kTileK - 1) / P::kTileK;
  static constexpr int kTeams = P::kThreads / kBlockLanes;  ///< Blocks of 128 that run side by side.
  static constexpr int kTeamBlocks = P::kTileM * kTileBlocks / kTeams;
  static_assert(P::kK > 0 && P::kK % 16 == 0, "rows of x and q are whole 16-byte chunks");
  static_assert(P::kTileK % kScaleBlock == 0, "a tile is whole blocks");
  static_assert(kTeamBlocks >= 1 && kTeamBlocks * kTeams == P::kTileM * kTileBlocks, "teams share a tile evenly");
  static_assert(kBlockLanes == 16 && P::kThreads % kWarpSize == 0, "two teams are a warp");
};

/// Eight elements of one block.
struct Piece {
  Vec16 x;
  bool valid;
};

// --- load ------------------------------------------------------------------------------------------------------------

template <class P>
SINTER_DEVICE Piece load_piece(const Args& args, long long row, int column) {
  Piece piece = {{0, 0, 0, 0}, row < args.rows && column < P::kK};
  if (piece.valid) {
    piece.x = load_readonly(reinterpret_cast<const Vec16*>(static_cast<const U16*>(args.x) + row * P::kK + column));
  }
  return piece;
}

// --- compute ---------------------------------------------------------------------------------------------------------

/// The larger of two pairs of bf16; NaN loses.
SINTER_DEVICE U32 maximum_bf16x2(U32 a, U32 b) {
  U32 out;
  asm("max.bf16x2 %0, %1, %2;" : "=r"(out) : "r"(a), "r"(b));
  return out;
}

/// Largest magnitude of the team's block, in all its lanes. All lanes of the warp call.
SINTER_DEVICE float block_maximum(const Vec16& x) {
  constexpr U32 kMagnitudes = 0x7fff7fff;
  U32 largest = maximum_bf16x2(0, x.x & kMagnitudes);  // zero first: what remains is no NaN
  largest = maximum_bf16x2(largest, x.y & kMagnitudes);
  largest = maximum_bf16x2(largest, x.z & kMagnitudes);
  largest = maximum_bf16x2(largest, x.w & kMagnitudes);
#pragma unroll
  for (int mask = 1; mask < kBlockLanes; mask *= 2) largest = maximum_bf16x2(largest, shuffle_xor(largest, mask));
  const U32 low = largest << 16, high = largest & 0xffff0000;
  return bits_float(low > high ? low : high);  // magnitudes are ordered like their bits
}

template <class P>
SINTER_DEVICE float scale_of(float largest) {
  const float floor = bits_float(P::kFloorBits);
  const float amax = largest > floor ? largest : floor;
  if (P::kFloorBits == 0 && amax == 0) return 1;
  const float scale = divide(amax, 448.0f);
  return P::kPow2 ? bits_float((float_bits(scale) + 0x007fffff) & 0x7f800000) : scale;
}

/// A scale made ready to divide by.
struct Divisor {
  float factor;      ///< Dividends are multiplied by this first, exactly.
  float scale;       ///< The scale times factor, in the middle of the range.
  float reciprocal;  ///< Its reciprocal; 0 for an infinite scale.
};

template <class P>
SINTER_DEVICE Divisor divisor_of(float scale) {
  Divisor by;
  // Only without a floor is there a scale so small that its reciprocal or a remainder leaves the range.
  by.factor = P::kFloorBits == 0 && scale < 0x1p-80f ? 0x1p100f : 1.0f;
  const bool infinite = float_bits(scale) == 0x7f800000;
  by.scale = infinite ? 1.0f : multiply(scale, by.factor);
  by.reciprocal = infinite ? 0.0f : reciprocal(by.scale);
  return by;
}

/// x / scale as IEEE fp32 division has it.
///
/// With one correction the product with the reciprocal has the same bits for every bf16 dividend of at most 448 scales:
/// all mantissas and exponents of both were tried, on a CPU. The remainder is the estimate's excess, not its lack: the
/// other sign would turn -0 to 0.
template <class P>
SINTER_DEVICE float quotient(float x, const Divisor& by) {
  const float dividend = P::kFloorBits == 0 ? multiply(x, by.factor) : x;
  const float estimate = multiply(dividend, by.reciprocal);
  const float excess = multiply_add(estimate, by.scale, -dividend);
  return multiply_add(excess, -by.reciprocal, estimate);
}

/// Two neighbouring elements.
template <class P>
SINTER_DEVICE U32 quantize_pair(U32 x, const Divisor& by) {
  return encode_e4m3x2(quotient<P>(bits_float(x << 16), by), quotient<P>(bits_float(x & 0xffff0000), by));
}

// --- the kernel ------------------------------------------------------------------------------------------------------

/// Quantizes a piece and stores it, with the scale by the team's first lane. All lanes of the warp call.
template <class P>
SINTER_DEVICE void quantize_piece(const Args& args, const Piece& piece, long long row, int column) {
  const float scale = scale_of<P>(block_maximum(piece.x));
  if (!piece.valid) return;
  const Divisor by = divisor_of<P>(scale);
  const Vec8 q = {quantize_pair<P>(piece.x.x, by) | quantize_pair<P>(piece.x.y, by) << 16,
                  quantize_pair<P>(piece.x.z, by) | quantize_pair<P>(piece.x.w, by) << 16};
  *reinterpret_cast<Vec8*>(static_cast<U8*>(args.q) + row * P::kK + column) = q;
  if (column % kScaleBlock == 0) args.scale[row * Layout<P>::kBlocks + column / kScaleBlock] = scale;
}

template <class P>
SINTER_DEVICE void run(const Args& args) {
  using L = Layout<P>;
  const int team = thread_index() / kBlockLanes, first = thread_index() % kBlockLanes * kLaneElements;
  // Tiles go along the rows: number * kColumnTiles + rest, in two parts so that 32 bits are enough.
  const long long row_tiles = (args.rows + P::kTileM - 1) / P::kTileM;
  int number = block_index() / L::kColumnTiles, rest = block_index() % L::kColumnTiles;
  while (number < row_tiles) {
    Piece pieces[L::kTeamBlocks];
    long long row[L::kTeamBlocks];
    int column[L::kTeamBlocks];
#pragma unroll
    for (int i = 0; i < L::kTeamBlocks; ++i) {
      const int block = i * L::kTeams + team;
      row[i] = static_cast<long long>(number) * P::kTileM + block / L::kTileBlocks;
      column[i] = rest * P::kTileK + block % L::kTileBlocks * kScaleBlock + first;
      pieces[i] = load_piece<P>(args, row[i], column[i]);
    }
#pragma unroll
    for (int i = 0; i < L::kTeamBlocks; ++i) quantize_piece<P>(args, pieces[i], row[i], column[i]);

    number += block_count() / L::kColumnTiles;
    rest += block_count() % L::kColumnTiles;
    if (rest >= L::kColumnTiles) {
      rest -= L::kColumnTiles;
      ++number;
    }
  }
}

}  // namespace sinter
