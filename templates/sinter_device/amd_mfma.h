// SPDX-License-Identifier: Apache-2.0
#pragma once

// The matrix instruction of a mode, as one operation on fragments: acc += X * Y^T for 32 rows of X and of Y.
//
// An operand row is a run of bytes along K, cut in 16-byte pieces. The wave's lanes are two halves of 32: a lane holds
// pieces of row lane % 32, half 0 the even pieces and half 1 the odd ones. Which K an instruction takes from a lane
// does not matter as long as X and Y agree, so every one is fed with whole pieces, whatever its own order of K.
//
// Result: element (x, y) of acc is in lane y + 32 * h, register r, where x = 8 * (r / 4) + 4 * h + r % 4 and h is the
// half. (Layouts: AMD matrix instruction calculator; instruction names as LLVM prints them are in codegen/families.)

#include "sinter_device/amd.h"

namespace sinter {

/// Type that the matrix instruction reads.
enum class MatrixType { kBf16, kF16, kFp8 };

// Pieces of 16 bytes that one lane gives to one instruction group.
#if defined(__gfx950__)
template <MatrixType kType>
inline constexpr int kPiecesPerLane = kType == MatrixType::kFp8 ? 2 : 1;
#else
template <MatrixType kType>
inline constexpr int kPiecesPerLane = 1;
#endif

typedef short Bf16x4 __attribute__((ext_vector_type(4)));

template <MatrixType kType>
struct Fragment {
  U32x4 piece[kPiecesPerLane<kType>];
};

SINTER_DEVICE void multiply_add(F32x16& acc, const Fragment<MatrixType::kBf16>& x,
                                const Fragment<MatrixType::kBf16>& y) {
#if defined(__gfx950__)
  typedef __bf16 Bf16x8 __attribute__((ext_vector_type(8)));
  acc = __builtin_amdgcn_mfma_f32_32x32x16_bf16(bits<Bf16x8>(x.piece[0]), bits<Bf16x8>(y.piece[0]), acc, 0, 0, 0);
#else
  const U32x4 x4 = x.piece[0], y4 = y.piece[0];
  acc = __builtin_amdgcn_mfma_f32_32x32x8bf16_1k(bits<Bf16x4>(x4.xy), bits<Bf16x4>(y4.xy), acc, 0, 0, 0);
  acc = __builtin_amdgcn_mfma_f32_32x32x8bf16_1k(bits<Bf16x4>(x4.zw), bits<Bf16x4>(y4.zw), acc, 0, 0, 0);
#endif
}

SINTER_DEVICE void multiply_add(F32x16& acc, const Fragment<MatrixType::kF16>& x, const Fragment<MatrixType::kF16>& y) {
#if defined(__gfx950__)
  typedef _Float16 F16x8 __attribute__((ext_vector_type(8)));
  acc = __builtin_amdgcn_mfma_f32_32x32x16_f16(bits<F16x8>(x.piece[0]), bits<F16x8>(y.piece[0]), acc, 0, 0, 0);
#else
  typedef _Float16 F16x4 __attribute__((ext_vector_type(4)));
  const U32x4 x4 = x.piece[0], y4 = y.piece[0];
  acc = __builtin_amdgcn_mfma_f32_32x32x8f16(bits<F16x4>(x4.xy), bits<F16x4>(y4.xy), acc, 0, 0, 0);
  acc = __builtin_amdgcn_mfma_f32_32x32x8f16(bits<F16x4>(x4.zw), bits<F16x4>(y4.zw), acc, 0, 0, 0);
#endif
}

#if !defined(__gfx90a__)
SINTER_DEVICE void multiply_add(F32x16& acc, const Fragment<MatrixType::kFp8>& x, const Fragment<MatrixType::kFp8>& y) {
#if defined(__gfx950__)
  // Twice the rate of the 16-wide instruction that gfx942 has too. Operand types 0 are e4m3, zero scales select the
  // form without scaling.
  typedef int I32x8 __attribute__((ext_vector_type(8)));
  struct Pieces {
    U32x4 first, second;
  };
  const I32x8 x8 = bits<I32x8>(Pieces{x.piece[0], x.piece[1]});
  const I32x8 y8 = bits<I32x8>(Pieces{y.piece[0], y.piece[1]});
  acc = __builtin_amdgcn_mfma_scale_f32_32x32x64_f8f6f4(x8, y8, acc, 0, 0, 0, 0, 0, 0);
#else
  acc = __builtin_amdgcn_mfma_f32_32x32x16_fp8_fp8(bits<long>(x.piece[0].xy), bits<long>(y.piece[0].xy), acc, 0, 0, 0);
  acc = __builtin_amdgcn_mfma_f32_32x32x16_fp8_fp8(bits<long>(x.piece[0].zw), bits<long>(y.piece[0].zw), acc, 0, 0, 0);
#endif
}
#endif

/// To be called between multiply_add() and the first use of its sums where a branch lies between them. Results of matrix
/// instructions need up to 20 wait states (16 passes on gfx950). The compiler inserts them, but on the ways to a use
/// clang 22 looks at each block once, and where it comes there by a long way first, a shorter one is left with too few.
SINTER_DEVICE void wait_for_sums() {
  schedule_barrier();
  asm volatile("s_nop 15\n\ts_nop 3");
  schedule_barrier();
}

}  // namespace sinter
