// SPDX-License-Identifier: Apache-2.0
#pragma once

// What follows from the parameters of the AMD grouped GEMM, and what they assume.

#include "grouped_gemm/args.h"
#include "sinter_device/amd.h"
#include "sinter_device/amd_fragments.h"

namespace sinter {

inline constexpr int kScaleBlock = 128;

#if defined(__gfx90a__)
/// LDS holds e4m3 decoded to bf16.
template <class P>
inline constexpr bool kDecoded = P::kFp8;
#else
template <class P>
inline constexpr bool kDecoded = false;
#endif

template <class P>
inline constexpr MatrixType kMatrixTypeOf = P::kFp8 && !kDecoded<P> ? MatrixType::kFp8
                                            : !P::kFp8 && P::kHalf ? MatrixType::kF16
                                                                   : MatrixType::kBf16;

/// Bytes of one step of a row of A or B, in memory.
template <class P>
inline constexpr int kStepBytesOf = P::kTileK * (P::kFp8 ? 1 : 2);

template <class P>
struct Layout : TileLayout<P, kMatrixTypeOf<P>, kStepBytesOf<P> * (kDecoded<P> ? 2 : 1),
                           P::kTransposedB ? LdsOrder::kByColumns : LdsOrder::kByRows> {
  using Base = TileLayout<P, kMatrixTypeOf<P>, kStepBytesOf<P> * (kDecoded<P> ? 2 : 1),
                          P::kTransposedB ? LdsOrder::kByColumns : LdsOrder::kByRows>;
  static constexpr bool kDecode = kDecoded<P>;
  static constexpr int kElementBytes = P::kFp8 ? 1 : 2;
  static constexpr int kRowBytes = P::kK * kElementBytes;  ///< A row of A, and of B in layout nk.
  static constexpr int kStepBytes = kStepBytesOf<P>;       ///< Of it, one step.
  static constexpr int kStepDepth = P::kTileK;
  static constexpr int kSteps = (P::kK + P::kTileK - 1) / P::kTileK;
  static constexpr int kLastStepBytes = kRowBytes - (kSteps - 1) * kStepBytes;
  static constexpr int kRowPieces = kStepBytes / kPieceBytes;  ///< Pieces in memory of one row and step.

  // With swiglu a tile of D is half as wide: the first half of the tile's columns are gates, from the first half of B's
  // rows, the others what they are multiplied with. A wave has both of its columns, a lane both of an element.
  static constexpr int kHalves = P::kSwiglu ? 2 : 1;
  static constexpr int kDColumns = P::kN / kHalves;
  static constexpr int kTileColumns = P::kTileN / kHalves;  ///< Of D.
  static constexpr int kWaveColumns = Base::kWaveN / kHalves;
  static constexpr int kColumnFragments = Base::kFragmentsN / kHalves;
  static constexpr U32 kColumnTiles = (kDColumns + kTileColumns - 1) / kTileColumns;
  /// Of a wave's fragment of columns, its first row in B's operand in LDS, from the wave's first.
  static constexpr __device__ int row_of_fragment(int j) {
    return j % kColumnFragments * kFragmentRows + j / kColumnFragments * kTileColumns;
  }

  static constexpr int kScaleBlocksK = (P::kK + kScaleBlock - 1) / kScaleBlock;
  static constexpr int kScaleBlocksN = (P::kN + kScaleBlock - 1) / kScaleBlock;

  // LDS: kStages copies of {A [kTileM, kLdsRowBytes], B [kTileN, kLdsRowBytes]}. Before the first step it holds the
  // schedule's ints, after the last a slab of D [kSlabRows, kSlabRowBytes], 32 rows of each row of waves.
  static constexpr int kSlabRows = kFragmentRows * P::kWavesM;
  // 8 bytes more than the row: the 16 lanes that store 8 bytes each in one cycle then meet all 32 banks.
  static constexpr int kSlabRowBytes = kTileColumns * 2 + 8;
  static constexpr int kTileBytes = P::kStages * Base::kStageBytes;
  static constexpr int kSlabBytes = kSlabRows * kSlabRowBytes;
  static constexpr int kSharedBytes = kTileBytes > kSlabBytes ? kTileBytes : kSlabBytes;

  static_assert(!P::kTransposedB || !P::kFp8, "only 16-bit operands are transposed");
  static_assert(!P::kSwiglu || (!P::kBlockScales && !P::kTransposedB), "swiglu goes with B as [N, K]");
  static_assert(!P::kSwiglu || Base::kFragmentsN % 2 == 0, "half of a wave's fragments are gates");
  static_assert(kDColumns % 8 == 0, "N is a multiple of 8: four neighbouring columns exist or not together");
  static_assert(kRowBytes % kPieceBytes == 0, "rows of A and B are whole 16-byte pieces");
  static_assert(P::kTileM * kRowPieces % P::kThreads == 0 && kTileColumns * kRowPieces % P::kThreads == 0,
                "every thread loads the same number of pieces");
  static_assert(!P::kBlockScales || kScaleBlock % P::kTileK == 0, "a step has one scale");
  static_assert(kScaleBlock % Base::kWaveN == 0, "the columns of a wave share one scale of B");
  static_assert(kTileColumns % kWaveSize == 0 && kTileColumns <= 4 * kWaveSize, "64 lanes store one row of the tile");
  static_assert(static_cast<long long>(P::kTileM > P::kTileN ? P::kTileM : P::kTileN) * kRowBytes < (1ll << 31),
                "offsets inside a tile's operand are 32 bits");
  static_assert(kSharedBytes == P::kSharedBytes, "the plan's LDS is this layout");
};

}  // namespace sinter
