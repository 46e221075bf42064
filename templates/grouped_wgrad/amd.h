// SPDX-License-Identifier: Apache-2.0
#pragma once

// The gradient of a grouped GEMM's weights on AMD's matrix cores (gfx90a, gfx942, gfx950).
//
// A block of four waves computes a tile of dW: kTileM rows, which are columns of dY, by kTileN columns, which are those
// of X. What is summed over, the group's rows, are the rows of both operands in memory: both are transposed on the way
// to LDS, kTileK rows per step, the next step's loads being in flight while the matrix cores work on this one. Every
// element is the chain of one block over the rows in ascending order; no two blocks add to the same element.
//
// Grid: one block per tile of all groups, at most kMaxBlocks; blocks of a grid this large loop.

#include "grouped_wgrad/amd_schedule.h"
#include "grouped_wgrad/args.h"
#include "sinter_device/amd_fragments.h"
#include "sinter_device/amd_transpose.h"

namespace sinter {

using Args = GroupedWgradArgs;

// --- assumptions and shared-memory layout ----------------------------------------------------------------------------

/// LDS: kStages copies of {dY [kTileM, kLdsRowBytes], X [kTileN, kLdsRowBytes]}. Before the first step it holds the
/// schedule's ints.
template <class P>
struct Layout
    : TileLayout<P, P::kHalf ? MatrixType::kF16 : MatrixType::kBf16, P::kTileK * 2, LdsOrder::kByColumns> {
  static constexpr int kStepDepth = P::kTileK;
  static constexpr int kOutputBytes = P::kFloat ? 4 : 2;
  static constexpr U32 kColumnTiles = (P::kK + P::kTileN - 1) / P::kTileN;
  static constexpr __device__ int row_of_fragment(int j) { return j * kFragmentRows; }

  static_assert(P::kN % 8 == 0 && P::kK % 8 == 0, "rows of dY and X are whole 16-byte pieces");
  static_assert(static_cast<long long>(P::kTileM) * P::kK * kOutputBytes < (1ll << 31),
                "offsets inside a tile are 32 bits");
  static_assert(P::kStages * Layout::kStageBytes == P::kSharedBytes, "the plan's LDS is this layout");
};

// --- compute ---------------------------------------------------------------------------------------------------------

/// Computes a tile into `sums`. All threads; ends with a barrier, so the LDS is free.
template <class P>
SINTER_DEVICE void compute(Sums<Layout<P>>& sums, const Args& args, const Tile& tile, U8* lds, int wave_m, int wave_n) {
  using L = Layout<P>;
  constexpr int kPitchY = P::kN * 2, kPitchX = P::kK * 2;  // bytes
  clear(sums);
  if (tile.first == tile.end) return;

  Global<const U8>* y = (Global<const U8>*)args.dy + static_cast<long long>(tile.first) * kPitchY + tile.row * 2ll;
  Global<const U8>* x = (Global<const U8>*)args.x + static_cast<long long>(tile.first) * kPitchX + tile.column * 2ll;
  ColumnShare<L, P::kTileM, kPitchY> share_y;
  ColumnShare<L, P::kTileN, kPitchX> share_x;
  locate(share_y, min(P::kN - tile.row, P::kTileM));
  locate(share_x, min(P::kK - tile.column, P::kTileN));
  const FragmentSource<L> fragments = locate_fragments<L>();

  int left = tile.end - tile.first;  // rows, from this step's first on
  load_columns(share_y, y, left);
  load_columns(share_x, x, left);
  store_shared(share_y, lds);
  store_shared(share_x, lds + P::kTileM * L::kLdsRowBytes);
  block_barrier();

  U8* stage = lds;
  for (; left > 0; left -= L::kStepDepth) {
    const bool more = left > L::kStepDepth;
    if (more) {
      y += L::kStepDepth * static_cast<long long>(kPitchY);
      x += L::kStepDepth * static_cast<long long>(kPitchX);
      load_columns(share_y, y, left - L::kStepDepth);
      load_columns(share_x, x, left - L::kStepDepth);
      schedule_barrier();  // Else they are scheduled just before their use, and nothing hides their latency.
    }
    multiply_step(sums, fragments, stage + wave_m * L::kLdsRowBytes, stage + (P::kTileM + wave_n) * L::kLdsRowBytes);
    if (more) {
      if constexpr (P::kStages == 1) {
        block_barrier();  // All waves have read the only stage.
      } else {
        // The other stage was read a step ago, before the last barrier.
        stage = stage == lds ? lds + L::kStageBytes : lds;
      }
      store_shared(share_y, stage);
      store_shared(share_x, stage + P::kTileM * L::kLdsRowBytes);
    }
    block_barrier();
  }
  wait_for_sums();
}

// --- store -----------------------------------------------------------------------------------------------------------

/// The matrix of a group.
template <class P>
SINTER_DEVICE Global<U8>* matrix_dw(const Args& args, int group) {
  if constexpr (P::kSeparate) {
    return uniform(reinterpret_cast<Global<U8>*>(((Global<const U64>*)args.dw)[group]));
  } else {
    return (Global<U8>*)args.dw + static_cast<long long>(group) * P::kN * P::kK * Layout<P>::kOutputBytes;
  }
}

/// Four neighbours of a row to dW.
template <class P>
SINTER_DEVICE void store_four(Global<U8>* to, F32x4 sum) {
  if constexpr (P::kAdd) {
    *reinterpret_cast<Global<F32x4>*>(to) += sum;
  } else if constexpr (P::kFloat) {
    *reinterpret_cast<Global<F32x4>*>(to) = sum;
  } else {
    *reinterpret_cast<Global<U32x2>*>(to) = U32x2{rounded<P::kHalf>(sum.x) | (rounded<P::kHalf>(sum.y) << 16),
                                                  rounded<P::kHalf>(sum.z) | (rounded<P::kHalf>(sum.w) << 16)};
  }
}

/// Stores from registers: four stores that follow each other fill a row's 32 columns, whole cache lines of fp32.
template <class P>
SINTER_DEVICE void store_tile(const Sums<Layout<P>>& sums, const Args& args, const Tile& tile, int wave_m, int wave_n) {
  using L = Layout<P>;
  const int lane = thread_index() % kWaveSize, half = lane / kFragmentRows;
  const long long first = static_cast<long long>(tile.row) * P::kK + tile.column;
  Global<U8>* corner = matrix_dw<P>(args, tile.group) + first * L::kOutputBytes;
#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
    const int row = wave_m + i * kFragmentRows + lane % kFragmentRows;
    if (tile.row + row >= P::kN) continue;
#pragma unroll
    for (int j = 0; j < L::kFragmentsN; ++j) {
#pragma unroll
      for (int r = 0; r < 16; r += 4) {
        const int column = wave_n + j * kFragmentRows + 2 * r + 4 * half;
        if (tile.column + column >= P::kK) continue;
        const F32x16 v = sums.value[i][j];
        store_four<P>(corner + static_cast<U32>((row * P::kK + column) * L::kOutputBytes),
                      F32x4{v[r], v[r + 1], v[r + 2], v[r + 3]});
      }
    }
  }
}

// --- the kernel ------------------------------------------------------------------------------------------------------

template <class P>
SINTER_DEVICE void run(const Args& args) {
  using L = Layout<P>;
  __shared__ __attribute__((aligned(16))) U8 lds[P::kSharedBytes];
  const int wave = uniform(thread_index() / kWaveSize);
  const int wave_m = wave / L::kWavesN * L::kWaveM, wave_n = wave % L::kWavesN * L::kWaveN;
  for (TileIndex index = first_tile<L::kColumnTiles>();; index = next_tile<L::kColumnTiles, P::kMaxBlocks>(index)) {
    Tile tile;
    if (!find_tile<P>(index, (Global<const int>*)args.row_offsets, static_cast<int>(args.rows),
                      reinterpret_cast<int*>(lds), tile)) {
      return;
    }
    block_barrier();  // The schedule's ints are read.
    // Nothing is added where a group has no rows.
    if (P::kAdd && tile.first == tile.end) continue;
    Sums<L> sums;
    compute<P>(sums, args, tile, lds, wave_m, wave_n);
    store_tile<P>(sums, args, tile, wave_m, wave_n);
  }
}

}  // namespace sinter
