// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the wgmma body lays out its shared memory and deals out registers: everything that follows from the parameters.

#include "grouped_gemm/args.h"
#include "grouped_gemm/hopper_schedule.h"
#include "sinter_device/hopper_ring.h"

namespace sinter {

/// Columns of K, and rows of B, that share a scale in fp8_block.
inline constexpr int kScaleBlock = 128;

/// Everything that follows from the parameters.
template <class P>
struct Layout {
  static constexpr int kElementBytes = P::kFp8 ? 1 : 2;
  static_assert(P::kN > 0 && P::kK > 0 && P::kGroups > 0, "sizes are positive");
  static_assert(P::kK * kElementBytes % 16 == 0, "rows of A and B are whole 16-byte chunks, as tensor maps want");
  static_assert(P::kN % 8 == 0, "a row of D is whole 16-byte chunks");
  static_assert(P::kFp8 ? P::kTileN == 128 || P::kTileN == 192 : P::kTileN == 128 || P::kTileN == 256,
                "there is a product of this width");
  static_assert(!P::kTransposedB || !P::kFp8, "products take e4m3 with neighbours along K only");
  static_assert(!P::kSwiglu || (P::kN % 16 == 0 && P::kTileN != 192), "halves of a row and of a tile are whole pieces");
  static_assert(P::kTileK * kElementBytes == 128, "a row of a step is the 128 bytes of a swizzled box");
  static_assert(P::kStages >= 2, "one slot is read while another is filled");

  // Rows of the tile: a band of 64 for each warpgroup of products.
  static constexpr int kBandRows = 64;
  static constexpr int kBands = P::kTileM / kBandRows;
  static_assert(kBands * kBandRows == P::kTileM && kBands == 2, "registers are dealt out for two warpgroups");
  static_assert(P::kThreads == (kBands + 1) * kWarpgroupSize, "warpgroups for the products and one producer");
  /// Columns that the last tile of a row of tiles computes. (A third width for bf16 would spill, and so would 128 beside
  /// 256 with a bias.)
  static constexpr int kRest = (P::kN - 1) % P::kTileN + 1;
  static constexpr bool kIsHalfFit = kRest <= 128 && !(P::kBias && P::kTileN == 256);
  static constexpr int kLastColumns = P::kSwiglu ? P::kTileN : kRest <= 64 ? 64 : kIsHalfFit ? 128 : P::kTileN;
  /// With swiglu the left half of a tile computes columns of D, and the right half what they are multiplied with.
  static constexpr int kDColumns = P::kSwiglu ? P::kN / 2 : P::kN;
  static constexpr int kMathWarps = kBands * kWarpgroupSize / kWarpSize;
  static constexpr int kSteps = (P::kK + P::kTileK - 1) / P::kTileK;
  static constexpr int kDepths = 4;  ///< Products of a step: 32 bytes of K each.
  static constexpr int kStages = P::kStages;

  // Registers: the block starts with kRegisters for each thread, which the host checks of the compiled code. e4m3 has
  // two sums.
  static constexpr int kProducerRegisters = P::kFp8 ? 40 : 56;
  static constexpr int kMathRegisters = P::kFp8 ? 232 : 224;
  static_assert(kProducerRegisters + kBands * kMathRegisters == (kBands + 1) * P::kRegisters,
                "what one warpgroup gives, the others take");

  // Shared memory: slots (a swizzled box begins at a multiple of 1024), buffers of D for each warp, tiles and barriers
  // of slots, then the groups.
  static constexpr int kBandBytes = kBandRows * 128;
  static constexpr int kSlotB = kBands * kBandBytes;
  static constexpr int kBytesB = P::kTileN * 128;
  static constexpr int kSlotBytes = kSlotB + kBytesB;
  /// Layout kn: a box is the step's rows of K, 128 bytes of columns each.
  static constexpr int kBoxColumns = 64;
  static constexpr int kBoxBytes = P::kTileK * 128;
  static constexpr int kOutput = P::kStages * kSlotBytes;
  static constexpr int kBufferRows = 16, kBufferColumns = 64;
  static constexpr int kBufferBytes = kBufferRows * kBufferColumns * 2;
  static constexpr int kTiles = kOutput + kMathWarps * P::kBuffers * kBufferBytes;
  static constexpr int kFull = kTiles + P::kStages * static_cast<int>(sizeof(HopperTile));
  static constexpr int kEmpty = kFull + 8 * P::kStages;
  static constexpr int kTable = kEmpty + 8 * P::kStages;
  static constexpr int kScratch = kTable + 8 * (P::kGroups + 1);
  static constexpr int kSmall = kScratch + 8 * (P::kThreads / kWarpSize);
  static constexpr int kSharedBytes = kSmall + 2 * (P::kGroups + 1);
  static_assert(kSharedBytes == P::kSharedBytes, "the plan's shared memory is this layout");
};

}  // namespace sinter
