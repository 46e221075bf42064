// SPDX-License-Identifier: Apache-2.0
#pragma once

// AMD GPUs (gfx90a, gfx942, gfx950; wave64): compiled by clang or hiprtc, without the HIP headers. hiprtc brings its
// own macros. No kernel uses hidden arguments, the dispatch packet, dynamic LDS or a device library: what a launch
// needs is the argument struct, the block size and a grid.

#ifndef __HIPCC_RTC__
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#endif

#if !defined(__gfx90a__) && !defined(__gfx942__) && !defined(__gfx950__)
#error "AMD kernels are written for gfx90a, gfx942 and gfx950"
#endif

#define SINTER_DEVICE static __device__ inline __attribute__((always_inline))

namespace sinter {

using U8 = unsigned char;
using U16 = unsigned short;
using U32 = unsigned int;
using U64 = unsigned long long;

typedef U32 U32x2 __attribute__((ext_vector_type(2)));
typedef U32 U32x4 __attribute__((ext_vector_type(4)));
typedef float F32x2 __attribute__((ext_vector_type(2)));
typedef float F32x4 __attribute__((ext_vector_type(4)));
typedef float F32x16 __attribute__((ext_vector_type(16)));

/// A type in device memory. Pointers say so, because an access through a generic pointer waits for LDS as well.
template <class T>
using Global = __attribute__((address_space(1))) T;

inline constexpr int kWaveSize = 64;

SINTER_DEVICE U32 block_index() { return __builtin_amdgcn_workgroup_id_x(); }
SINTER_DEVICE int thread_index() { return static_cast<int>(__builtin_amdgcn_workitem_id_x()); }

/// The same bits as another type of equal size.
template <class To, class From>
SINTER_DEVICE To bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "a bit cast keeps the size");
  return __builtin_bit_cast(To, from);
}

/// `value`, which is equal in all lanes of the wave, as a scalar: branches on it are scalar branches.
SINTER_DEVICE int uniform(int value) { return __builtin_amdgcn_readfirstlane(value); }

SINTER_DEVICE Global<U8>* uniform(Global<U8>* pointer) {
  const U64 address = reinterpret_cast<U64>(pointer);
  const U64 low = static_cast<U32>(uniform(static_cast<int>(address)));
  const U64 high = static_cast<U32>(uniform(static_cast<int>(address >> 32)));
  return reinterpret_cast<Global<U8>*>(high << 32 | low);
}

/// Makes the optimizer forget what it knows of `offset`, at no cost.
///
/// A load takes a uniform pointer from scalar registers plus a 32-bit offset per lane, if the offset is widened to 64
/// bits beside the load. Compilers move the widening out of a loop, and then need a 64-bit addition and a pair of
/// registers for every load in it.
SINTER_DEVICE void forget(U32& offset) { asm volatile("" : "+v"(offset)); }

SINTER_DEVICE int min(int a, int b) { return a < b ? a : b; }
SINTER_DEVICE int max(int a, int b) { return a > b ? a : b; }
SINTER_DEVICE int clamp(int value, int low, int high) { return max(low, min(value, high)); }

/// Waits for all waves of the block; LDS written before is visible after. Loads from device memory stay in flight.
SINTER_DEVICE void block_barrier() {
  __builtin_amdgcn_fence(__ATOMIC_RELEASE, "workgroup");
  __builtin_amdgcn_s_barrier();
  __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "workgroup");
}

/// Compilers move no instruction across: loads written before are started before.
SINTER_DEVICE void schedule_barrier() { __builtin_amdgcn_sched_barrier(0); }

/// `value` of another lane of the wave; `lane` may differ per lane.
SINTER_DEVICE int from_lane(int value, int lane) { return __builtin_amdgcn_ds_bpermute(lane * 4, value); }

/// Index of a tile in a grid of tiles that is kColumns wide. 32 bits each: their product may need more.
struct TileIndex {
  U32 row, column;
};

/// The first tile of this block. The launch has one block per tile, but at most kMaxBlocks.
template <U32 kColumns>
SINTER_DEVICE TileIndex first_tile() {
  return {block_index() / kColumns, block_index() % kColumns};
}

/// The tile that is kMaxBlocks after `tile`. Below kMaxBlocks tiles there is none, and no block needs to know the grid.
template <U32 kColumns, U32 kMaxBlocks>
SINTER_DEVICE TileIndex next_tile(TileIndex tile) {
  const U32 column = tile.column + kMaxBlocks % kColumns;
  const U32 carry = column >= kColumns ? 1 : 0;
  return {tile.row + kMaxBlocks / kColumns + carry, column - carry * kColumns};
}

/// Rounds to bf16, to nearest, ties to even; every NaN becomes a quiet NaN of its sign.
SINTER_DEVICE U32 f32_to_bf16(float value) {
  const U32 in = bits<U32>(value);
  const U32 rounded = (in + 0x7fff + ((in >> 16) & 1)) >> 16;
  const U32 quiet = ((in >> 16) & 0x8000) | 0x7fc0;
  return value != value ? quiet : rounded;
}

/// Rounds to fp16, to nearest, ties to even; what is too large becomes infinity.
SINTER_DEVICE U32 f32_to_f16(float value) { return bits<U16>(static_cast<_Float16>(value)); }

/// Rounds to one or the other.
template <bool kHalf>
SINTER_DEVICE U32 rounded(float value) {
  return kHalf ? f32_to_f16(value) : f32_to_bf16(value);
}

/// The value of bf16 and of fp16 bits.
SINTER_DEVICE float bf16_to_f32(U16 value) { return bits<float>(static_cast<U32>(value) << 16); }
SINTER_DEVICE float f16_to_f32(U16 value) { return static_cast<float>(bits<_Float16>(value)); }

}  // namespace sinter

#define SINTER_KERNEL(name, P)                                                                            \
  extern "C" __global__ __attribute__((amdgpu_flat_work_group_size(P::kThreads, P::kThreads))) void name( \
      sinter::Args args) {                                                                                \
    sinter::run<P>(args);                                                                                 \
  }
