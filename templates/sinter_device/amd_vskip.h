// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stores of whole rows where some rows are padding, masked by EXEC or skipped by S_SETVSKIP.
//
// With EXEC the stores of padding rows are issued and have no active lane, the way of AMD's own kernels without vskip;
// with VSKIP they are not issued. Branches around them would cost more than either where rows alternate, and compilers
// put one before every store that they mask themselves: both ways are asm statements.
//
// S_SETVSKIP s, b sets the wave's VSKIP mode to bit b of the scalar s; while it is 1, vector and memory instructions
// are not issued. Four facts shape this file (CDNA3 ISA manual: S_SETVSKIP, and the table of manual wait states):
//  * VSKIP is one bit per wave, so a store can only be skipped if all its lanes write the same row.
//  * Skipped memory instructions do not count in the wait counters, which compilers do not know: everything is drained
//    before the region and again after it, so what a compiler counts stays true.
//  * A compiler may move its own instructions between two asm statements, and they would be skipped too: the drain,
//    the set, the store and the reset are one statement.
//  * Inside an asm statement nobody inserts wait states. A vector memory instruction that reads an SGPR needs 5 after
//    the vector instruction that wrote it.

#include "sinter_device/amd.h"

namespace sinter {

/// Rows that one guarded statement stores.
inline constexpr int kGuardedRows = 4;

// One store under bit `bit` of the mask. Nothing but the store may stand between set and reset.
#define SINTER_SKIPPING(bit, store)                          \
  "s_setvskip %[padding], " #bit "\n"                        \
  store " %[offset], %[v" #bit "], %[r" #bit "]\n"           \
  "s_setvskip 0, 0\n"

// The scalars may just have been made by readfirstlane, hence the wait states before.
#define SINTER_SKIPPING_ROWS(store)                                                                                  \
  asm volatile("s_waitcnt vmcnt(0) expcnt(0) lgkmcnt(0)\n"                                                           \
               "s_nop 4\n"                                                                                           \
               SINTER_SKIPPING(0, store)                                                                             \
               SINTER_SKIPPING(1, store)                                                                             \
               SINTER_SKIPPING(2, store)                                                                             \
               SINTER_SKIPPING(3, store)                                                                             \
               "s_waitcnt vmcnt(0)"                                                                                  \
               :                                                                                                     \
               : [padding] "s"(mask), [offset] "v"(offset), [v0] "v"(v0), [v1] "v"(v1), [v2] "v"(v2), [v3] "v"(v3),  \
                 [r0] "s"(r0), [r1] "s"(r1), [r2] "s"(r2), [r3] "s"(r3)                                              \
               : "memory")

// One store of the lanes that were active before, or of none.
#define SINTER_MASKING(bit, store)                           \
  "s_bitcmp0_b32 %[padding], " #bit "\n"                     \
  "s_cselect_b64 exec, %[active], 0\n"                       \
  store " %[offset], %[v" #bit "], %[r" #bit "]\n"

// More stores are in flight than the compiler counts: it waits longer for older loads, never shorter.
#define SINTER_MASKING_ROWS(store)                                                                                   \
  asm volatile("s_mov_b64 %[active], exec\n"                                                                         \
               "s_nop 1\n"                                                                                           \
               SINTER_MASKING(0, store)                                                                              \
               SINTER_MASKING(1, store)                                                                              \
               SINTER_MASKING(2, store)                                                                              \
               SINTER_MASKING(3, store)                                                                              \
               "s_mov_b64 exec, %[active]"                                                                           \
               : [active] "=&s"(active)                                                                              \
               : [padding] "s"(mask), [offset] "v"(offset), [v0] "v"(v0), [v1] "v"(v1), [v2] "v"(v2), [v3] "v"(v3),  \
                 [r0] "s"(r0), [r1] "s"(r1), [r2] "s"(r2), [r3] "s"(r3)                                              \
               : "memory", "scc")

// `way` is SKIPPING or MASKING.
#define SINTER_GUARDED_ROWS(way)                                                 \
  if constexpr (sizeof(T) == 2) {                                                \
    const U32 v0 = values[0], v1 = values[1], v2 = values[2], v3 = values[3];    \
    SINTER_##way##_ROWS("global_store_short");                                   \
  } else {                                                                       \
    const T v0 = values[0], v1 = values[1], v2 = values[2], v3 = values[3];      \
    if constexpr (sizeof(T) == 4) {                                              \
      SINTER_##way##_ROWS("global_store_dword");                                 \
    } else {                                                                     \
      SINTER_##way##_ROWS("global_store_dwordx2");                               \
    }                                                                            \
  }

/// Stores values[i] at rows + i * stride + offset, for those of kGuardedRows rows whose bit in `padding` is 0.
///
/// `offset` is this lane's, in bytes; all else is uniform over the wave. Lanes that are not active store nothing.
template <bool kVskip, class T>
SINTER_DEVICE void store_guarded_rows(int padding, Global<U8>* rows, long long stride, U32 offset,
                                       const T (&values)[kGuardedRows]) {
  static_assert(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8, "a lane stores 2, 4 or 8 bytes");
  // Compilers compute some uniform values in vector registers and cannot move them for an asm operand.
  const int mask = uniform(padding);
  Global<U8>* r0 = uniform(rows);
  Global<U8>* r1 = uniform(rows + stride);
  Global<U8>* r2 = uniform(rows + 2 * stride);
  Global<U8>* r3 = uniform(rows + 3 * stride);
  if constexpr (kVskip) {
    SINTER_GUARDED_ROWS(SKIPPING)
  } else {
    U64 active;
    SINTER_GUARDED_ROWS(MASKING)
  }
}

#undef SINTER_GUARDED_ROWS
#undef SINTER_MASKING_ROWS
#undef SINTER_MASKING
#undef SINTER_SKIPPING_ROWS
#undef SINTER_SKIPPING

/// Stores values[i] at rows + i * stride + offset for the first `valid` of kRows rows.
///
/// `offset` is this lane's, in bytes; all else is uniform over the wave. Only a ragged set of rows needs a guard: where
/// all are valid, which is the common case, both variants are plain stores.
template <bool kVskip, class T, int kRows>
SINTER_DEVICE void store_rows(int valid, Global<U8>* rows, long long stride, U32 offset, const T (&values)[kRows]) {
  static_assert(kRows % kGuardedRows == 0, "guarded statements take four rows");
  if (valid >= kRows) {
#pragma unroll
    for (int i = 0; i < kRows; ++i) *reinterpret_cast<Global<T>*>(rows + i * stride + offset) = values[i];
    return;
  }
#pragma unroll
  for (int i = 0; i < kRows; i += kGuardedRows) {
    const T four[kGuardedRows] = {values[i], values[i + 1], values[i + 2], values[i + 3]};
    const int padding = (0xf << clamp(valid - i, 0, kGuardedRows)) & 0xf;
    store_guarded_rows<kVskip>(padding, rows + i * stride, stride, offset, four);
  }
}

}  // namespace sinter
