// SPDX-License-Identifier: Apache-2.0
#pragma once

// A tile's product on the matrix cores: both operands as rows along K in LDS, sums in registers.
//
// A block of four waves computes kTileM rows by kTileN columns; the waves share it out as kWavesM rows of waves. Their
// parts consist of fragments of 32 x 32, computed transposed (amd_mfma.h): rows of the matrix instruction are columns
// of the tile, so a lane holds one row of it, four neighbouring columns at a time.

#include "sinter_device/amd.h"
#include "sinter_device/amd_mfma.h"

namespace sinter {

inline constexpr int kPieceBytes = 16;
inline constexpr int kFragmentRows = 32;

/// How operands lie in LDS follows from how they are written: in whole pieces of their rows, or, where they are
/// transposed on the way (amd_transpose.h), in parts of pieces of eight rows.
enum class LdsOrder { kByRows, kByColumns };

/// What follows from a tile `P` (kTileM, kTileN, kWavesM, kThreads) whose rows of operands have kRowBytes in LDS.
template <class P, MatrixType kMatrixType, int kRowBytes, LdsOrder kLdsOrder>
struct TileLayout {
  static constexpr MatrixType kType = kMatrixType;
  static constexpr LdsOrder kOrder = kLdsOrder;
  static constexpr int kLdsRowBytes = kRowBytes;
  static constexpr int kThreads = P::kThreads;
  static constexpr int kWaves = P::kThreads / kWaveSize;
  static constexpr int kWavesN = kWaves / P::kWavesM;
  static constexpr int kWaveM = P::kTileM / P::kWavesM;  ///< Rows of the tile per wave.
  static constexpr int kWaveN = P::kTileN / kWavesN;
  static constexpr int kFragmentsM = kWaveM / kFragmentRows;
  static constexpr int kFragmentsN = kWaveN / kFragmentRows;
  static constexpr int kLanePieces = kPiecesPerLane<kType>;
  static constexpr int kFragmentsK = kLdsRowBytes / (2 * kLanePieces * kPieceBytes);  ///< Instruction groups per step.
  static constexpr int kStageBytes = (P::kTileM + P::kTileN) * kLdsRowBytes;          ///< LDS of both operands.

  static_assert(P::kThreads == 256, "four waves, one per SIMD");
  static_assert(P::kTileM % (kFragmentRows * P::kWavesM) == 0, "a wave's rows are whole fragments");
  static_assert(P::kTileN % (kFragmentRows * kWavesN) == 0, "a wave's columns are whole fragments");
  static_assert(kLdsRowBytes == 64 || kLdsRowBytes == 128 || (kLdsRowBytes == 256 && kOrder == LdsOrder::kByRows),
                "the swizzle knows these rows");
  static_assert(kFragmentsK * 2 * kLanePieces * kPieceBytes == kLdsRowBytes, "a step is whole instruction groups");
};

/// Byte of piece `piece` of row `row` in an operand in LDS.
///
/// Pieces are permuted within rows so that 8 rows of equal piece, which is what 8 lanes read at once, lie in 8
/// different places modulo the 128 bytes of the 32 banks; padding would do the same but costs up to a quarter more LDS.
/// By columns, the lanes that write at once have rows 8 apart: those are permuted as well. Repeats every 8 rows, by
/// columns every 32.
template <class L>
SINTER_DEVICE int swizzled(int row, int piece) {
  int permuted = L::kLdsRowBytes == 64 ? piece ^ ((row >> 1) & 3) : piece ^ (row & 7);
  if constexpr (L::kOrder == LdsOrder::kByColumns) permuted ^= (row >> 3 & 3) << (L::kLdsRowBytes == 64 ? 0 : 1);
  return row * L::kLdsRowBytes + permuted * kPieceBytes;
}

/// fp32 sums of a wave: [i][j] is 32 rows by 32 columns, transposed (amd_mfma.h).
template <class L>
struct Sums {
  F32x16 value[L::kFragmentsM][L::kFragmentsN];
};

template <class L>
SINTER_DEVICE void clear(Sums<L>& sums) {
#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
#pragma unroll
    for (int j = 0; j < L::kFragmentsN; ++j) sums.value[i][j] = F32x16(0.0f);
  }
}

/// Where a lane reads fragments: byte of its pieces in the first fragment's rows, for each instruction group.
template <class L>
struct FragmentSource {
  int offset[L::kFragmentsK][L::kLanePieces];
};

template <class L>
SINTER_DEVICE FragmentSource<L> locate_fragments() {
  const int lane = thread_index() % kWaveSize, row = lane % kFragmentRows, half = lane / kFragmentRows;
  FragmentSource<L> source;
#pragma unroll
  for (int k = 0; k < L::kFragmentsK; ++k) {
#pragma unroll
    for (int p = 0; p < L::kLanePieces; ++p) {
      source.offset[k][p] = swizzled<L>(row, 2 * (k * L::kLanePieces + p) + half);
    }
  }
  return source;
}

template <class L>
SINTER_DEVICE void read_fragment(Fragment<L::kType>& fragment, const FragmentSource<L>& source, const U8* rows, int k) {
#pragma unroll
  for (int p = 0; p < L::kLanePieces; ++p) {
    fragment.piece[p] = *reinterpret_cast<const U32x4*>(rows + source.offset[k][p]);
  }
}

/// Adds one step: operands `a` and `b` are the wave's first rows in LDS. Its fragment j of columns is in the rows from
/// L::row_of_fragment(j) on.
template <class L>
SINTER_DEVICE void multiply_step(Sums<L>& sums, const FragmentSource<L>& source, const U8* a, const U8* b) {
#pragma unroll
  for (int k = 0; k < L::kFragmentsK; ++k) {
    Fragment<L::kType> x[L::kFragmentsN], y[L::kFragmentsM];
#pragma unroll
    for (int j = 0; j < L::kFragmentsN; ++j) {
      read_fragment(x[j], source, b + L::row_of_fragment(j) * L::kLdsRowBytes, k);
    }
#pragma unroll
    for (int i = 0; i < L::kFragmentsM; ++i) read_fragment(y[i], source, a + i * kFragmentRows * L::kLdsRowBytes, k);
#pragma unroll
    for (int i = 0; i < L::kFragmentsM; ++i) {
#pragma unroll
      for (int j = 0; j < L::kFragmentsN; ++j) multiply_add(sums.value[i][j], x[j], y[i]);
    }
  }
}

}  // namespace sinter
