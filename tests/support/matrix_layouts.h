// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the elements of matrix instructions are, as AMD's own Matrix Instruction Calculator (version of May 2025) has it
// for CDNA 2 and CDNA 3: what each bit of the lane's number and, behind "|", of the number of an element in the lane adds
// to row i, column j, depth k and block b. Of B it is A's with j for i.

#include <string_view>

namespace sinter::testing {

struct MatrixLayout {
  std::string_view arch, name, a, d;
};

inline constexpr MatrixLayout kMatrixLayouts[] = {
    {"gfx90a", "v_mfma_f32_32x32x1f32", "i1 i2 i4 i8 i16 b1 |", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16 b1"},
    {"gfx90a", "v_mfma_f32_16x16x1f32", "i1 i2 i4 i8 b1 b2 |", "j1 j2 j4 j8 i4 i8 | i1 i2 b1 b2"},
    {"gfx90a", "v_mfma_f32_4x4x1f32", "i1 i2 b1 b2 b4 b8 |", "j1 j2 b1 b2 b4 b8 | i1 i2"},
    {"gfx90a", "v_mfma_f32_32x32x2f32", "i1 i2 i4 i8 i16 k1 |", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16"},
    {"gfx90a", "v_mfma_f32_16x16x4f32", "i1 i2 i4 i8 k1 k2 |", "j1 j2 j4 j8 i4 i8 | i1 i2"},
    {"gfx90a", "v_mfma_f32_32x32x4f16", "i1 i2 i4 i8 i16 b1 | k1 k2", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16 b1"},
    {"gfx90a", "v_mfma_f32_16x16x4f16", "i1 i2 i4 i8 b1 b2 | k1 k2", "j1 j2 j4 j8 i4 i8 | i1 i2 b1 b2"},
    {"gfx90a", "v_mfma_f32_4x4x4f16", "i1 i2 b1 b2 b4 b8 | k1 k2", "j1 j2 b1 b2 b4 b8 | i1 i2"},
    {"gfx90a", "v_mfma_f32_32x32x8f16", "i1 i2 i4 i8 i16 k4 | k1 k2", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16"},
    {"gfx90a", "v_mfma_f32_16x16x16f16", "i1 i2 i4 i8 k4 k8 | k1 k2", "j1 j2 j4 j8 i4 i8 | i1 i2"},
    {"gfx90a", "v_mfma_i32_32x32x4i8", "i1 i2 i4 i8 i16 b1 | k1 k2", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16 b1"},
    {"gfx90a", "v_mfma_i32_16x16x4i8", "i1 i2 i4 i8 b1 b2 | k1 k2", "j1 j2 j4 j8 i4 i8 | i1 i2 b1 b2"},
    {"gfx90a", "v_mfma_i32_4x4x4i8", "i1 i2 b1 b2 b4 b8 | k1 k2", "j1 j2 b1 b2 b4 b8 | i1 i2"},
    {"gfx90a", "v_mfma_i32_32x32x8i8", "i1 i2 i4 i8 i16 k4 | k1 k2", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16"},
    {"gfx90a", "v_mfma_i32_16x16x16i8", "i1 i2 i4 i8 k4 k8 | k1 k2", "j1 j2 j4 j8 i4 i8 | i1 i2"},
    {"gfx90a", "v_mfma_f32_32x32x4bf16_1k", "i1 i2 i4 i8 i16 b1 | k1 k2", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16 b1"},
    {"gfx90a", "v_mfma_f32_16x16x4bf16_1k", "i1 i2 i4 i8 b1 b2 | k1 k2", "j1 j2 j4 j8 i4 i8 | i1 i2 b1 b2"},
    {"gfx90a", "v_mfma_f32_4x4x4bf16_1k", "i1 i2 b1 b2 b4 b8 | k1 k2", "j1 j2 b1 b2 b4 b8 | i1 i2"},
    {"gfx90a", "v_mfma_f32_32x32x8bf16_1k", "i1 i2 i4 i8 i16 k4 | k1 k2", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16"},
    {"gfx90a", "v_mfma_f32_16x16x16bf16_1k", "i1 i2 i4 i8 k4 k8 | k1 k2", "j1 j2 j4 j8 i4 i8 | i1 i2"},
    {"gfx90a", "v_mfma_f32_32x32x2bf16", "i1 i2 i4 i8 i16 b1 | k1", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16 b1"},
    {"gfx90a", "v_mfma_f32_16x16x2bf16", "i1 i2 i4 i8 b1 b2 | k1", "j1 j2 j4 j8 i4 i8 | i1 i2 b1 b2"},
    {"gfx90a", "v_mfma_f32_4x4x2bf16", "i1 i2 b1 b2 b4 b8 | k1", "j1 j2 b1 b2 b4 b8 | i1 i2"},
    {"gfx90a", "v_mfma_f32_32x32x4bf16", "i1 i2 i4 i8 i16 k2 | k1", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16"},
    {"gfx90a", "v_mfma_f32_16x16x8bf16", "i1 i2 i4 i8 k2 k4 | k1", "j1 j2 j4 j8 i4 i8 | i1 i2"},
    {"gfx90a", "v_mfma_f64_16x16x4f64", "i1 i2 i4 i8 k1 k2 |", "j1 j2 j4 j8 i1 i2 | i4 i8"},
    {"gfx90a", "v_mfma_f64_4x4x4f64", "i1 i2 b1 b2 k1 k2 |", "j1 j2 b1 b2 i1 i2 |"},
    {"gfx942", "v_mfma_f32_16x16x8_xf32", "i1 i2 i4 i8 k2 k4 | k1", "j1 j2 j4 j8 i4 i8 | i1 i2"},
    {"gfx942", "v_mfma_f32_32x32x4_xf32", "i1 i2 i4 i8 i16 k2 | k1", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16"},
    {"gfx942", "v_mfma_f32_32x32x1_2b_f32", "i1 i2 i4 i8 i16 b1 |", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16 b1"},
    {"gfx942", "v_mfma_f32_16x16x1_4b_f32", "i1 i2 i4 i8 b1 b2 |", "j1 j2 j4 j8 i4 i8 | i1 i2 b1 b2"},
    {"gfx942", "v_mfma_f32_4x4x1_16b_f32", "i1 i2 b1 b2 b4 b8 |", "j1 j2 b1 b2 b4 b8 | i1 i2"},
    {"gfx942", "v_mfma_f32_32x32x2_f32", "i1 i2 i4 i8 i16 k1 |", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16"},
    {"gfx942", "v_mfma_f32_16x16x4_f32", "i1 i2 i4 i8 k1 k2 |", "j1 j2 j4 j8 i4 i8 | i1 i2"},
    {"gfx942", "v_mfma_f32_32x32x4_2b_f16", "i1 i2 i4 i8 i16 b1 | k1 k2", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16 b1"},
    {"gfx942", "v_mfma_f32_16x16x4_4b_f16", "i1 i2 i4 i8 b1 b2 | k1 k2", "j1 j2 j4 j8 i4 i8 | i1 i2 b1 b2"},
    {"gfx942", "v_mfma_f32_4x4x4_16b_f16", "i1 i2 b1 b2 b4 b8 | k1 k2", "j1 j2 b1 b2 b4 b8 | i1 i2"},
    {"gfx942", "v_mfma_f32_32x32x8_f16", "i1 i2 i4 i8 i16 k4 | k1 k2", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16"},
    {"gfx942", "v_mfma_f32_16x16x16_f16", "i1 i2 i4 i8 k4 k8 | k1 k2", "j1 j2 j4 j8 i4 i8 | i1 i2"},
    {"gfx942", "v_mfma_i32_32x32x4_2b_i8", "i1 i2 i4 i8 i16 b1 | k1 k2", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16 b1"},
    {"gfx942", "v_mfma_i32_16x16x4_4b_i8", "i1 i2 i4 i8 b1 b2 | k1 k2", "j1 j2 j4 j8 i4 i8 | i1 i2 b1 b2"},
    {"gfx942", "v_mfma_i32_4x4x4_16b_i8", "i1 i2 b1 b2 b4 b8 | k1 k2", "j1 j2 b1 b2 b4 b8 | i1 i2"},
    {"gfx942", "v_mfma_i32_32x32x16_i8", "i1 i2 i4 i8 i16 k8 | k1 k2 k4", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16"},
    {"gfx942", "v_mfma_i32_16x16x32_i8", "i1 i2 i4 i8 k8 k16 | k1 k2 k4", "j1 j2 j4 j8 i4 i8 | i1 i2"},
    {"gfx942", "v_mfma_f32_32x32x4_2b_bf16", "i1 i2 i4 i8 i16 b1 | k1 k2", "j1 j2 j4 j8 j16 i4 | i1 i2 i8 i16 b1"},
    {"gfx942", "v_mfma_f32_16x16x4_4b_bf16", "i1 i2 i4 i8 b1 b2 | k1 k2", "j1 j2 j4 j8 i4 i8 | i1 i2 b1 b2"},
};

}  // namespace sinter::testing
