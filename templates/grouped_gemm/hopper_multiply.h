// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a warpgroup computes of a tile: 64 rows of it, step by step out of the ring.
//
// fp8_token: the matrix unit keeps few bits of e4m3 products, so that no sum of it is longer than kRunSteps steps; then
// it is added in fp32.
//
// fp8_block: the products of one step, which is one scale block, are summed on their own, since the matrix unit keeps
// few bits of e4m3 products; then they are scaled and added in fp32. While one warpgroup adds, the other multiplies.

#include "grouped_gemm/hopper_layout.h"

namespace sinter {

/// The operands of a step for rows 64 * band to + 63 of the tile.
struct StepOperands {
  U64 a, b;
};
template <class P>
SINTER_DEVICE StepOperands operands_of(const RingPlace& place, int band) {
  using L = Layout<P>;
  const U32 slot = slot_of<L>(place), b = slot + L::kSlotB;
  return {operand(slot + static_cast<U32>(band * L::kBandBytes)),
          P::kTransposedB ? transposed_operand(b, L::kBoxBytes) : operand(b)};
}

/// sum = the products of one of a step's kDepths parts of K, plus sum if `accumulate`.
template <class P, int kSums>
SINTER_DEVICE void multiply_depth(float (&sum)[kSums], const StepOperands& step, int depth, bool accumulate) {
  const U64 a = advance(step.a, depth * 32), b = advance(step.b, depth * (P::kTransposedB ? 16 * 128 : 32));
  if constexpr (P::kFp8) {
    multiply_e4m3(sum, a, b, accumulate);
  } else if constexpr (P::kHalf) {
    multiply_f16<false, P::kTransposedB>(sum, a, b, accumulate);
  } else {
    multiply_bf16<false, P::kTransposedB>(sum, a, b, accumulate);
  }
}

/// sum = the warpgroup's rows of the tile, of kColumns columns. The slot of `place` is full, before and after.
template <class P, int kColumns>
SINTER_DEVICE void multiply_tile(float (&sum)[kColumns / 2], RingPlace& place, int band, int lane) {
  using L = Layout<P>;
  RingPlace before = place;
#pragma unroll 1
  for (int step = 0; step < L::kSteps; ++step) {
    const StepOperands operands = operands_of<P>(place, band);
    products_begin();
#pragma unroll
    for (int depth = 0; depth < L::kDepths; ++depth) {
      multiply_depth<P>(sum, operands, depth, (step | depth) != 0);
    }
    products_commit();
    products_wait<1>();  // this step runs on; the one before has read its slot
    if (step > 0) release<L>(before, lane);
    before = place;
    go_on<L>(place);
    phase_wait(full_barrier<L>(place), place.parity);
  }
  products_wait<0>();
  settle(sum);
  release<L>(before, lane);
}

// --- fp8_token -------------------------------------------------------------------------------------------------------

/// Steps that the matrix unit sums by itself: 256 products.
inline constexpr int kRunSteps = 2;

/// Adds the products of kLength steps to `sum`.
template <class P, int kLength, int kSums>
SINTER_DEVICE void multiply_run(float (&sum)[kSums], RingPlace& place, int band, int lane) {
  using L = Layout<P>;
  float part[kSums];
  RingPlace before = place;
#pragma unroll
  for (int step = 0; step < kLength; ++step) {
    const StepOperands operands = operands_of<P>(place, band);
    products_begin();
#pragma unroll
    for (int depth = 0; depth < L::kDepths; ++depth) multiply_depth<P>(part, operands, depth, (step | depth) != 0);
    products_commit();
    if (step > 0) {
      products_wait<1>();
      release<L>(before, lane);
    }
    before = place;
    go_on<L>(place);
    phase_wait(full_barrier<L>(place), place.parity);
  }
  products_wait<0>();
  settle(part);
  release<L>(before, lane);
#pragma unroll
  for (int i = 0; i < kSums; ++i) sum[i] += part[i];
}

/// The same as multiply_tile() for fp8_token, without the scales.
template <class P, int kColumns>
SINTER_DEVICE void multiply_runs(float (&sum)[kColumns / 2], RingPlace& place, int band, int lane) {
  constexpr int kSteps = Layout<P>::kSteps;
#pragma unroll
  for (int i = 0; i < kColumns / 2; ++i) sum[i] = 0;
#pragma unroll 1
  for (int run = 0; run < kSteps / kRunSteps; ++run) multiply_run<P, kRunSteps>(sum, place, band, lane);
  if constexpr (kSteps % kRunSteps != 0) multiply_run<P, kSteps % kRunSteps>(sum, place, band, lane);
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
      const StepOperands operands = operands_of<P>(place, band);
      products_begin();
#pragma unroll
      for (int depth = 0; depth < L::kDepths; ++depth) multiply_depth<P>(part, operands, depth, depth != 0);
      products_commit();
      // What the next products need is waited for beside these, which leaves more time for the sums between them.
      const Scales<P> now = scales_of<P>(scales, step - first, lane);
      const RingPlace read = place;
      go_on<L>(place);
      phase_wait(full_barrier<L>(place), place.parity);
      products_wait<0>();
      settle(part);
      release<L>(read, lane);
      add_scaled<P, kColumns>(sum, part, now, odd);
    }
    scales = later;
  }
}

}  // namespace sinter
