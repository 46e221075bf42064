// SPDX-License-Identifier: Apache-2.0
#pragma once

// Grouped GEMM by wgmma: the body of sm_90a for bf16 and large tiles.
//
// One block runs on each SM, with a warpgroup for each 64 rows of its tile and one more, the producer, whose one active
// thread finds the tiles and starts tensor copies of steps of 64 columns of A and B into a ring of slots. A slot's two
// barriers say that it is full (the copies have landed) and empty (every warp's products have read it). The ring
// runs on from tile to tile, so that copies go on while a tile is stored. D leaves through two buffers for each
// warpgroup and tensor copies. Rows behind a group's end read as zeros and are not stored, both by the copy engine.
//
// Every element of D is one chain of sums over K in ascending order, whatever else is in its tile or its launch.

#include "grouped_gemm/args.h"
#include "grouped_gemm/hopper_schedule.h"
#include "sinter_device/hopper.h"

namespace sinter {

/// The tensor maps of the plan, then the family's arguments.
struct Args {
  TensorMap a;  ///< Ragged rows: boxes of 64 columns and 64 rows.
  TensorMap b;  ///< {K, N, groups}: boxes of 64 columns of K and tile.n rows.
  TensorMap d;  ///< Ragged rows: boxes of 64 columns and 64 rows.
  GroupedGemmArgs arguments;
};

/// Everything that follows from the parameters.
template <class P>
struct Layout {
  static_assert(P::kN > 0 && P::kK > 0 && P::kGroups > 0, "sizes are positive");
  static_assert(P::kN % 8 == 0 && P::kK % 8 == 0, "rows are whole 16-byte chunks, as tensor maps want strides");
  static_assert(P::kTileN == 128 || P::kTileN == 256, "there is a product of this width");
  static_assert(P::kTileK == 64, "a row of a step is the 128 bytes of a swizzled box");
  static_assert(P::kStages >= 2, "one slot is read while another is filled");

  /// A box of A or D: 64 rows of 64 bf16. These rows of the tile are the band of one warpgroup.
  static constexpr int kBandRows = 64, kBoxColumns = 64;
  static constexpr int kBoxBytes = kBandRows * kBoxColumns * 2;
  static constexpr int kBands = P::kTileM / kBandRows;  ///< Of a tile.
  static_assert(kBands * kBandRows == P::kTileM && kBands == 2, "registers are dealt out for two warpgroups");
  static_assert(P::kThreads == (kBands + 1) * kWarpgroupSize, "warpgroups for the products and one producer");
  static constexpr int kSteps = (P::kK + P::kTileK - 1) / P::kTileK;
  static constexpr int kDepths = P::kTileK / 16;  ///< Products of a step.
  static constexpr int kChunks = P::kTileN / kBoxColumns;

  // Registers: the block starts with kRegisters for each thread, which the host checks of the compiled code.
  static constexpr int kProducerRegisters = 56, kMathRegisters = 224;
  static_assert(kProducerRegisters + kBands * kMathRegisters == (kBands + 1) * P::kRegisters,
                "what one warpgroup gives, the others take");

  // Shared memory: slots (a swizzled box begins at a multiple of 1024), buffers of D, tiles and barriers of slots, then
  // the groups.
  static constexpr int kSlotB = kBands * kBoxBytes;
  static constexpr int kBytesB = P::kTileN * P::kTileK * 2;
  static constexpr int kSlotBytes = kSlotB + kBytesB;
  static constexpr int kBuffers = P::kStages * kSlotBytes;
  static constexpr int kBufferBytes = 2 * kBoxBytes;  ///< Of one warpgroup.
  static constexpr int kTiles = kBuffers + kBands * kBufferBytes;
  static constexpr int kFull = kTiles + P::kStages * static_cast<int>(sizeof(HopperTile));
  static constexpr int kEmpty = kFull + 8 * P::kStages;
  static constexpr int kTable = kEmpty + 8 * P::kStages;
  static constexpr int kScratch = kTable + 8 * (P::kGroups + 1);
  static constexpr int kSmall = kScratch + 8 * (P::kThreads / kWarpSize);
  static constexpr int kSharedBytes = kSmall + 2 * (P::kGroups + 1);
  static_assert(kSharedBytes == P::kSharedBytes, "the plan's shared memory is this layout");
};

// --- the ring --------------------------------------------------------------------------------------------------------

/// A place in the ring. It runs on across tiles, and its parity changes with every round.
struct RingPlace {
  U32 memory;  ///< The block's, where the layout begins.
  U32 index, parity;
};

template <class P>
SINTER_DEVICE U32 slot_of(const RingPlace& place) {
  return place.memory + place.index * Layout<P>::kSlotBytes;
}
template <class P>
SINTER_DEVICE U32 full_barrier(const RingPlace& place) {
  return place.memory + Layout<P>::kFull + 8 * place.index;
}
template <class P>
SINTER_DEVICE U32 empty_barrier(const RingPlace& place) {
  return place.memory + Layout<P>::kEmpty + 8 * place.index;
}

template <class P>
SINTER_DEVICE void go_on(RingPlace& place) {
  if (++place.index == P::kStages) {
    place.index = 0;
    place.parity ^= 1;
  }
}

/// One thread of the block makes the barriers; others use them after a barrier().
template <class P>
SINTER_DEVICE void init_ring(U32 memory) {
  constexpr int kWarps = Layout<P>::kBands * kWarpgroupSize / kWarpSize;
  for (RingPlace place = {memory, 0, 0}; place.parity == 0; go_on<P>(place)) {
    phase_init(full_barrier<P>(place), 1);
    phase_init(empty_barrier<P>(place), kWarps);
  }
  phase_init_done();
}

// --- the producer ----------------------------------------------------------------------------------------------------

/// Starts the copies of one step of a tile.
template <class P>
SINTER_DEVICE void load_step(const Args& args, const HopperTile& tile, int step, const RingPlace& place) {
  using L = Layout<P>;
  const U32 slot = slot_of<P>(place), full = full_barrier<P>(place);
  const int column = step * P::kTileK;
  const bool two_bands = tile.end - tile.row > L::kBandRows;
  phase_arrive_expecting(full, L::kBytesB + (two_bands ? 2 : 1) * L::kBoxBytes);
  load_box(slot + L::kSlotB, args.b, full, column, tile.column, tile.group);
  load_ragged_box(slot, args.a, full, column, tile.row, tile.end);
  if (two_bands) {
    load_ragged_box(slot + L::kBoxBytes, args.a, full, column, tile.row + L::kBandRows, tile.end);
  }
}

/// Brings every step of the block's tiles, in one thread. `tiles` has an entry for each slot: the tile whose first step
/// is in that slot, written while the slot is empty and published with its barrier.
template <class P>
SINTER_DEVICE void produce(const Args& args, const TileLists& lists, HopperTile* tiles, U32 memory) {
  using L = Layout<P>;
  const U64 count = tile_count<P>(lists);
  RingPlace place = {memory, 0, 1};  // the slots start empty, as after a round of parity 1
  MixedPlace at = {static_cast<U64>(block_index()), 0, 0}, stride = at;
  HopperTile tile = {}, next = {};
  if (at.position < count) {
    at = mixed_place<P>(at.position, lists);
    stride = mixed_place<P>(static_cast<U64>(block_count()), lists);
    tile = tile_at<P>(at, lists);
  }
  while (at.position < count) {
    at = add<P>(at, stride, lists);
#pragma unroll 1
    for (int step = 0; step < L::kSteps; ++step) {
      phase_wait(empty_barrier<P>(place), place.parity);
      if (step == 0) tiles[place.index] = tile;
      load_step<P>(args, tile, step, place);
      go_on<P>(place);
      // Found now, while the ring is full and nobody waits for this thread.
      if (step == L::kSteps / 2 && at.position < count) next = tile_at<P>(at, lists);
    }
    tile = next;
  }
  phase_wait(empty_barrier<P>(place), place.parity);
  tiles[place.index].group = -1;
  phase_arrive(full_barrier<P>(place));
}

// --- the warpgroups of products --------------------------------------------------------------------------------------

/// One lane of each warp says that the warp has read the slot.
template <class P>
SINTER_DEVICE void release(const RingPlace& place, int lane) {
  if (lane == 0) phase_arrive(empty_barrier<P>(place));
}

/// Hands the slots of a tile back without reading them. REQUIRES: the first is full.
template <class P>
SINTER_DEVICE void skip_tile(RingPlace& place, int lane) {
#pragma unroll 1
  for (int step = 0; step < Layout<P>::kSteps; ++step) {
    if (step > 0) phase_wait(full_barrier<P>(place), place.parity);
    warp_barrier();  // every lane has seen it full
    release<P>(place, lane);
    go_on<P>(place);
  }
}

/// sum = the warpgroup's 64 rows of the tile. REQUIRES: the first slot is full.
template <class P>
SINTER_DEVICE void multiply_tile(float (&sum)[P::kTileN / 2], RingPlace& place, int band, int lane) {
  using L = Layout<P>;
  RingPlace before = place;
#pragma unroll 1
  for (int step = 0; step < L::kSteps; ++step) {
    if (step > 0) phase_wait(full_barrier<P>(place), place.parity);
    const U32 slot = slot_of<P>(place);
    const U64 a = operand(slot + static_cast<U32>(band * L::kBoxBytes)), b = operand(slot + L::kSlotB);
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
  }
  products_wait<0>();
  products_done(sum);
  release<P>(before, lane);
}

/// Stores the warpgroup's rows, 64 columns at a time through its two buffers in turn.
template <class P>
SINTER_DEVICE void store_tile(const Args& args, const float (&sum)[P::kTileN / 2], const HopperTile& tile, int band,
                              U32 memory) {
  using L = Layout<P>;
  const int thread = thread_index() % kWarpgroupSize, lane = thread % kWarpSize;
  const bool leader = thread == 0;
  const int id = 1 + band;
  // The 16-byte chunk that this lane gives an address for: of this row, the first or the second of a pair.
  const int row = thread / kWarpSize * 16 + lane % 16, half = lane / 16;
#pragma unroll
  for (int chunk = 0; chunk < L::kChunks; ++chunk) {
    const U32 buffer = memory + L::kBuffers + static_cast<U32>(band * L::kBufferBytes + chunk % 2 * L::kBoxBytes);
    if (leader) wait_stores_read<1>();  // of the other buffer's store at most
    named_barrier<kWarpgroupSize>(id);
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      const float* const s = sum + 32 * chunk + 8 * pair;
      const int swizzled = (2 * pair + half) ^ (row & 7);
      store_matrices(buffer + static_cast<U32>(row * 128 + swizzled * 16), bf16x2(s[0], s[1]), bf16x2(s[2], s[3]),
                     bf16x2(s[4], s[5]), bf16x2(s[6], s[7]));
    }
    shared_writes_to_copies();
    named_barrier<kWarpgroupSize>(id);
    if (leader) {
      store_ragged_box(args.d, buffer, tile.column + L::kBoxColumns * chunk, tile.row + L::kBandRows * band,
                       tile.end);
    }
  }
}

/// Computes rows 64 * band to + 63 of every tile that the producer brings.
template <class P>
SINTER_DEVICE void consume(const Args& args, const HopperTile* tiles, int band, U32 memory) {
  using L = Layout<P>;
  const int lane = thread_index() % kWarpSize;
  RingPlace place = {memory, 0, 0};
  float sum[P::kTileN / 2];
  while (true) {
    phase_wait(full_barrier<P>(place), place.parity);
    const HopperTile tile = tiles[place.index];
    if (tile.group < 0) break;
    if (tile.row + L::kBandRows * band >= tile.end) {
      skip_tile<P>(place, lane);
      continue;
    }
    multiply_tile<P>(sum, place, band, lane);
    store_tile<P>(args, sum, tile, band, memory);
  }
  if (thread_index() % kWarpgroupSize == 0) wait_stores();
}

// --- the kernel ------------------------------------------------------------------------------------------------------

template <class P>
SINTER_DEVICE void run(const Args& args) {
  using L = Layout<P>;
  alignas(1024) extern __shared__ U8 sinter_shared[];  // for the swizzle
  const U32 memory = shared_address(sinter_shared);
  const auto tiles = reinterpret_cast<HopperTile*>(sinter_shared + L::kTiles);
  TileLists lists;
  lists.groups.row = reinterpret_cast<int*>(sinter_shared + L::kTable);
  lists.groups.tile = lists.groups.row + P::kGroups + 1;
  lists.small = reinterpret_cast<U16*>(sinter_shared + L::kSmall);
  if (thread_index() == 0) init_ring<P>(memory);
  build_tile_lists<P>(lists, args.arguments, reinterpret_cast<int*>(sinter_shared + L::kScratch));

  const int warpgroup = uniform(thread_index() / kWarpgroupSize);
  if (warpgroup == L::kBands) {
    give_registers<L::kProducerRegisters>();
    if (thread_index() == L::kBands * kWarpgroupSize) produce<P>(args, lists, tiles, memory);
  } else {
    take_registers<L::kMathRegisters>();
    consume<P>(args, tiles, warpgroup, memory);
  }
}

}  // namespace sinter
