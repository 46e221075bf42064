// SPDX-License-Identifier: Apache-2.0

// Matrix instructions of one element type per operand. Those of f8f6f4 are in scaled_matrix_ops.cpp.

#include <array>
#include <bit>
#include <cmath>

#include "tools/simhip/float_bits.h"
#include "tools/simhip/matrix_core.h"
#include "tools/simhip/matrix_elements.h"
#include "tools/simhip/opcode.h"

namespace sinter::sim {

namespace {

using u32 = std::uint32_t;

/// The lane that a lane's elements of A come from: cbsz lets 2^cbsz blocks share block `abid` of theirs.
template <class Shape>
unsigned a_lane(unsigned lane, const Modifiers& modifiers) {
  const unsigned block = lane / Shape::kSize % Shape::kBlocks;
  const unsigned shared = 1U << modifiers.cbsz;
  const unsigned from = (block & ~(shared - 1)) + modifiers.abid % shared;
  return lane + (from - block) * Shape::kSize;
}

/// Of B: blgp exchanges groups of lanes.
unsigned b_lane(unsigned lane, unsigned blgp) {
  switch (blgp) {
    case 0: return lane;
    case 1: return lane % 32;
    case 2: return lane % 32 + 32;
    case 3: return (lane + 16) % kLanes;
    default: return lane % 16 + 16 * (blgp - 4);
  }
}

template <class Shape, class A, class B>
void read_operands(const Wave& wave, const Instruction& i, MatrixOperands<Shape>& operands) {
  const A element_a(wave);
  const B element_b(wave);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const LanePlace place = place_of<Shape>(lane);
    const unsigned from_a = a_lane<Shape>(lane, i.modifiers), from_b = b_lane(lane, i.modifiers.blgp);
    for (unsigned item = 0; item < Shape::kPerLane; ++item) {
      operands.a[place.block][place.row][place.depth + item] =
          element_at(wave, i.operands[1], element_a, from_a, item);
      operands.b[place.block][place.depth + item][place.row] =
          element_at(wave, i.operands[2], element_b, from_b, item);
    }
  }
}

u32 addend_at(const Wave& wave, const Operand& operand, unsigned lane, unsigned item) {
  return operand.kind == OperandKind::kConstant ? operand.bits : wave.vectors[operand.index + item][lane];
}

template <class Shape, class A, class B>
void multiply(Wave& wave, const Instruction& i) {
  MatrixOperands<Shape> operands;
  MatrixProduct<Shape> product;
  read_operands<Shape, A, B>(wave, i, operands);
  multiply_matrices<Shape>(operands, product);
  const bool flushes = A::kBits == 16 && wave.arch.flushes_bf16_products;
  const unsigned to = i.operands[0].index;
  for_results<Shape, kRowsTogether>([&](unsigned lane, unsigned item, unsigned block, unsigned row, unsigned column) {
    const double c = double{as_float(addend_at(wave, i.operands[3], lane, item))};
    const auto sum = static_cast<float>(product[block][row][column] + c);
    const bool is_flushed = flushes && std::fpclassify(sum) == FP_SUBNORMAL;
    wave.vectors[to + item][lane] = as_bits(is_flushed ? std::copysign(0.0F, sum) : sum);
  });
}

/// The sum wraps.
template <class Shape>
void multiply_integers(Wave& wave, const Instruction& i) {
  MatrixOperands<Shape> operands;
  MatrixProduct<Shape> product;
  read_operands<Shape, Int8, Int8>(wave, i, operands);
  multiply_matrices<Shape>(operands, product);
  const unsigned to = i.operands[0].index;
  for_results<Shape, kRowsTogether>([&](unsigned lane, unsigned item, unsigned block, unsigned row, unsigned column) {
    const auto exact = static_cast<std::int64_t>(product[block][row][column]);
    wave.vectors[to + item][lane] = static_cast<u32>(exact) + addend_at(wave, i.operands[3], lane, item);
  });
}

/// Fused multiplications and additions along K, from C on. The field of blgp has the signs of A, B and C.
template <class Shape>
void multiply_doubles(Wave& wave, const Instruction& i) {
  MatrixOperands<Shape> operands;
  const unsigned signs = i.modifiers.neg_lo | i.modifiers.blgp;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const LanePlace place = place_of<Shape>(lane);
    const auto a = std::bit_cast<double>(wave.source64(i.operands[1], lane));
    const auto b = std::bit_cast<double>(wave.source64(i.operands[2], lane));
    operands.a[place.block][place.row][place.depth] = (signs & 1U) != 0 ? -a : a;
    operands.b[place.block][place.depth][place.row] = (signs & 2U) != 0 ? -b : b;
  }
  const Operand& addend = i.operands[3];
  const unsigned to = i.operands[0].index;
  for_results<Shape, 1>([&](unsigned lane, unsigned item, unsigned block, unsigned row, unsigned column) {
    double sum = std::bit_cast<double>(addend.kind == OperandKind::kConstant
                                           ? wave.scalar64(addend)
                                           : std::uint64_t{wave.vectors[addend.index + 2 * item + 1][lane]} << 32 |
                                                 wave.vectors[addend.index + 2 * item][lane]);
    sum = (signs & 4U) != 0 ? -sum : sum;
    for (unsigned k = 0; k < Shape::kDepth; ++k) {
      sum = std::fma(operands.a[block][row][k], operands.b[block][k][column], sum);
    }
    const auto bits = std::bit_cast<std::uint64_t>(sum);
    wave.vectors[to + 2 * item][lane] = static_cast<u32>(bits);
    wave.vectors[to + 2 * item + 1][lane] = static_cast<u32>(bits >> 32);
  });
}

template <unsigned kM, unsigned kK, unsigned kB, class A, class B = A>
constexpr Handler kProduct = multiply<MatrixShape<kM, kK, kB>, A, B>;
template <unsigned kM, unsigned kK, unsigned kB>
constexpr Handler kIntegers = multiply_integers<MatrixShape<kM, kK, kB>>;
template <unsigned kM, unsigned kK, unsigned kB>
constexpr Handler kDoubles = multiply_doubles<MatrixShape<kM, kK, kB>>;

// gfx90a's names and the later ones.
constexpr Opcode kAll[] = {
    {"v_mfma_f32_32x32x1f32", "RvvH", kProduct<32, 1, 2, Float32>, kMatrix},
    {"v_mfma_f32_32x32x1_2b_f32", "RvvH", kProduct<32, 1, 2, Float32>, kMatrix},
    {"v_mfma_f32_16x16x1f32", "MvvA", kProduct<16, 1, 4, Float32>, kMatrix},
    {"v_mfma_f32_16x16x1_4b_f32", "MvvA", kProduct<16, 1, 4, Float32>, kMatrix},
    {"v_mfma_f32_4x4x1f32", "NvvB", kProduct<4, 1, 16, Float32>, kMatrix},
    {"v_mfma_f32_4x4x1_16b_f32", "NvvB", kProduct<4, 1, 16, Float32>, kMatrix},
    {"v_mfma_f32_32x32x2f32", "MvvA", kProduct<32, 2, 1, Float32>, kMatrix},
    {"v_mfma_f32_32x32x2_f32", "MvvA", kProduct<32, 2, 1, Float32>, kMatrix},
    {"v_mfma_f32_16x16x4f32", "NvvB", kProduct<16, 4, 1, Float32>, kMatrix},
    {"v_mfma_f32_16x16x4_f32", "NvvB", kProduct<16, 4, 1, Float32>, kMatrix},
    {"v_mfma_f32_16x16x8_xf32", "NVVB", kProduct<16, 8, 1, Xfloat32>, kMatrix},
    {"v_mfma_f32_32x32x4_xf32", "MVVA", kProduct<32, 4, 1, Xfloat32>, kMatrix},
    {"v_mfma_f32_32x32x4f16", "RVVH", kProduct<32, 4, 2, Float16>, kMatrix},
    {"v_mfma_f32_32x32x4_2b_f16", "RVVH", kProduct<32, 4, 2, Float16>, kMatrix},
    {"v_mfma_f32_32x32x4bf16_1k", "RVVH", kProduct<32, 4, 2, Bfloat16>, kMatrix},
    {"v_mfma_f32_32x32x4_2b_bf16", "RVVH", kProduct<32, 4, 2, Bfloat16>, kMatrix},
    {"v_mfma_f32_16x16x4f16", "MVVA", kProduct<16, 4, 4, Float16>, kMatrix},
    {"v_mfma_f32_16x16x4_4b_f16", "MVVA", kProduct<16, 4, 4, Float16>, kMatrix},
    {"v_mfma_f32_16x16x4bf16_1k", "MVVA", kProduct<16, 4, 4, Bfloat16>, kMatrix},
    {"v_mfma_f32_16x16x4_4b_bf16", "MVVA", kProduct<16, 4, 4, Bfloat16>, kMatrix},
    {"v_mfma_f32_4x4x4f16", "NVVB", kProduct<4, 4, 16, Float16>, kMatrix},
    {"v_mfma_f32_4x4x4_16b_f16", "NVVB", kProduct<4, 4, 16, Float16>, kMatrix},
    {"v_mfma_f32_4x4x4bf16_1k", "NVVB", kProduct<4, 4, 16, Bfloat16>, kMatrix},
    {"v_mfma_f32_4x4x4_16b_bf16", "NVVB", kProduct<4, 4, 16, Bfloat16>, kMatrix},
    {"v_mfma_f32_32x32x8f16", "MVVA", kProduct<32, 8, 1, Float16>, kMatrix},
    {"v_mfma_f32_32x32x8_f16", "MVVA", kProduct<32, 8, 1, Float16>, kMatrix},
    {"v_mfma_f32_32x32x8bf16_1k", "MVVA", kProduct<32, 8, 1, Bfloat16>, kMatrix},
    {"v_mfma_f32_32x32x8_bf16", "MVVA", kProduct<32, 8, 1, Bfloat16>, kMatrix},
    {"v_mfma_f32_16x16x16f16", "NVVB", kProduct<16, 16, 1, Float16>, kMatrix},
    {"v_mfma_f32_16x16x16_f16", "NVVB", kProduct<16, 16, 1, Float16>, kMatrix},
    {"v_mfma_f32_16x16x16bf16_1k", "NVVB", kProduct<16, 16, 1, Bfloat16>, kMatrix},
    {"v_mfma_f32_16x16x16_bf16", "NVVB", kProduct<16, 16, 1, Bfloat16>, kMatrix},
    {"v_mfma_f32_32x32x2bf16", "RvvH", kProduct<32, 2, 2, Bfloat16>, kMatrix},
    {"v_mfma_f32_16x16x2bf16", "MvvA", kProduct<16, 2, 4, Bfloat16>, kMatrix},
    {"v_mfma_f32_4x4x2bf16", "NvvB", kProduct<4, 2, 16, Bfloat16>, kMatrix},
    {"v_mfma_f32_32x32x4bf16", "MvvA", kProduct<32, 4, 1, Bfloat16>, kMatrix},
    {"v_mfma_f32_16x16x8bf16", "NvvB", kProduct<16, 8, 1, Bfloat16>, kMatrix},
    {"v_mfma_f32_32x32x16_f16", "M44A", kProduct<32, 16, 1, Float16>, kMatrix},
    {"v_mfma_f32_32x32x16_bf16", "M44A", kProduct<32, 16, 1, Bfloat16>, kMatrix},
    {"v_mfma_f32_16x16x32_f16", "N44B", kProduct<16, 32, 1, Float16>, kMatrix},
    {"v_mfma_f32_16x16x32_bf16", "N44B", kProduct<16, 32, 1, Bfloat16>, kMatrix},
    {"v_mfma_f32_32x32x16_fp8_fp8", "MVVA", kProduct<32, 16, 1, Fp8>, kMatrix},
    {"v_mfma_f32_32x32x16_fp8_bf8", "MVVA", kProduct<32, 16, 1, Fp8, Bf8>, kMatrix},
    {"v_mfma_f32_32x32x16_bf8_fp8", "MVVA", kProduct<32, 16, 1, Bf8, Fp8>, kMatrix},
    {"v_mfma_f32_32x32x16_bf8_bf8", "MVVA", kProduct<32, 16, 1, Bf8>, kMatrix},
    {"v_mfma_f32_16x16x32_fp8_fp8", "NVVB", kProduct<16, 32, 1, Fp8>, kMatrix},
    {"v_mfma_f32_16x16x32_fp8_bf8", "NVVB", kProduct<16, 32, 1, Fp8, Bf8>, kMatrix},
    {"v_mfma_f32_16x16x32_bf8_fp8", "NVVB", kProduct<16, 32, 1, Bf8, Fp8>, kMatrix},
    {"v_mfma_f32_16x16x32_bf8_bf8", "NVVB", kProduct<16, 32, 1, Bf8>, kMatrix},
    {"v_mfma_i32_32x32x4i8", "RvvH", kIntegers<32, 4, 2>, kMatrix},
    {"v_mfma_i32_32x32x4_2b_i8", "RvvH", kIntegers<32, 4, 2>, kMatrix},
    {"v_mfma_i32_16x16x4i8", "MvvA", kIntegers<16, 4, 4>, kMatrix},
    {"v_mfma_i32_16x16x4_4b_i8", "MvvA", kIntegers<16, 4, 4>, kMatrix},
    {"v_mfma_i32_4x4x4i8", "NvvB", kIntegers<4, 4, 16>, kMatrix},
    {"v_mfma_i32_4x4x4_16b_i8", "NvvB", kIntegers<4, 4, 16>, kMatrix},
    {"v_mfma_i32_32x32x8i8", "MvvA", kIntegers<32, 8, 1>, kMatrix},
    {"v_mfma_i32_16x16x16i8", "NvvB", kIntegers<16, 16, 1>, kMatrix},
    {"v_mfma_i32_32x32x16_i8", "MVVA", kIntegers<32, 16, 1>, kMatrix},
    {"v_mfma_i32_16x16x32_i8", "NVVB", kIntegers<16, 32, 1>, kMatrix},
    {"v_mfma_i32_32x32x32_i8", "M44A", kIntegers<32, 32, 1>, kMatrix},
    {"v_mfma_i32_16x16x64_i8", "N44B", kIntegers<16, 64, 1>, kMatrix},
    {"v_mfma_f64_16x16x4f64", "8VVG", kDoubles<16, 4, 1>, kMatrix},
    {"v_mfma_f64_16x16x4_f64", "8VVG", kDoubles<16, 4, 1>, kMatrix},
    {"v_mfma_f64_4x4x4f64", "VVVI", kDoubles<4, 4, 4>, kMatrix},
    {"v_mfma_f64_4x4x4_4b_f64", "VVVI", kDoubles<4, 4, 4>, kMatrix},
};

}  // namespace

std::span<const Opcode> matrix_opcodes() { return kAll; }

}  // namespace sinter::sim
