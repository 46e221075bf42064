// SPDX-License-Identifier: Apache-2.0
#pragma once

// The ring of slots between the producer and the warpgroups of products: how shared memory is laid out, and where in
// the ring a warp is.

#include "grouped_gemm/args.h"
#include "grouped_gemm/hopper_schedule.h"
#include "sinter_device/hopper.h"

namespace sinter {

/// Columns of K, and rows of B, that share a scale in fp8_block.
inline constexpr int kScaleBlock = 128;

/// Everything that follows from the parameters.
template <class P>
struct Layout {
  static constexpr int kElementBytes = P::kFp8 ? 1 : 2;
  static_assert(P::kN > 0 && P::kK > 0 && P::kGroups > 0, "sizes are positive");
  static_assert(P::kK * kElementBytes % 16 == 0, "rows of A and B are whole 16-byte chunks, as tensor maps want");
  static_assert(P::kN % 8 == 0, "a row of D is whole 16-byte chunks");
  static_assert(P::kFp8 ? P::kTileN == 128 || P::kTileN == 192 : P::kTileN == 128 || P::kTileN == 256,
                "there is a product of this width");
  static_assert(P::kTileK * kElementBytes == 128, "a row of a step is the 128 bytes of a swizzled box");
  static_assert(P::kStages >= 2, "one slot is read while another is filled");

  // Rows of the tile: a band of 64 for each warpgroup of products.
  static constexpr int kBandRows = 64;
  static constexpr int kBands = P::kTileM / kBandRows;
  static_assert(kBands * kBandRows == P::kTileM && kBands == 2, "registers are dealt out for two warpgroups");
  static_assert(P::kThreads == (kBands + 1) * kWarpgroupSize, "warpgroups for the products and one producer");
  /// Columns that the last tile of a row of tiles computes. (A third width for bf16 would spill.)
  static constexpr int kRest = (P::kN - 1) % P::kTileN + 1;
  static constexpr int kLastColumns = kRest <= 64 ? 64 : kRest <= 128 ? 128 : P::kTileN;
  static constexpr int kMathWarps = kBands * kWarpgroupSize / kWarpSize;
  static constexpr int kSteps = (P::kK + P::kTileK - 1) / P::kTileK;
  static constexpr int kDepths = 4;  ///< Products of a step: 32 bytes of K each.

  // Registers: the block starts with kRegisters for each thread, which the host checks of the compiled code. fp8_block
  // has two sums.
  static constexpr int kProducerRegisters = P::kFp8 ? 40 : 56;
  static constexpr int kMathRegisters = P::kFp8 ? 232 : 224;
  static_assert(kProducerRegisters + kBands * kMathRegisters == (kBands + 1) * P::kRegisters,
                "what one warpgroup gives, the others take");

  // Shared memory: slots (a swizzled box begins at a multiple of 1024), buffers of D for each warp, tiles and barriers
  // of slots, then the groups.
  static constexpr int kBandBytes = kBandRows * 128;
  static constexpr int kSlotB = kBands * kBandBytes;
  static constexpr int kBytesB = P::kTileN * 128;
  static constexpr int kSlotBytes = kSlotB + kBytesB;
  static constexpr int kOutput = P::kStages * kSlotBytes;
  static constexpr int kBufferRows = 16, kBufferColumns = 64;
  static constexpr int kBufferBytes = kBufferRows * kBufferColumns * 2;
  static constexpr int kTiles = kOutput + kMathWarps * P::kBuffers * kBufferBytes;
  static constexpr int kFull = kTiles + P::kStages * static_cast<int>(sizeof(HopperTile));
  static constexpr int kEmpty = kFull + 8 * P::kStages;
  static constexpr int kTable = kEmpty + 8 * P::kStages;
  static constexpr int kScratch = kTable + 8 * (P::kGroups + 1);
  static constexpr int kSmall = kScratch + 8 * (P::kThreads / kWarpSize);
  static constexpr int kSharedBytes = kSmall + 2 * (P::kGroups + 1);
  static_assert(kSharedBytes == P::kSharedBytes, "the plan's shared memory is this layout");
};

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
  for (RingPlace place = {memory, 0, 0}; place.parity == 0; go_on<P>(place)) {
    phase_init(full_barrier<P>(place), 1);
    phase_init(empty_barrier<P>(place), Layout<P>::kMathWarps);
  }
  phase_init_done();
}

/// One lane of each warp of products says that the warp has read the slot.
template <class P>
SINTER_DEVICE void release(const RingPlace& place, int lane) {
  if (lane == 0) phase_arrive(empty_barrier<P>(place));
}

}  // namespace sinter
