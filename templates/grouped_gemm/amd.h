// SPDX-License-Identifier: Apache-2.0
#pragma once

// Grouped GEMM on AMD's matrix cores (gfx90a, gfx942, gfx950).
//
// A block of four waves computes a tile of D: kTileM rows of one group by kTileN columns. Per step of kTileK, both
// operands go from memory through registers to LDS, the next step's loads being in flight while the matrix cores work
// on this one. The tile is computed transposed (rows of the matrix instruction are columns of D), so a lane holds one
// row of D: the scale of that row is one register, and four neighbouring columns are stored together. With swiglu the
// tile of D is half as wide (amd_layout.h).
//
// Grid: one block per tile, at most kMaxBlocks; the launch computes it from `rows` and may be larger than the number of
// tiles, never smaller. Blocks are not persistent because the hardware's dispatcher balances ragged tiles better than a
// fixed stride, and because the stride would have to come from a hidden argument or from the dispatch packet.

#include "grouped_gemm/amd_epilogue.h"
#include "grouped_gemm/amd_layout.h"
#include "grouped_gemm/amd_load.h"
#include "grouped_gemm/amd_schedule.h"
#include "sinter_device/amd_fp8.h"
#include "sinter_device/amd_fragments.h"

namespace sinter {

// --- load scales -----------------------------------------------------------------------------------------------------

/// Scales of fp8_block, of one step: of this lane's row in each fragment, and of the wave's columns.
template <class P>
struct Scales {
  float row[Layout<P>::kFragmentsM];
  float column;
};

/// Where they are: 32-bit byte offsets of this lane's rows, from the tile's first row.
template <class P>
struct ScaleSource {
  Global<const U8>* a;
  Global<const float>* b;
  U32 row_offset[Layout<P>::kFragmentsM];
};

template <class P>
SINTER_DEVICE ScaleSource<P> locate_scales(const Args& args, const Tile& tile, int wave_m, int wave_n) {
  using L = Layout<P>;
  ScaleSource<P> source;
  source.a = reinterpret_cast<Global<const U8>*>((Global<const float>*)args.a_scale +
                                                 static_cast<long long>(tile.row) * L::kScaleBlocksK);
  const int block = min((tile.column + wave_n) / kScaleBlock, L::kScaleBlocksN - 1);
  source.b = (Global<const float>*)args.b_scale +
             (static_cast<long long>(tile.group) * L::kScaleBlocksN + block) * L::kScaleBlocksK;
#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
    const int row = min(wave_m + i * kFragmentRows + thread_index() % kFragmentRows, tile.rows - 1);
    source.row_offset[i] = static_cast<U32>(row * L::kScaleBlocksK) * sizeof(float);
  }
  return source;
}

template <class P>
SINTER_DEVICE void load_scales(Scales<P>& scales, ScaleSource<P>& source, int step) {
  using L = Layout<P>;
  const int block = step * P::kTileK / kScaleBlock;
  Global<const U8>* a = source.a + block * static_cast<int>(sizeof(float));
#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
    forget(source.row_offset[i]);
    scales.row[i] = *reinterpret_cast<Global<const float>*>(a + source.row_offset[i]);
  }
  scales.column = source.b[block] * kFp8ProductScale;
}

// --- compute ---------------------------------------------------------------------------------------------------------

/// Adds one step of fp8_block: its sum, then times the scales in fp32. Only one fragment's sum is alive at a time.
template <class P>
SINTER_DEVICE void multiply_step_scaled(Sums<Layout<P>>& sums, const FragmentSource<Layout<P>>& source, const U8* a,
                                        const U8* b, const Scales<P>& scales) {
  using L = Layout<P>;
  Fragment<L::kType> x[L::kFragmentsN][L::kFragmentsK];
#pragma unroll
  for (int j = 0; j < L::kFragmentsN; ++j) {
#pragma unroll
    for (int k = 0; k < L::kFragmentsK; ++k) {
      read_fragment(x[j][k], source, b + j * kFragmentRows * L::kLdsRowBytes, k);
    }
  }
#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
    Fragment<L::kType> y[L::kFragmentsK];
#pragma unroll
    for (int k = 0; k < L::kFragmentsK; ++k) read_fragment(y[k], source, a + i * kFragmentRows * L::kLdsRowBytes, k);
    const float scale = scales.row[i] * scales.column;
#pragma unroll
    for (int j = 0; j < L::kFragmentsN; ++j) {
      F32x16 step = F32x16(0.0f);
#pragma unroll
      for (int k = 0; k < L::kFragmentsK; ++k) multiply_add(step, x[j][k], y[k]);
#pragma unroll
      for (int r = 0; r < 16; ++r) sums.value[i][j][r] = __builtin_fmaf(step[r], scale, sums.value[i][j][r]);
    }
  }
}

/// Computes a tile into `sums`. All threads; ends with a barrier, so the LDS is free.
template <class P>
SINTER_DEVICE void compute(Sums<Layout<P>>& sums, const Args& args, const Tile& tile, U8* lds, int wave_m, int wave_n) {
  using L = Layout<P>;
  Global<const U8>* a = (Global<const U8>*)args.a + static_cast<long long>(tile.row) * L::kRowBytes;
  constexpr long long kColumnPitchB = P::kTransposedB ? 2 : L::kRowBytes;
  constexpr long long kStepPitchB = P::kTransposedB ? P::kTileK * P::kN * 2ll : L::kStepBytes;
  Global<const U8>* b = matrix_b<P>(args, tile.group) + tile.column * kColumnPitchB;
  Share<P, P::kTileM> share_a;
  auto share_b = share_of_b<P>();
  locate(share_a, min(tile.rows, P::kTileM));
  locate(share_b, min(L::kDColumns - tile.column, L::kTileColumns));
  const FragmentSource<L> fragments = locate_fragments<L>();
  ScaleSource<P> scale_source;
  Scales<P> scales, next_scales;
  if constexpr (P::kBlockScales) scale_source = locate_scales<P>(args, tile, wave_m, wave_n);

  clear(sums);
  load(share_a, a, L::kSteps == 1);
  load(share_b, b, L::kSteps == 1);
  if constexpr (P::kBlockScales) load_scales<P>(scales, scale_source, 0);
  store_shared(share_a, lds);
  store_shared(share_b, lds + P::kTileM * L::kLdsRowBytes);
  block_barrier();

  U8* stage = lds;
#pragma unroll 1  // Unrolled, the scheduler fills the registers with loads of later steps.
  for (int step = 0; step < L::kSteps; ++step) {
    const bool more = step + 1 < L::kSteps;
    if (more) {
      a += L::kStepBytes;
      b += kStepPitchB;
      load(share_a, a, step + 2 == L::kSteps);
      load(share_b, b, step + 2 == L::kSteps);
      if constexpr (P::kBlockScales) load_scales<P>(next_scales, scale_source, step + 1);
      schedule_barrier();  // Else they are scheduled just before their use, and nothing hides their latency.
    }
    const U8* wave_a = stage + wave_m * L::kLdsRowBytes;
    const U8* wave_b = stage + (P::kTileM + wave_n) * L::kLdsRowBytes;
    if constexpr (P::kBlockScales) {
      multiply_step_scaled<P>(sums, fragments, wave_a, wave_b, scales);
      wait_for_sums();
    } else {
      multiply_step(sums, fragments, wave_a, wave_b);
    }
    if (more) {
      if constexpr (P::kStages == 1) {
        block_barrier();  // All waves have read the only stage.
      } else {
        // The other stage was read a step ago, before the last barrier.
        stage = stage == lds ? lds + L::kStageBytes : lds;
      }
      store_shared(share_a, stage);
      store_shared(share_b, stage + P::kTileM * L::kLdsRowBytes);
      if constexpr (P::kBlockScales) scales = next_scales;
    }
    block_barrier();
  }
  if constexpr (!P::kBlockScales) wait_for_sums();
}

// --- the kernel -----------------------------------------------------------------------------------------------------

template <class P>
SINTER_DEVICE void run(const Args& args) {
  using L = Layout<P>;
  static_assert(L::kSharedBytes >= kScheduleInts * static_cast<int>(sizeof(int)),
                "the schedule fits where the tile will be");
  __shared__ __attribute__((aligned(16))) U8 lds[L::kSharedBytes];
  const int wave = uniform(thread_index() / kWaveSize);
  const int wave_m = wave / L::kWavesN * L::kWaveM, wave_n = wave % L::kWavesN * L::kWaveColumns;
  for (TileIndex index = first_tile<L::kColumnTiles>();; index = next_tile<L::kColumnTiles, P::kMaxBlocks>(index)) {
    Tile tile;
    if (!find_tile<P>(index, (Global<const int>*)args.row_offsets, static_cast<int>(args.rows),
                      reinterpret_cast<int*>(lds), tile)) {
      return;
    }
    Sums<L> sums;
    compute<P>(sums, args, tile, lds, wave_m, wave_n);
    finish<P>(sums, args, tile, wave_m, wave_n);
    store_tile<P>(sums, args, tile, lds, wave, wave_m, wave_n);
  }
}

}  // namespace sinter
