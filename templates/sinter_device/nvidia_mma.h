// SPDX-License-Identifier: Apache-2.0
#pragma once

// Warp-level matrix instructions: ldmatrix and mma.sync, sm_80 and later.
//
// A fragment is what one lane holds. Rows of A are 32 bytes long per step (16 bf16 or 32 e4m3), and in bytes the
// fragments of both types are laid out alike: lane l holds bytes 4 * (l % 4) to + 3 of each half of row l / 4.

#include "sinter_device/nvidia.h"
#include "sinter_device/nvidia_e4m3.h"

namespace sinter {

/// 16 x 32 bytes of A: rows 0-7 and 8-15 of the first 16 bytes, then of the second.
using FragmentA = U32[4];
/// 8 x 32 bytes of B (rows are columns of the product): the first and the second 16 bytes.
using FragmentB = U32[2];
/// 16 x 8 of the product in fp32: columns 2 * (l % 4) and + 1 of row l / 4, then of row l / 4 + 8.
using FragmentC = float[4];

/// Four 8 x 16-byte matrices; lanes 8 i to 8 i + 7 give the addresses of the rows of matrix i.
SINTER_DEVICE void load_matrices(U32& m0, U32& m1, U32& m2, U32& m3, U32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m0), "=r"(m1), "=r"(m2), "=r"(m3)
               : "r"(address)
               : "memory");
}

#define SINTER_MMA(shape_and_types, c, a, b)                                                                   \
  asm("mma.sync.aligned." shape_and_types " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                                         \
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

/// c += a * b, 16 x 8 x 16.
SINTER_DEVICE void mma_bf16(FragmentC& c, const FragmentA& a, const FragmentB& b) {
  SINTER_MMA("m16n8k16.row.col.f32.bf16.bf16.f32", c, a, b);
}
SINTER_DEVICE void mma_f16(FragmentC& c, const FragmentA& a, const FragmentB& b) {
  SINTER_MMA("m16n8k16.row.col.f32.f16.f16.f32", c, a, b);
}

// sm_90 takes e4m3 operands of mma.sync, but its compiler unpacks them to fp16 before each use (NVRTC 13.0, SASS):
// there unpacking once per fragment is better, and its sums are full fp32.
#if __CUDA_ARCH__ == 890
inline constexpr bool kHasE4m3Mma = true;
#else
inline constexpr bool kHasE4m3Mma = false;
#endif

/// c += a * b, 16 x 8 x 32 of e4m3; only where kHasE4m3Mma.
SINTER_DEVICE void mma_e4m3(FragmentC& c, const FragmentA& a, const FragmentB& b) {
  SINTER_MMA("m16n8k32.row.col.f32.e4m3.e4m3.f32", c, a, b);
}

#undef SINTER_MMA

}  // namespace sinter
