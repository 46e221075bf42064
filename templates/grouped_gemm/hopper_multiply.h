// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a warpgroup computes of a tile: 64 rows of it, step by step out of the ring.
//
// fp8_block: the products of one step, which is one scale block, are summed on their own, since the matrix unit keeps
// few bits of e4m3 products; then they are scaled and added in fp32. While one warpgroup adds, the other multiplies.

#include "grouped_gemm/hopper_ring.h"

namespace sinter {

/// sum = the warpgroup's rows of the tile, of kColumns columns. The slot of `place` is full, before and after.
template <class P, int kColumns>
SINTER_DEVICE void multiply_tile(float (&sum)[kColumns / 2], RingPlace& place, int band, int lane) {
  using L = Layout<P>;
  RingPlace before = place;
#pragma unroll 1
  for (int step = 0; step < L::kSteps; ++step) {
    const U32 slot = slot_of<P>(place);
    const U64 a = operand(slot + static_cast<U32>(band * L::kBandBytes)), b = operand(slot + L::kSlotB);
    products_begin();
#pragma unroll
    for (int depth = 0; depth < L::kDepths; ++depth) {
      multiply_bf16(sum, advance(a, depth * 32), advance(b, depth * 32), (step | depth) != 0);
    }
    products_commit();
    products_wait<1>();  // this step runs on; the one before has read its slot
    if (step > 0) release<P>(before, lane);
    before = place;
    go_on<P>(place);
    phase_wait(full_barrier<P>(place), place.parity);
  }
  products_wait<0>();
  settle(sum);
  release<P>(before, lane);
}

// --- fp8_block -------------------------------------------------------------------------------------------------------

/// Blocks of 128 rows of B that a tile touches.
template <class P>
inline constexpr int kTileScalesB = (P::kTileN + kScaleBlock - 1) / kScaleBlock;

/// Steps whose scales a lane's quad keeps, one in each lane.
inline constexpr int kQuad = 4;

/// Where a lane finds its scales: those of step 0.
template <class P>
struct ScaleSource {
  const float* row[2];  ///< Of A: the lane's two rows.
  const float* column[kTileScalesB<P>];
};

/// The scales of one step, in the lanes of a quad those of four neighbouring steps.
template <class P>
struct Scales {
  float row[2];
  float column[kTileScalesB<P>];
};

template <class P>
SINTER_DEVICE ScaleSource<P> scale_source(const GroupedGemmArgs& args, const HopperTile& tile, int band, int lane) {
  constexpr int kBlocksK = Layout<P>::kSteps, kBlocksN = (P::kN + kScaleBlock - 1) / kScaleBlock;
  const int warp = thread_index() / kWarpSize % 4;
  ScaleSource<P> source;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = tile.row + band * Layout<P>::kBandRows + warp * 16 + lane / 4 + half * 8;
    const int inside = row < tile.end ? row : tile.end - 1;
    source.row[half] = args.a_scale + static_cast<long long>(inside) * kBlocksK;
  }
#pragma unroll
  for (int i = 0; i < kTileScalesB<P>; ++i) {
    const int block = tile.column / kScaleBlock + i;
    const int inside = block < kBlocksN ? block : kBlocksN - 1;
    source.column[i] = args.b_scale + (static_cast<long long>(tile.group) * kBlocksN + inside) * kBlocksK;
  }
  return source;
}

/// Starts to load the scales of steps first to first + 3; those behind the last step are copies of it.
template <class P>
SINTER_DEVICE Scales<P> load_scales(const ScaleSource<P>& source, int first, int lane) {
  const int step = first + lane % kQuad;
  const int inside = step < Layout<P>::kSteps ? step : Layout<P>::kSteps - 1;
  Scales<P> scales;
#pragma unroll
  for (int half = 0; half < 2; ++half) scales.row[half] = source.row[half][inside];
#pragma unroll
  for (int i = 0; i < kTileScalesB<P>; ++i) scales.column[i] = source.column[i][inside];
  return scales;
}

/// What lane `owner` of each quad has.
template <class P>
SINTER_DEVICE Scales<P> scales_of(const Scales<P>& scales, int owner, int lane) {
  const int from = lane / kQuad * kQuad + owner;
  Scales<P> out;
#pragma unroll
  for (int half = 0; half < 2; ++half) out.row[half] = from_lane(scales.row[half], from);
#pragma unroll
  for (int i = 0; i < kTileScalesB<P>; ++i) out.column[i] = from_lane(scales.column[i], from);
  return out;
}

/// sum += part, scaled. `odd`: the tile begins in the middle of a block of B's rows.
template <class P, int kColumns>
SINTER_DEVICE void add_scaled(float (&sum)[kColumns / 2], const float (&part)[kColumns / 2], const Scales<P>& scales,
                              bool odd) {
  constexpr int kPieces = kColumns / 64;  // columns that share a scale, wherever the tile begins
  float factor[kPieces][2];
#pragma unroll
  for (int piece = 0; piece < kPieces; ++piece) {
    const int block = piece / 2;
    float column = scales.column[block];
    if constexpr (P::kTileN % kScaleBlock != 0) {
      if (piece % 2 == 1) column = odd ? scales.column[block + 1] : column;
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) factor[piece][half] = scales.row[half] * column;
  }
#pragma unroll
  for (int i = 0; i < kColumns / 2; ++i) sum[i] = multiply_add(part[i], factor[i / 32][i / 2 % 2], sum[i]);
}

/// The same as multiply_tile() for fp8_block.
template <class P, int kColumns>
SINTER_DEVICE void multiply_scaled_tile(float (&sum)[kColumns / 2], const GroupedGemmArgs& args,
                                        const HopperTile& tile, RingPlace& place, int band, int lane) {
  using L = Layout<P>;
  const bool odd = tile.column % kScaleBlock != 0;
  const ScaleSource<P> source = scale_source<P>(args, tile, band, lane);
  Scales<P> scales = load_scales<P>(source, 0, lane);
#pragma unroll
  for (int i = 0; i < kColumns / 2; ++i) sum[i] = 0;
  float part[kColumns / 2];
#pragma unroll 1
  for (int first = 0; first < L::kSteps; first += kQuad) {
    const Scales<P> later = load_scales<P>(source, first + kQuad, lane);
#pragma unroll 1
    for (int step = first; step < first + kQuad && step < L::kSteps; ++step) {
      const U32 slot = slot_of<P>(place);
      const U64 a = operand(slot + static_cast<U32>(band * L::kBandBytes)), b = operand(slot + L::kSlotB);
      products_begin();
#pragma unroll
      for (int depth = 0; depth < L::kDepths; ++depth) {
        multiply_e4m3(part, advance(a, depth * 32), advance(b, depth * 32), depth != 0);
      }
      products_commit();
      // What the next products need is waited for beside these, which leaves more time for the sums between them.
      const Scales<P> now = scales_of<P>(scales, step - first, lane);
      const RingPlace read = place;
      go_on<P>(place);
      phase_wait(full_barrier<P>(place), place.parity);
      products_wait<0>();
      settle(part);
      release<P>(read, lane);
      add_scaled<P, kColumns>(sum, part, now, odd);
    }
    scales = later;
  }
}

}  // namespace sinter
