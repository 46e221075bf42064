// SPDX-License-Identifier: Apache-2.0
#pragma once

// The gradient of a grouped GEMM's weights by wgmma, for sm_90a.
//
// As in grouped_gemm/hopper.h one block runs on each SM, with a producer that brings steps by tensor copies into a ring
// of slots and a warpgroup for each 64 rows of the tile. Here a step is 64 rows of dY and X, whose neighbours in memory
// lie along the tile's rows and columns: both operands are transposed ones. How many steps a tile has is known with the
// offsets; rows behind a group's end read as zeros.
//
// A few hundred rows make a product of few operations and many bytes of dW: what counts is that memory never rests. Each
// warp stages 16 rows of 128 bytes in one of its two buffers, from which the copy engine stores or adds them while the
// warp goes on. Every element is one chain of sums over the group's rows in ascending order, added to dW once.

#include "grouped_wgrad/args.h"
#include "grouped_wgrad/hopper_schedule.h"
#include "sinter_device/hopper_ring.h"

namespace sinter {

/// The tensor maps of the plan, then the family's arguments.
struct Args {
  TensorMap dy;  ///< Ragged rows: boxes of 64 columns and 64 rows.
  TensorMap x;   ///< The same.
  TensorMap dw;  ///< {K, N, groups}: boxes of 128 bytes of K and 16 rows. separate: without groups, of all memory.
  GroupedWgradArgs arguments;
};

/// Everything that follows from the parameters.
template <class P>
struct Layout {
  static_assert(P::kN % 8 == 0 && P::kK % 8 == 0 && P::kGroups > 0, "rows are whole 16-byte chunks");
  static_assert(P::kTileK == 64 && (P::kTileN == 256 || P::kTileN == 128), "there is a product of this width");
  static_assert(!P::kAdd || P::kFloat, "sums are added in fp32");

  static constexpr int kBandRows = 64, kBands = P::kTileM / kBandRows;
  static_assert(kBands == 2 && P::kTileM == 128, "registers are dealt out for two warpgroups");
  static_assert(P::kThreads == (kBands + 1) * kWarpgroupSize, "warpgroups for the products and one producer");
  static constexpr int kMathWarps = kBands * kWarpgroupSize / kWarpSize;
  static constexpr int kStages = P::kStages;
  static_assert(kStages >= 2, "one slot is read while another is filled");
  /// Columns that the last tile of a row of tiles computes.
  static constexpr int kRest = (P::kK - 1) % P::kTileN + 1;
  static constexpr int kLastColumns = kRest <= 64 ? 64 : kRest <= 128 ? 128 : P::kTileN;

  static constexpr int kProducerRegisters = 56, kMathRegisters = 224;
  static_assert(kProducerRegisters + kBands * kMathRegisters == (kBands + 1) * P::kRegisters,
                "what one warpgroup gives, the others take");

  // Shared memory: slots (a swizzled box begins at a multiple of 1024), buffers of dW for each warp, tiles and barriers
  // of slots, then the groups.
  static constexpr int kBoxColumns = 64, kBoxBytes = P::kTileK * 128;
  static constexpr int kBoxesB = P::kTileN / kBoxColumns;
  static constexpr int kSlotB = kBands * kBoxBytes;
  static constexpr int kSlotBytes = kSlotB + kBoxesB * kBoxBytes;
  static constexpr int kOutput = kStages * kSlotBytes;
  static constexpr int kBufferRows = 16, kBufferBytes = kBufferRows * 128, kBuffers = 2;
  static constexpr int kBufferColumns = P::kFloat ? 32 : 64;
  static constexpr int kTiles = kOutput + kMathWarps * kBuffers * kBufferBytes;
  static constexpr int kFull = kTiles + kStages * static_cast<int>(sizeof(WgradTile));
  static constexpr int kEmpty = kFull + 8 * kStages;
  static constexpr int kTable = kEmpty + 8 * kStages;
  static constexpr int kScratch = kTable + 8 * (P::kGroups + 1);
  static constexpr int kSharedBytes = kScratch + 8 * (P::kThreads / kWarpSize);
  static_assert(kSharedBytes == P::kSharedBytes, "the plan's shared memory is this layout");
};

// --- the producer ----------------------------------------------------------------------------------------------------

/// Starts the copies of one step of a tile: rows `row` to + 63 of a group that ends at `end`, behind `row`. (Of rows
/// behind the end alone the copy engine would touch where the map begins, which may be nobody's memory.)
template <class P>
SINTER_DEVICE void load_step(const Args& args, const WgradTile& tile, int row, int end, const RingPlace& place) {
  using L = Layout<P>;
  const U32 slot = slot_of<L>(place), full = full_barrier<L>(place);
  const int stop = end - row < P::kTileK ? end : row + P::kTileK;
  phase_arrive_expecting(full, L::kSlotBytes);
#pragma unroll
  for (int box = 0; box < L::kBoxesB; ++box) {
    load_ragged_box(slot + static_cast<U32>(L::kSlotB + box * L::kBoxBytes), args.x, full,
                    tile.column + box * L::kBoxColumns, row, stop);
  }
#pragma unroll
  for (int band = 0; band < L::kBands; ++band) {
    load_ragged_box(slot + static_cast<U32>(band * L::kBoxBytes), args.dy, full, tile.row + band * L::kBandRows, row,
                    stop);
  }
}

/// Brings every step of the block's tiles, in one thread. `tiles` has an entry for each slot: the tile whose first step
/// is in that slot, written while the slot is empty and published with its barrier.
template <class P>
SINTER_DEVICE void produce(const Args& args, const WgradGroups& groups, WgradTile* tiles, U32 memory) {
  using L = Layout<P>;
  RingPlace place = {memory, 0, 1};  // the slots start empty, as after a round of parity 1
  for (U32 index = static_cast<U32>(block_index());; index += static_cast<U32>(block_count())) {
    const WgradTile tile = wgrad_tile_at<P>(index, groups);
    if (tile.steps == WgradTile::kNoTile) break;
    if (tile.steps == WgradTile::kZeros) {
      phase_wait(empty_barrier<L>(place), place.parity);
      tiles[place.index] = tile;
      phase_arrive(full_barrier<L>(place));
      go_on<L>(place);
      continue;
    }
    const int first = groups.row[tile.group], end = groups.row[tile.group + 1];
#pragma unroll 1
    for (int step = 0; step < tile.steps; ++step) {
      phase_wait(empty_barrier<L>(place), place.parity);
      if (step == 0) tiles[place.index] = tile;
      load_step<P>(args, tile, first + step * P::kTileK, end, place);
      go_on<L>(place);
    }
  }
  phase_wait(empty_barrier<L>(place), place.parity);
  tiles[place.index].steps = WgradTile::kNoTile;
  phase_arrive(full_barrier<L>(place));
}

// --- the warpgroups of products --------------------------------------------------------------------------------------

/// sum = rows 64 * band to + 63 of the tile, of kColumns columns. The slot of `place` is full, before and after.
template <class P, int kColumns>
SINTER_DEVICE void multiply_tile(float (&sum)[kColumns / 2], int steps, RingPlace& place, int band, int lane) {
  using L = Layout<P>;
  constexpr int kDepthBytes = 16 * 128;  // of K in a transposed operand
  RingPlace before = place;
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    const U32 slot = slot_of<L>(place);
    const U64 a = transposed_operand(slot + static_cast<U32>(band * L::kBoxBytes), L::kBoxBytes);
    const U64 b = transposed_operand(slot + L::kSlotB, L::kBoxBytes);
    products_begin();
#pragma unroll
    for (int depth = 0; depth < P::kTileK / 16; ++depth) {
      const U64 a_part = advance(a, depth * kDepthBytes), b_part = advance(b, depth * kDepthBytes);
      if constexpr (P::kHalf) {
        multiply_f16<true, true>(sum, a_part, b_part, (step | depth) != 0);
      } else {
        multiply_bf16<true, true>(sum, a_part, b_part, (step | depth) != 0);
      }
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

/// Hands the slots of a tile back without reading them. The slot of `place` is full, before and after.
template <class P>
SINTER_DEVICE void skip_tile(int steps, RingPlace& place, int lane) {
  using L = Layout<P>;
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    warp_barrier();  // every lane has seen it full
    release<L>(place, lane);
    go_on<L>(place);
    phase_wait(full_barrier<L>(place), place.parity);
  }
}

/// Writes the warp's sums of one buffer's columns, whose first is sum[0], to the buffer, swizzled as the map wants it.
template <class P>
SINTER_DEVICE void stage(const float* sum, U32 buffer, int lane) {
  if constexpr (P::kFloat) {
    const U32 row = buffer + static_cast<U32>(lane / 4 * 128 + lane % 2 * 8);
#pragma unroll
    for (int j = 0; j < 4; ++j) {  // columns 8 j to + 7
      const U32 chunk = static_cast<U32>(((2 * j + lane % 4 / 2) ^ (lane / 4)) * 16);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        store_shared_8(row + chunk + 8 * 128 * half, sum[4 * j + 2 * half], sum[4 * j + 2 * half + 1]);
      }
    }
  } else {
    const int row = lane % 16, half = lane / 16;
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      const float* const s = sum + 8 * pair;
      const int swizzled = (2 * pair + half) ^ (row & 7);
      const U32 to = buffer + static_cast<U32>(row * 128 + swizzled * 16);
      if constexpr (P::kHalf) {
        store_matrices(to, f16x2(s[0], s[1]), f16x2(s[2], s[3]), f16x2(s[4], s[5]), f16x2(s[6], s[7]));
      } else {
        store_matrices(to, bf16x2(s[0], s[1]), bf16x2(s[2], s[3]), bf16x2(s[4], s[5]), bf16x2(s[6], s[7]));
      }
    }
  }
}

/// Starts the copy of a buffer to dW, or its addition. One lane. `place` is the group's matrix if they are separate.
template <class P>
SINTER_DEVICE void store_buffer(const Args& args, U32 buffer, int column, int row, int group, const TensorPlace& place) {
  if constexpr (P::kSeparate) {
    P::kAdd ? add_box_at(buffer, args.dw, column, row, place) : store_box_at(buffer, args.dw, column, row, place);
  } else {
    P::kAdd ? add_box(buffer, args.dw, column, row, group) : store_box(buffer, args.dw, column, row, group);
  }
  box_commit();
}

/// Computes the warpgroup's rows of a tile of kColumns columns and starts to store them.
template <class P, int kColumns>
SINTER_DEVICE void compute_tile(const Args& args, const WgradTile& tile, RingPlace& place, int band) {
  using L = Layout<P>;
  const int lane = thread_index() % kWarpSize, warp = uniform(thread_index() / kWarpSize);
  float sum[kColumns / 2];
  multiply_tile<P, kColumns>(sum, slots_of(tile), place, band, lane);
  if (!P::kAdd && tile.steps == WgradTile::kZeros) {  // Here, since a way around the products would make ptxas serialize them.
#pragma unroll
    for (int i = 0; i < kColumns / 2; ++i) sum[i] = 0;
  }
  const U32 buffers = place.memory + static_cast<U32>(L::kOutput + warp * L::kBuffers * L::kBufferBytes);
  const int row = tile.row + band * L::kBandRows + warp % 4 * L::kBufferRows;
  TensorPlace matrix = {0, 0};
  if constexpr (P::kSeparate) matrix = place_of_tensor(static_cast<void* const*>(args.arguments.dw)[tile.group]);
#pragma unroll
  for (int first = 0; first < kColumns; first += L::kBufferColumns) {
    const U32 buffer = buffers + static_cast<U32>(first / L::kBufferColumns % L::kBuffers * L::kBufferBytes);
    if (lane == 0) box_wait_read<L::kBuffers - 1>();
    warp_barrier();  // the buffer has been read
    stage<P>(sum + first / 2, buffer, lane);
    publish_to_copies();
    warp_barrier();
    if (lane == 0) store_buffer<P>(args, buffer, tile.column + first, row, tile.group, matrix);
  }
  // The wait counts groups of copies, and every tile begins with the first buffer: a tile that ends with it adds an
  // empty group, or the next would write to the buffer while it is read.
  if constexpr (kColumns / L::kBufferColumns % L::kBuffers != 0) {
    if (lane == 0) box_commit();
  }
}

/// Computes rows 64 * band to + 63 of every tile that the producer brings.
template <class P>
SINTER_DEVICE void consume(const Args& args, const WgradTile* tiles, int band, U32 memory) {
  using L = Layout<P>;
  const int lane = thread_index() % kWarpSize;
  RingPlace place = {memory, 0, 0};
  phase_wait(full_barrier<L>(place), place.parity);
  while (true) {
    const WgradTile tile = tiles[place.index];
    if (tile.steps == WgradTile::kNoTile) break;
    if (tile.row + L::kBandRows * band >= P::kN) {
      skip_tile<P>(slots_of(tile), place, lane);
    } else if (L::kLastColumns < P::kTileN && tile.column + P::kTileN > P::kK) {
      compute_tile<P, L::kLastColumns>(args, tile, place, band);
    } else {
      compute_tile<P, P::kTileN>(args, tile, place, band);
    }
  }
  if (lane == 0) box_wait_read<0>();  // the buffers are shared memory, which ends with the block
}

// --- the kernel ------------------------------------------------------------------------------------------------------

template <class P>
SINTER_DEVICE void run(const Args& args) {
  using L = Layout<P>;
  alignas(1024) extern __shared__ U8 sinter_shared[];  // for the swizzle
  const U32 memory = shared_address(sinter_shared);
  const auto tiles = reinterpret_cast<WgradTile*>(sinter_shared + L::kTiles);
  WgradGroups groups;
  groups.row = reinterpret_cast<int*>(sinter_shared + L::kTable);
  groups.active = groups.row + P::kGroups + 1;
  if (thread_index() == 0) init_ring<L>(memory);
  build_wgrad_groups<P>(groups, args.arguments, reinterpret_cast<int*>(sinter_shared + L::kScratch));

  const int warpgroup = uniform(thread_index() / kWarpgroupSize);
  if (warpgroup == L::kBands) {
    give_registers<L::kProducerRegisters>();
    const bool first_warp = uniform(thread_index() / kWarpSize) == L::kMathWarps;
    if (first_warp && elect_lane()) produce<P>(args, groups, tiles, memory);
  } else {
    take_registers<L::kMathRegisters>();
    consume<P>(args, tiles, warpgroup, memory);
  }
}

}  // namespace sinter
