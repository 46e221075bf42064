// SPDX-License-Identifier: Apache-2.0
#pragma once

// An operand whose memory has the other order: rows along K there, neighbours along the tile's rows or columns. It is
// transposed on the way from memory to LDS, where every operand has its neighbours along K.
//
// A thread loads pieces of 8 elements from kDepth rows that follow each other and exchanges halves of registers, one
// instruction for each register loaded; then each of the 8 elements has its kDepth neighbours along K in one register
// or two, which go to 8 rows of LDS.

#include "sinter_device/amd_fragments.h"

namespace sinter {

/// Elements of 16 bits in a piece.
inline constexpr int kPieceElements = kPieceBytes / 2;

/// This thread's share of a step of an operand of `kColumns` columns: L::kStepDepth rows in memory, kPitch bytes apart.
template <class L, int kColumns, int kPitch>
struct ColumnShare {
  static constexpr int kPieces = kColumns * L::kStepDepth / kPieceElements / L::kThreads;
  static constexpr int kDepth = kPieces < 4 ? kPieces : 4;  ///< Rows of a block: what becomes neighbours in a register.
  static constexpr int kBlocks = kPieces / kDepth;
  static constexpr int kBlocksDeep = L::kStepDepth / kDepth;
  static constexpr int kPiecesApart = L::kThreads / kBlocksDeep;  ///< Pieces of a row between two blocks of a thread.

  static_assert(kPieces * L::kThreads * kPieceElements == kColumns * L::kStepDepth, "threads load equally many pieces");
  static_assert(kDepth == 2 || kDepth == 4, "a block has whole pairs of neighbours");
  static_assert(kPiecesApart % 4 == 0, "the blocks of a thread are alike to the swizzle");
  static_assert(static_cast<long long>(L::kStepDepth) * kPitch < (1ll << 31), "offsets in a step are 32 bits");

  U32 offset[kBlocks];  ///< Of a block's first piece, from the step's first row.
  U32x4 data[kBlocks][kDepth];

  // Sixteen lanes that follow each other take four pieces of a row by four blocks of rows: a row's pieces are 64 bytes
  // of memory, and what the lanes write at once is all 32 banks.
  SINTER_DEVICE int first_piece() { return thread_index() % 4 + thread_index() / (4 * kBlocksDeep) * 4; }
  SINTER_DEVICE int first_row() { return thread_index() / 4 % kBlocksDeep * kDepth; }
};

/// Columns at and beyond `columns`, a multiple of 8, read the last piece: it is in memory, and its results are not
/// stored.
template <class L, int kColumns, int kPitch>
SINTER_DEVICE void locate(ColumnShare<L, kColumns, kPitch>& share, int columns) {
  using Share = ColumnShare<L, kColumns, kPitch>;
  const int piece = Share::first_piece();
#pragma unroll
  for (int i = 0; i < Share::kBlocks; ++i) {
    const int inside = min(piece + i * Share::kPiecesApart, columns / kPieceElements - 1);
    share.offset[i] = static_cast<U32>(Share::first_row() * kPitch + inside * kPieceBytes);
  }
}

/// Starts loading a step; `from` is the tile's first column in its first row. Rows at and beyond `depth` are zero,
/// because garbage times zero need not be zero.
template <class L, int kColumns, int kPitch>
SINTER_DEVICE void load_columns(ColumnShare<L, kColumns, kPitch>& share, Global<const U8>* from, int depth) {
  using Share = ColumnShare<L, kColumns, kPitch>;
  if (depth >= L::kStepDepth) {
#pragma unroll
    for (int i = 0; i < Share::kBlocks; ++i) {
#pragma unroll
      for (int d = 0; d < Share::kDepth; ++d) {
        forget(share.offset[i]);
        share.data[i][d] = *reinterpret_cast<Global<const U32x4>*>(from + d * kPitch + share.offset[i]);
      }
    }
    return;
  }
  const int left = depth - Share::first_row();
#pragma unroll
  for (int d = 0; d < Share::kDepth; ++d) {
#pragma unroll
    for (int i = 0; i < Share::kBlocks; ++i) share.data[i][d] = U32x4{0, 0, 0, 0};
    if (d < left) {
#pragma unroll
      for (int i = 0; i < Share::kBlocks; ++i) {
        forget(share.offset[i]);
        share.data[i][d] = *reinterpret_cast<Global<const U32x4>*>(from + d * kPitch + share.offset[i]);
      }
    }
  }
}

/// Elements `column` of two pieces, as neighbours in a register.
SINTER_DEVICE U32 pair_of(const U32x4& first, const U32x4& second, int column) {
  return __builtin_amdgcn_perm(second[column / 2], first[column / 2], column % 2 == 0 ? 0x05040100 : 0x07060302);
}

/// Writes the loaded blocks to an operand in LDS, transposed.
template <class L, int kColumns, int kPitch>
SINTER_DEVICE void store_shared(const ColumnShare<L, kColumns, kPitch>& share, U8* operand) {
  using Share = ColumnShare<L, kColumns, kPitch>;
  static_assert(L::kOrder == LdsOrder::kByColumns, "the swizzle is one for these writes");
  const int row = Share::first_piece() * kPieceElements;  // of LDS
  const int piece = Share::first_row() / kPieceElements, element = Share::first_row() % kPieceElements;
#pragma unroll
  for (int column = 0; column < kPieceElements; ++column) {
    U8* const first = operand + swizzled<L>(row + column, piece) + element * 2;
#pragma unroll
    for (int i = 0; i < Share::kBlocks; ++i) {
      U8* const to = first + i * Share::kPiecesApart * kPieceElements * L::kLdsRowBytes;
      const U32x4(&data)[Share::kDepth] = share.data[i];
      const U32 low = pair_of(data[0], data[1], column);
      if constexpr (Share::kDepth == 2) {
        *reinterpret_cast<U32*>(to) = low;
      } else {
        *reinterpret_cast<U32x2*>(to) = U32x2{low, pair_of(data[2], data[3], column)};
      }
    }
  }
}

}  // namespace sinter
