// SPDX-License-Identifier: Apache-2.0
#pragma once

// Grouped GEMM by wgmma: the body of sm_90a for large tiles.
//
// One block runs on each SM, with a warpgroup for each 64 rows of its tile and one more, the producer, whose one active
// thread finds the tiles and starts tensor copies of steps of 128 bytes of K, of A and B, into a ring of slots. Two
// barriers of a slot say that it is full (the copies have landed) and empty (every warp's products have read it). The
// ring runs on from tile to tile, so that copies go on while a tile is stored. Rows behind a group's end read as zeros.
//
// Every element of D is one chain of sums over K in ascending order, whatever else is in its tile or its launch.

#include "grouped_gemm/args.h"
#include "grouped_gemm/hopper_epilogue.h"
#include "grouped_gemm/hopper_layout.h"
#include "grouped_gemm/hopper_multiply.h"
#include "grouped_gemm/hopper_schedule.h"
#include "sinter_device/hopper.h"

namespace sinter {

/// The tensor maps of the plan, then the family's arguments.
struct Args {
  TensorMap a;  ///< Ragged rows: boxes of 128 bytes of K and 64 rows.
  /// {K, N, groups}: boxes of 128 bytes of K and tile.n rows (swiglu: half as many). Layout kn: {N, K, groups}, boxes of
  /// 128 bytes of N and tile.k rows. separate: without groups, of all memory.
  TensorMap b;
  GroupedGemmArgs arguments;
};

// --- the producer ----------------------------------------------------------------------------------------------------

/// What the producer needs to know of a tile.
struct Task {
  HopperTile tile;
  TensorPlace b;  ///< separate: where the group's matrix is.
};

template <class P>
SINTER_DEVICE Task task_at(const Args& args, const TileWalk& walk, const TileLists& lists) {
  Task task = {tile_at<P>(walk, lists), {0, 0}};
  if constexpr (P::kSeparateB) {
    task.b = place_of_tensor(static_cast<const void* const*>(args.arguments.b)[task.tile.group]);
  }
  return task;
}

/// Starts the copy of one box of the group's matrix.
template <class P>
SINTER_DEVICE void load_box_b(const Args& args, const Task& task, U32 to, U32 full, int x, int y) {
  if constexpr (P::kSeparateB) {
    load_box_at(to, args.b, full, x, y, task.b);
  } else {
    load_box(to, args.b, full, x, y, task.tile.group);
  }
}

/// Layout kn: boxes of B that hold any column of the tile. What lies in the place of others is multiplied, but not
/// stored.
template <class P>
SINTER_DEVICE int boxes_of(const HopperTile& tile) {
  constexpr int kColumns = Layout<P>::kBoxColumns, kBoxes = P::kTileN / kColumns;
  const int left = (P::kN - tile.column + kColumns - 1) / kColumns;
  return left < kBoxes ? left : kBoxes;
}

/// Starts the copies of one step of a tile.
template <class P>
SINTER_DEVICE void load_step(const Args& args, const Task& task, int step, const RingPlace& place) {
  using L = Layout<P>;
  const HopperTile& tile = task.tile;
  const U32 slot = slot_of<L>(place), full = full_barrier<L>(place), b = slot + L::kSlotB;
  const int k = step * P::kTileK;
  const int bands = (tile.end - tile.row + L::kBandRows - 1) / L::kBandRows;
  const int boxes = boxes_of<P>(tile);
  phase_arrive_expecting(full, (P::kTransposedB ? boxes * L::kBoxBytes : L::kBytesB) + bands * L::kBandBytes);
  if constexpr (P::kTransposedB) {
#pragma unroll
    for (int box = 0; box < P::kTileN / L::kBoxColumns; ++box) {
      if (box < boxes) {
        load_box_b<P>(args, task, b + static_cast<U32>(box * L::kBoxBytes), full, tile.column + box * L::kBoxColumns, k);
      }
    }
  } else if constexpr (P::kSwiglu) {
    load_box_b<P>(args, task, b, full, k, tile.column / 2);
    load_box_b<P>(args, task, b + L::kBytesB / 2, full, k, P::kN / 2 + tile.column / 2);
  } else {
    load_box_b<P>(args, task, b, full, k, tile.column);
  }
#pragma unroll
  for (int band = 0; band < L::kBands; ++band) {
    if (band < bands) {
      load_ragged_box(slot + static_cast<U32>(band * L::kBandBytes), args.a, full, k,
                      tile.row + L::kBandRows * band, tile.end);
    }
  }
}

/// Brings every step of the block's tiles, in one thread. `tiles` has an entry for each slot: the tile whose first step
/// is in that slot, written while the slot is empty and published with its barrier.
template <class P>
SINTER_DEVICE void produce(const Args& args, const TileLists& lists, HopperTile* tiles, U32 memory) {
  using L = Layout<P>;
  RingPlace place = {memory, 0, 1};  // the slots start empty, as after a round of parity 1
  TileWalk walk = begin_walk<P>(lists);
  bool more = next_tile(walk);
  Task task = {}, next = {};
  if (more) task = task_at<P>(args, walk, lists);
  while (more) {
    more = next_tile(walk);
#pragma unroll 1
    for (int step = 0; step < L::kSteps; ++step) {
      phase_wait(empty_barrier<L>(place), place.parity);
      if (step == 0) tiles[place.index] = task.tile;
      load_step<P>(args, task, step, place);
      go_on<L>(place);
      // Found now, while the ring is full and nobody waits for this thread.
      if (step == L::kSteps / 2 && more) next = task_at<P>(args, walk, lists);
    }
    task = next;
  }
  phase_wait(empty_barrier<L>(place), place.parity);
  tiles[place.index].group = -1;
  phase_arrive(full_barrier<L>(place));
}

// --- the warpgroups of products --------------------------------------------------------------------------------------

/// Hands the slots of a tile back without reading them. The slot of `place` is full, before and after.
template <class P>
SINTER_DEVICE void skip_tile(RingPlace& place, int lane) {
  using L = Layout<P>;
#pragma unroll 1
  for (int step = 0; step < L::kSteps; ++step) {
    warp_barrier();  // every lane has seen it full
    release<L>(place, lane);
    go_on<L>(place);
    phase_wait(full_barrier<L>(place), place.parity);
  }
}

/// Stores the warp's 16 rows of kColumns columns of D through its buffers, so that it writes 128 neighbouring bytes of a
/// row at a time.
template <class P, int kColumns, int kSums>
SINTER_DEVICE void store_tile(const GroupedGemmArgs& args, const float (&sum)[kSums], const HopperTile& tile, int band,
                              U32 buffers) {
  using L = Layout<P>;
  static_assert(kColumns / 2 <= kSums, "there is a sum for each column");
  constexpr int kBuffers = kColumns / L::kBufferColumns % P::kBuffers == 0 ? P::kBuffers : 1;  // at a time
  const int lane = thread_index() % kWarpSize, warp = uniform(thread_index() / kWarpSize);
  // The 16-byte chunks of a row are swizzled as those of operands are. This lane gives the address of a chunk of one
  // row, the first or the second of a pair, and then takes the same chunk of every fourth row.
  const int to_row = lane % 16, to_half = lane / 16;
  const int from_row = lane / 8, from_chunk = lane % 8;
  const int row = tile.row + L::kBandRows * band + warp % 4 * L::kBufferRows + from_row;
  const int column = (P::kSwiglu ? tile.column / 2 : tile.column) + 8 * from_chunk;
  U16* const d = static_cast<U16*>(args.d) + static_cast<long long>(row) * L::kDColumns + column;
#pragma unroll
  for (int first = 0; first < kColumns; first += kBuffers * L::kBufferColumns) {
    warp_barrier();  // every lane has read the buffers
#pragma unroll
    for (int pair = 0; pair < 4 * kBuffers; ++pair) {
      const float* const s = sum + first / 2 + 8 * pair;
      const int swizzled = (2 * (pair % 4) + to_half) ^ (to_row & 7);
      store_matrices(buffers + static_cast<U32>(pair / 4 * L::kBufferBytes + to_row * 128 + swizzled * 16),
                     rounded<P::kHalf>(s[0], s[1]), rounded<P::kHalf>(s[2], s[3]), rounded<P::kHalf>(s[4], s[5]),
                     rounded<P::kHalf>(s[6], s[7]));
    }
    warp_barrier();
#pragma unroll
    for (int buffer = 0; buffer < kBuffers; ++buffer) {
      const int offset = first + L::kBufferColumns * buffer;
#pragma unroll
      for (int i = 0; i < L::kBufferRows; i += 4) {
        const int swizzled = from_chunk ^ ((from_row + i) & 7);
        const Vec16 v = load_shared_16(
            buffers + static_cast<U32>(buffer * L::kBufferBytes + (from_row + i) * 128 + swizzled * 16));
        if (row + i < tile.end && column + offset < L::kDColumns) {
          *reinterpret_cast<Vec16*>(d + static_cast<long long>(i) * L::kDColumns + offset) = v;
        }
      }
    }
  }
}

/// Computes the warpgroup's rows of a tile of kColumns columns and stores them.
template <class P, int kColumns>
SINTER_DEVICE void compute_tile(const GroupedGemmArgs& args, const HopperTile& tile, RingPlace& place, int band) {
  using L = Layout<P>;
  const int lane = thread_index() % kWarpSize, warp = uniform(thread_index() / kWarpSize);
  const U32 buffers = place.memory + static_cast<U32>(L::kOutput + warp * P::kBuffers * L::kBufferBytes);
  if constexpr (kHasColumnValues<P>) copy_column_values<P, kColumns>(args, tile, buffers, lane);
  float sum[kColumns / 2];
  if constexpr (P::kBlockScales) {
    multiply_scaled_tile<P, kColumns>(sum, args, tile, place, band, lane);
  } else if constexpr (P::kTokenScales) {
    multiply_runs<P, kColumns>(sum, place, band, lane);
  } else {
    multiply_tile<P, kColumns>(sum, place, band, lane);
  }
  finish<P, kColumns>(sum, args, tile, buffers, band, lane);
  store_tile<P, P::kSwiglu ? kColumns / 2 : kColumns>(args, sum, tile, band, buffers);
}

/// Computes rows 64 * band to + 63 of every tile that the producer brings.
template <class P>
SINTER_DEVICE void consume(const Args& args, const HopperTile* tiles, int band, U32 memory) {
  using L = Layout<P>;
  const int lane = thread_index() % kWarpSize;
  RingPlace place = {memory, 0, 0};
  phase_wait(full_barrier<L>(place), place.parity);
  while (true) {
    const HopperTile tile = tiles[place.index];
    if (tile.group < 0) break;
    if (tile.row + L::kBandRows * band >= tile.end) {
      skip_tile<P>(place, lane);
    } else if (L::kLastColumns < P::kTileN && tile.column + P::kTileN > P::kN) {
      compute_tile<P, L::kLastColumns>(args.arguments, tile, place, band);
    } else {
      compute_tile<P, P::kTileN>(args.arguments, tile, place, band);
    }
  }
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
  if (thread_index() == 0) init_ring<L>(memory);
  build_tile_lists<P>(lists, args.arguments, reinterpret_cast<int*>(sinter_shared + L::kScratch));

  const int warpgroup = uniform(thread_index() / kWarpgroupSize);
  if (warpgroup == L::kBands) {
    give_registers<L::kProducerRegisters>();
    const bool first_warp = uniform(thread_index() / kWarpSize) == L::kMathWarps;
    if (first_warp && elect_lane()) produce<P>(args, lists, tiles, memory);
  } else {
    take_registers<L::kMathRegisters>();
    consume<P>(args, tiles, warpgroup, memory);
  }
}

}  // namespace sinter
