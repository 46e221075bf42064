// SPDX-License-Identifier: Apache-2.0
#pragma once

// What sm_90a adds: tensor copies (TMA), barriers in shared memory that count their bytes, matrix products by a
// warpgroup out of shared memory (wgmma), and registers that warpgroups pass to each other.
//
// Addresses of shared memory are those of shared_address().

#include "sinter_device/nvidia.h"

namespace sinter {

/// Threads that issue a wgmma together.
inline constexpr int kWarpgroupSize = 128;

/// A tensor in global memory as the copy engine sees it: the driver's CUtensorMap. Only as a kernel parameter.
struct alignas(64) TensorMap {
  U64 opaque[16];
};

// --- warps -----------------------------------------------------------------------------------------------------------

/// `value` of lane 0, which the compiler then knows to be one for the warp. All lanes call.
SINTER_DEVICE int uniform(int value) {
  int out;
  asm volatile("shfl.sync.idx.b32 %0, %1, 0, 0x1f, 0xffffffff;" : "=r"(out) : "r"(value));
  return out;
}

/// `value` of lane `lane`. All lanes call.
SINTER_DEVICE float from_lane(float value, int lane) {
  float out;
  asm volatile("shfl.sync.idx.b32 %0, %1, %2, 0x1f, 0xffffffff;" : "=f"(out) : "f"(value), "r"(lane));
  return out;
}

/// True in one lane of the warp, which the compiler then knows to be alone. All lanes call.
SINTER_DEVICE bool elect_lane() {
  U32 elected;
  asm volatile("{ .reg .pred p; elect.sync _|p, 0xffffffff; selp.u32 %0, 1, 0, p; }" : "=r"(elected));
  return elected != 0;
}

/// All lanes arrive before any goes on; orders their shared-memory accesses.
SINTER_DEVICE void warp_barrier() { asm volatile("bar.warp.sync 0xffffffff;" ::: "memory"); }

/// Sets the registers of each thread of this warpgroup. More are waited for until other warpgroups have given enough
/// of those that the block started with: what the warpgroups have must never add up to more than that.
template <int kRegisters>
SINTER_DEVICE void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
SINTER_DEVICE void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

// --- barriers of a phase: it ends with as many arrivals and bytes as were announced ----------------------------------

SINTER_DEVICE void phase_init(U32 barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

/// Makes initialized barriers known to the copy engine. The block's threads still need a barrier().
SINTER_DEVICE void phase_init_done() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

/// Arrives; what this thread wrote before is seen by those who wait.
SINTER_DEVICE void phase_arrive(U32 barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

/// Arrives and announces the bytes of copies that name this barrier; the phase then ends after they have landed.
SINTER_DEVICE void phase_arrive_expecting(U32 barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

/// Waits until the phase of this parity has ended. The first phase has parity 0; the one before it, 1, has ended.
SINTER_DEVICE void phase_wait(U32 barrier, U32 parity) {
  U32 ended;
  do {
    asm volatile(
        "{ .reg .pred ended; mbarrier.try_wait.parity.shared::cta.b64 ended, [%1], %2; selp.u32 %0, 1, 0, ended; }"
        : "=r"(ended)
        : "r"(barrier), "r"(parity)
        : "memory");
  } while (!ended);
}

// --- tensor copies: one thread starts each ---------------------------------------------------------------------------

/// Copies a box to shared memory. Elements outside the tensor become zeros, and count among the barrier's bytes.
SINTER_DEVICE void load_box(U32 to, const TensorMap& map, U32 barrier, int x, int y, int z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5}], [%2];" ::"r"(to),
      "l"(&map), "r"(barrier), "r"(x), "r"(y), "r"(z)
      : "memory");
}

/// The coordinate that a map of ragged rows counts from.
///
/// Such a map has sizes {columns, 2^30, 2^31, 2^31} and strides {s, s, 2^34 - s}, where s is the stride of the matrix:
/// row coordinates (2^30 - (end - row), end, 2^30) add up to row * s modulo 2^64, and the first of them leaves the
/// tensor exactly at `end`. So one map serves groups that begin and end at any row: what lies behind a group's end
/// reads as zeros. REQUIRES: 0 <= end - row <= 2^30.
inline constexpr int kRaggedOrigin = 1 << 30;

/// Copies a box whose rows begin at `row` and whose group ends at `end`, as load_box() does.
SINTER_DEVICE void load_ragged_box(U32 to, const TensorMap& map, U32 barrier, int column, int row, int end) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(to),
      "l"(&map), "r"(barrier), "r"(column), "r"(kRaggedOrigin - (end - row)), "r"(end), "r"(kRaggedOrigin)
      : "memory");
}

/// Where a map of all memory has the tensor at an address: its last two coordinates.
///
/// Such a map begins at kAllMemoryBase and has, behind a tensor's own two dimensions, one of 2^24 with a stride of 16
/// bytes and one of 2^29 with a stride of 2^28: so one map serves tensors at any address. REQUIRES: 16-byte aligned; at
/// least one element of a box that is loaded is inside the tensor (else the copy engine touches where the map begins).
struct TensorPlace {
  int low, high;
};
inline constexpr U64 kAllMemoryBase = 4096;
SINTER_DEVICE TensorPlace place_of_tensor(const void* tensor) {
  const U64 chunk = (reinterpret_cast<U64>(tensor) - kAllMemoryBase) >> 4;
  return {static_cast<int>(chunk & 0xffffff), static_cast<int>(chunk >> 24)};
}

/// Copies a box of the tensor at `place`, as load_box() does.
SINTER_DEVICE void load_box_at(U32 to, const TensorMap& map, U32 barrier, int x, int y, TensorPlace place) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(to),
      "l"(&map), "r"(barrier), "r"(x), "r"(y), "r"(place.low), "r"(place.high)
      : "memory");
}

// --- tensor copies to memory: one thread starts each; the copies of a thread are in groups ---------------------------

/// Makes this thread's writes to shared memory known to the copy engine. Then a barrier, then the copy.
SINTER_DEVICE void publish_to_copies() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/// Copies a box from shared memory, or adds it (fp32), but for its elements outside the tensor.
SINTER_DEVICE void store_box(U32 from, const TensorMap& map, int x, int y, int z) {
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];" ::"l"(&map), "r"(from),
               "r"(x), "r"(y), "r"(z)
               : "memory");
}
SINTER_DEVICE void add_box(U32 from, const TensorMap& map, int x, int y, int z) {
  asm volatile("cp.reduce.async.bulk.tensor.3d.global.shared::cta.add.tile.bulk_group [%0, {%2, %3, %4}], [%1];" ::"l"(
                   &map),
               "r"(from), "r"(x), "r"(y), "r"(z)
               : "memory");
}
SINTER_DEVICE void store_box_at(U32 from, const TensorMap& map, int x, int y, TensorPlace place) {
  asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5}], [%1];" ::"l"(&map),
               "r"(from), "r"(x), "r"(y), "r"(place.low), "r"(place.high)
               : "memory");
}
SINTER_DEVICE void add_box_at(U32 from, const TensorMap& map, int x, int y, TensorPlace place) {
  asm volatile("cp.reduce.async.bulk.tensor.4d.global.shared::cta.add.tile.bulk_group [%0, {%2, %3, %4, %5}], [%1];" ::
                   "l"(&map),
               "r"(from), "r"(x), "r"(y), "r"(place.low), "r"(place.high)
               : "memory");
}

/// Closes the group of copies that this thread started since the last call.
SINTER_DEVICE void box_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }

/// Waits until all but the kPending youngest groups of this thread have read their shared memory.
template <int kPending>
SINTER_DEVICE void box_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kPending) : "memory");
}

/// Two fp32 to shared memory; `address` is a multiple of 8.
SINTER_DEVICE void store_shared_8(U32 address, float first, float second) {
  asm volatile("st.shared.v2.f32 [%0], {%1, %2};" ::"r"(address), "f"(first), "f"(second) : "memory");
}

/// Four 8 x 16-byte matrices of fragments to shared memory; lanes 8 i to 8 i + 7 give the addresses of the rows of
/// matrix i.
SINTER_DEVICE void store_matrices(U32 address, U32 m0, U32 m1, U32 m2, U32 m3) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(m0), "r"(m1),
               "r"(m2), "r"(m3)
               : "memory");
}

/// 16 bytes of shared memory.
SINTER_DEVICE Vec16 load_shared_16(U32 address) {
  Vec16 v;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(address)
               : "memory");
  return v;
}

// --- matrix products of a warpgroup ----------------------------------------------------------------------------------

/// An operand in shared memory: rows of 128 bytes of K, one after the other, swizzled by the copy engine, which XORs
/// the index of a 16-byte chunk with that of its row, modulo 8. `address` is a multiple of 1024.
SINTER_DEVICE U64 operand(U32 address) {
  constexpr U64 kSwizzle128 = 1ull << 62;
  constexpr U64 kEightRows = static_cast<U64>(1024 >> 4) << 32;
  constexpr U64 kLeadingUnused = 1ull << 16;
  return kSwizzle128 | kEightRows | kLeadingUnused | (address >> 4);
}

/// The same for an operand whose rows of 128 bytes lie along its rows or columns, not along K: boxes of so many of K
/// one after the other, `box_bytes` each, for every 64 elements. 16 of K are 2048 bytes.
SINTER_DEVICE U64 transposed_operand(U32 address, int box_bytes) {
  constexpr U64 kSwizzle128 = 1ull << 62;
  constexpr U64 kEightRows = static_cast<U64>(1024 >> 4) << 32;
  return kSwizzle128 | kEightRows | (static_cast<U64>(box_bytes >> 4) << 16) | (address >> 4);
}

/// `operand` plus `bytes` of K.
SINTER_DEVICE U64 advance(U64 operand, int bytes) { return operand + static_cast<U64>(bytes >> 4); }

/// Before the first product of a batch: the registers of the sums are ready.
SINTER_DEVICE void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

/// Closes a batch.
SINTER_DEVICE void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

/// Waits until all but the kPending youngest batches are done.
template <int kPending>
SINTER_DEVICE void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

/// Keeps the compiler from moving what reads the values before this point.
template <int kCount>
SINTER_DEVICE void settle(float (&values)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(values[i])::"memory");
}

// An asm statement names each register: lists of "%0, %1, ..." and of the elements of `sum`.
#define SINTER_TEN(t)                                                                                            \
  "%" #t "0, %" #t "1, %" #t "2, %" #t "3, %" #t "4, %" #t "5, %" #t "6, %" #t "7, %" #t "8, %" #t "9"
#define SINTER_NAMES_32 SINTER_TEN() ", " SINTER_TEN(1) ", " SINTER_TEN(2) ", %30, %31"
#define SINTER_NAMES_60 \
  SINTER_TEN() ", " SINTER_TEN(1) ", " SINTER_TEN(2) ", " SINTER_TEN(3) ", " SINTER_TEN(4) ", " SINTER_TEN(5)
#define SINTER_NAMES_64 SINTER_NAMES_60 ", %60, %61, %62, %63"
#define SINTER_NAMES_96 \
  SINTER_NAMES_60 ", " SINTER_TEN(6) ", " SINTER_TEN(7) ", " SINTER_TEN(8) ", %90, %91, %92, %93, %94, %95"
#define SINTER_NAMES_128                                                                                          \
  SINTER_NAMES_60 ", " SINTER_TEN(6) ", " SINTER_TEN(7) ", " SINTER_TEN(8) ", " SINTER_TEN(9) ", " SINTER_TEN(10) \
  ", " SINTER_TEN(11) ", %120, %121, %122, %123, %124, %125, %126, %127"
#define SINTER_SUM_4(i) "+f"(sum[i]), "+f"(sum[i + 1]), "+f"(sum[i + 2]), "+f"(sum[i + 3])
#define SINTER_SUM_16(i) SINTER_SUM_4(i), SINTER_SUM_4(i + 4), SINTER_SUM_4(i + 8), SINTER_SUM_4(i + 12)
#define SINTER_SUM_32(i) SINTER_SUM_16(i), SINTER_SUM_16(i + 16)
#define SINTER_SUM_64(i) SINTER_SUM_32(i), SINTER_SUM_32(i + 32)
#define SINTER_SUM_96 SINTER_SUM_64(0), SINTER_SUM_32(64)
#define SINTER_SUM_128 SINTER_SUM_64(0), SINTER_SUM_64(64)

/// sum = a * b^T, plus sum if `accumulate`, for 64 rows of A, 32 bytes of K (16 of 16 bits or 32 e4m3) and `columns`
/// rows of B: columns / 2 elements of `sum`. 16-bit operands may be transposed ones.
///
/// Warp w of the warpgroup has rows 16 w to + 15. Lane l has, of columns 8 j to + 7, in sum[4 j] and + 1 columns
/// 2 * (l % 4) and + 1 of row l / 4, and in sum[4 j + 2] and + 3 those of row l / 4 + 8.
#define SINTER_MULTIPLY_16(name, columns, types, names, sums, a_name, b_name, flag_name, ta_name, tb_name)             \
  template <bool kTransposedA, bool kTransposedB>                                                                      \
  SINTER_DEVICE void name(float (&sum)[columns / 2], U64 a, U64 b, bool accumulate) {                                  \
    asm volatile("{ .reg .pred p; setp.ne.b32 p, " flag_name ", 0; wgmma.mma_async.sync.aligned.m64n" #columns         \
                 "k16.f32." types " {" names "}, " a_name ", " b_name ", p, 1, 1, " ta_name ", " tb_name "; }"         \
                 : sums                                                                                                \
                 : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)), "n"(static_cast<int>(kTransposedA)),             \
                   "n"(static_cast<int>(kTransposedB)));                                                               \
  }
SINTER_MULTIPLY_16(multiply_bf16, 64, "bf16.bf16", SINTER_NAMES_32, SINTER_SUM_32(0), "%32", "%33", "%34", "%35", "%36")
SINTER_MULTIPLY_16(multiply_bf16, 128, "bf16.bf16", SINTER_NAMES_64, SINTER_SUM_64(0), "%64", "%65", "%66", "%67",
                   "%68")
SINTER_MULTIPLY_16(multiply_bf16, 256, "bf16.bf16", SINTER_NAMES_128, SINTER_SUM_128, "%128", "%129", "%130", "%131",
                   "%132")
SINTER_MULTIPLY_16(multiply_f16, 64, "f16.f16", SINTER_NAMES_32, SINTER_SUM_32(0), "%32", "%33", "%34", "%35", "%36")
SINTER_MULTIPLY_16(multiply_f16, 128, "f16.f16", SINTER_NAMES_64, SINTER_SUM_64(0), "%64", "%65", "%66", "%67", "%68")
SINTER_MULTIPLY_16(multiply_f16, 256, "f16.f16", SINTER_NAMES_128, SINTER_SUM_128, "%128", "%129", "%130", "%131",
                   "%132")

#define SINTER_MULTIPLY_E4M3(columns, names, sums, a_name, b_name, flag_name)                                  \
  SINTER_DEVICE void multiply_e4m3(float (&sum)[columns / 2], U64 a, U64 b, bool accumulate) {                 \
    asm volatile("{ .reg .pred p; setp.ne.b32 p, " flag_name ", 0; wgmma.mma_async.sync.aligned.m64n" #columns \
                 "k32.f32.e4m3.e4m3 {" names "}, " a_name ", " b_name ", p, 1, 1; }"                           \
                 : sums                                                                                        \
                 : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)));                                         \
  }
SINTER_MULTIPLY_E4M3(64, SINTER_NAMES_32, SINTER_SUM_32(0), "%32", "%33", "%34")
SINTER_MULTIPLY_E4M3(128, SINTER_NAMES_64, SINTER_SUM_64(0), "%64", "%65", "%66")
SINTER_MULTIPLY_E4M3(192, SINTER_NAMES_96, SINTER_SUM_96, "%96", "%97", "%98")

#undef SINTER_TEN
#undef SINTER_NAMES_32
#undef SINTER_NAMES_60
#undef SINTER_NAMES_64
#undef SINTER_NAMES_96
#undef SINTER_NAMES_128
#undef SINTER_SUM_4
#undef SINTER_SUM_16
#undef SINTER_SUM_32
#undef SINTER_SUM_64
#undef SINTER_SUM_96
#undef SINTER_SUM_128
#undef SINTER_MULTIPLY_16
#undef SINTER_MULTIPLY_E4M3

}  // namespace sinter
