// SPDX-License-Identifier: Apache-2.0
#pragma once

// Operands on their way from memory through a thread's registers to LDS: A and, by mode, B as rows along K, B in two
// halves for swiglu, or B transposed (amd_transpose.h).

#include "grouped_gemm/amd_layout.h"
#include "sinter_device/amd_fp8.h"
#include "sinter_device/amd_transpose.h"

namespace sinter {

using Args = GroupedGemmArgs;

/// This thread's share of kRows rows of an operand: piece t, t + kThreads, ... in row-major order.
template <class P, int kRows>
struct Share {
  static constexpr int kPieces = kRows * Layout<P>::kRowPieces / P::kThreads;
  static constexpr int kRowsApart = P::kThreads / Layout<P>::kRowPieces;  ///< Rows between two pieces of a thread.
  U32 offset[kPieces];  ///< In the operand, from the tile's first row.
  U32x4 data[kPieces];
};

/// Rows at and beyond `rows` read the last row: it is in memory, and its results are not stored.
template <class P, int kRows>
SINTER_DEVICE void locate(Share<P, kRows>& share, int rows) {
  using L = Layout<P>;
  const int row = thread_index() / L::kRowPieces, piece = thread_index() % L::kRowPieces;
#pragma unroll
  for (int i = 0; i < share.kPieces; ++i) {
    share.offset[i] = static_cast<U32>(min(row + i * share.kRowsApart, rows - 1) * L::kRowBytes + piece * kPieceBytes);
  }
}

/// Starts loading a step; `from` is its first byte in the tile's first row. The last step may be short: the rest is
/// zero in both operands, because garbage times zero need not be zero.
template <class P, int kRows>
SINTER_DEVICE void load(Share<P, kRows>& share, Global<const U8>* from, bool last) {
  using L = Layout<P>;
  if (L::kLastStepBytes == L::kStepBytes || !last) {
#pragma unroll
    for (int i = 0; i < share.kPieces; ++i) {
      forget(share.offset[i]);
      share.data[i] = *reinterpret_cast<Global<const U32x4>*>(from + share.offset[i]);
    }
    return;
  }
  const bool inside = thread_index() % L::kRowPieces * kPieceBytes < L::kLastStepBytes;
#pragma unroll
  for (int i = 0; i < share.kPieces; ++i) share.data[i] = U32x4{0, 0, 0, 0};
  if (inside) {
#pragma unroll
    for (int i = 0; i < share.kPieces; ++i) {
      forget(share.offset[i]);
      share.data[i] = *reinterpret_cast<Global<const U32x4>*>(from + share.offset[i]);
    }
  }
}

/// Writes the loaded pieces to an operand in LDS, as the matrix instruction wants them.
template <class P, int kRows>
SINTER_DEVICE void store_shared(const Share<P, kRows>& share, U8* operand) {
  using L = Layout<P>;
  const int row = thread_index() / L::kRowPieces, piece = thread_index() % L::kRowPieces;
#pragma unroll
  for (int i = 0; i < share.kPieces; ++i) {
    const U32x4 data = share.data[i];
    // kRowsApart is a multiple of what the swizzle looks at, so this is a constant distance from the first.
    U8* to = operand + i * share.kRowsApart * L::kLdsRowBytes;
    static_assert(Share<P, kRows>::kRowsApart % (P::kTransposedB ? 32 : 8) == 0, "the swizzle repeats by then");
    if constexpr (L::kDecode) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const U32 low = data[2 * half], high = data[2 * half + 1];
        *reinterpret_cast<U32x4*>(to + swizzled<L>(row, 2 * piece + half)) =
            U32x4{e4m3_to_bf16x2(low), e4m3_to_bf16x2(low >> 16), e4m3_to_bf16x2(high), e4m3_to_bf16x2(high >> 16)};
      }
    } else if constexpr (P::kFp8) {
      *reinterpret_cast<U32x4*>(to + swizzled<L>(row, piece)) =
          U32x4{clean_e4m3(data[0]), clean_e4m3(data[1]), clean_e4m3(data[2]), clean_e4m3(data[3])};
    } else {
      *reinterpret_cast<U32x4*>(to + swizzled<L>(row, piece)) = data;
    }
  }
}

/// This thread's share of B with swiglu: as many rows of either half.
template <class P>
struct HalvesShare {
  Share<P, Layout<P>::kTileColumns> gate, other;
};

template <class P>
SINTER_DEVICE void locate(HalvesShare<P>& share, int columns) {
  locate(share.gate, columns);
  locate(share.other, columns);
}

template <class P>
SINTER_DEVICE void load(HalvesShare<P>& share, Global<const U8>* from, bool last) {
  load(share.gate, from, last);
  load(share.other, from + static_cast<long long>(P::kN / 2) * Layout<P>::kRowBytes, last);
}

template <class P>
SINTER_DEVICE void store_shared(const HalvesShare<P>& share, U8* operand) {
  store_shared(share.gate, operand);
  store_shared(share.other, operand + Layout<P>::kTileColumns * Layout<P>::kLdsRowBytes);
}

/// Of B as [K, N]: the last step has fewer rows.
template <class L, int kColumns, int kPitch>
SINTER_DEVICE void load(ColumnShare<L, kColumns, kPitch>& share, Global<const U8>* from, bool last) {
  load_columns(share, from, last ? L::kLastStepBytes / L::kElementBytes : L::kStepDepth);
}

/// The share of B in the mode's layout.
template <class P>
SINTER_DEVICE auto share_of_b() {
  if constexpr (P::kTransposedB) {
    return ColumnShare<Layout<P>, P::kTileN, P::kN * 2>();
  } else if constexpr (P::kSwiglu) {
    return HalvesShare<P>();
  } else {
    return Share<P, P::kTileN>();
  }
}

/// The matrix of a group.
template <class P>
SINTER_DEVICE Global<const U8>* matrix_b(const Args& args, int group) {
  if constexpr (P::kSeparateB) {
    return uniform(reinterpret_cast<Global<U8>*>(((Global<const U64>*)args.b)[group]));
  } else {
    return (Global<const U8>*)args.b + static_cast<long long>(group) * P::kN * Layout<P>::kRowBytes;
  }
}

}  // namespace sinter
