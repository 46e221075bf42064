// SPDX-License-Identifier: Apache-2.0
#pragma once

// A ring of slots in shared memory between one thread that starts tensor copies and the warps that multiply what they
// bring. Two barriers of a slot say that it is full (the copies have landed) and empty (every warp has read it). The
// ring runs on from tile to tile.
//
// L is the kernel's layout: kStages slots of kSlotBytes each from the beginning of its memory, barriers at kFull and
// kEmpty (8 bytes each), kMathWarps warps that read.

#include "sinter_device/hopper.h"

namespace sinter {

/// A place in the ring. It runs on across tiles, and its parity changes with every round.
struct RingPlace {
  U32 memory;  ///< The block's, where the layout begins.
  U32 index, parity;
};

template <class L>
SINTER_DEVICE U32 slot_of(const RingPlace& place) {
  return place.memory + place.index * L::kSlotBytes;
}
template <class L>
SINTER_DEVICE U32 full_barrier(const RingPlace& place) {
  return place.memory + L::kFull + 8 * place.index;
}
template <class L>
SINTER_DEVICE U32 empty_barrier(const RingPlace& place) {
  return place.memory + L::kEmpty + 8 * place.index;
}

template <class L>
SINTER_DEVICE void go_on(RingPlace& place) {
  if (++place.index == L::kStages) {
    place.index = 0;
    place.parity ^= 1;
  }
}

/// One thread of the block makes the barriers; others use them after a barrier().
template <class L>
SINTER_DEVICE void init_ring(U32 memory) {
  for (RingPlace place = {memory, 0, 0}; place.parity == 0; go_on<L>(place)) {
    phase_init(full_barrier<L>(place), 1);
    phase_init(empty_barrier<L>(place), L::kMathWarps);
  }
  phase_init_done();
}

/// One lane of each warp of products says that the warp has read the slot.
template <class L>
SINTER_DEVICE void release(const RingPlace& place, int lane) {
  if (lane == 0) phase_arrive(empty_barrier<L>(place));
}

}  // namespace sinter
