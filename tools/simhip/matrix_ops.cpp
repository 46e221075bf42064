// SPDX-License-Identifier: Apache-2.0

// Matrix instructions: D [M, N] = A [M, K] * B [K, N] + C over the whole wave, EXEC notwithstanding.
//
// A lane holds K * M / 64 neighbouring elements along K: of row lane % M of A and of column lane % N of B, those from
// (lane / M) * (K * M / 64) on. Of C and D a lane holds column lane % N; register r is row
//   M = 32:  8 * (r / 4) + 4 * (lane / 32) + r % 4            M = 16:  4 * (lane / 16) + r
// Products are summed in double and rounded to float once. The device's order and rounding are not published, so that
// last bits may differ from silicon's.

#include <array>
#include <bit>
#include <cmath>

#include "tools/simhip/float8.h"
#include "tools/simhip/float_bits.h"
#include "tools/simhip/opcode.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

namespace {

constexpr unsigned kMaxDepth = 128;

enum class Element : std::uint8_t { kBfloat16, kFloat8 };

/// A row of A or a column of B per entry.
using Rows = std::array<std::array<double, kMaxDepth>, 32>;

double decode_bfloat16(std::uint32_t half, bool flushes_subnormals) {
  const bool is_subnormal = (half & 0x7f80U) == 0;
  return is_subnormal && flushes_subnormals ? 0.0 : double{as_float(half << 16)};
}

template <unsigned kSize, unsigned kDepth, Element kElement>
void read_rows(const Wave& wave, const Operand& operand, Rows& rows) {
  static const std::array<std::array<double, 256>, 2> kFloat8Values = {float8_values(Float8Format::kOcp),
                                                                       float8_values(Float8Format::kFnuz)};
  const std::array<double, 256>& float8 = kFloat8Values[wave.arch.has_fnuz_fp8 ? 1 : 0];
  constexpr unsigned kPerLane = kDepth * kSize / kLanes;
  constexpr unsigned kPerDword = kElement == Element::kBfloat16 ? 2 : 4;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    double* const to = &rows[lane % kSize][lane / kSize * kPerLane];
    for (unsigned dword = 0; dword < kPerLane / kPerDword; ++dword) {
      const std::uint32_t bits = wave.vectors[operand.index + dword][lane];
      for (unsigned part = 0; part < kPerDword; ++part) {
        double& value = to[dword * kPerDword + part];
        if constexpr (kElement == Element::kBfloat16) {
          value = decode_bfloat16(bits >> (16 * part) & 0xffff, wave.arch.flushes_bf16_products);
        } else {
          value = float8[bits >> (8 * part) & 0xff];
        }
      }
    }
  }
}

template <unsigned kSize, unsigned kDepth, Element kElement>
void multiply(Wave& wave, const Instruction& i) {
  constexpr unsigned kRegisters = kSize * kSize / kLanes;
  static thread_local Rows a, columns;
  static thread_local std::array<std::array<double, kSize>, kDepth> b;
  static thread_local std::array<std::array<double, kSize>, kSize> product;
  read_rows<kSize, kDepth, kElement>(wave, i.operands[1], a);
  read_rows<kSize, kDepth, kElement>(wave, i.operands[2], columns);
  for (unsigned k = 0; k < kDepth; ++k) {
    for (unsigned n = 0; n < kSize; ++n) {
      b[k][n] = columns[n][k];
    }
  }
  for (unsigned m = 0; m < kSize; ++m) {
    std::array<double, kSize> sums{};
    for (unsigned k = 0; k < kDepth; ++k) {
      const double factor = a[m][k];
      for (unsigned n = 0; n < kSize; ++n) {
        sums[n] += factor * b[k][n];
      }
    }
    product[m] = sums;
  }
  const Operand& addend = i.operands[3];
  const bool flushes = kElement == Element::kBfloat16 && wave.arch.flushes_bf16_products;
  for (unsigned r = 0; r < kRegisters; ++r) {
    Lane& result = wave.vectors[i.operands[0].index + r];
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const unsigned row = kSize == 32 ? 8 * (r / 4) + 4 * (lane / 32) + r % 4 : 4 * (lane / 16) + r;
      const std::uint32_t c =
          addend.kind == OperandKind::kConstant ? addend.bits : wave.vectors[addend.index + r][lane];
      const auto sum = static_cast<float>(product[row][lane % kSize] + double{as_float(c)});
      result[lane] = as_bits(flushes && std::fpclassify(sum) == FP_SUBNORMAL ? std::copysign(0.0F, sum) : sum);
    }
  }
}

constexpr auto kBf16 = Element::kBfloat16;
constexpr auto kFp8 = Element::kFloat8;

// The f8f6f4 forms without cbsz and blgp multiply e4m3 by e4m3.
constexpr Opcode kAll[] = {
    {"v_mfma_f32_32x32x8bf16_1k", "MVVA", multiply<32, 8, kBf16>},
    {"v_mfma_f32_16x16x16bf16_1k", "NVVB", multiply<16, 16, kBf16>},
    {"v_mfma_f32_32x32x8_bf16", "MVVA", multiply<32, 8, kBf16>},
    {"v_mfma_f32_16x16x16_bf16", "NVVB", multiply<16, 16, kBf16>},
    {"v_mfma_f32_32x32x16_bf16", "M44A", multiply<32, 16, kBf16>},
    {"v_mfma_f32_16x16x32_bf16", "N44B", multiply<16, 32, kBf16>},
    {"v_mfma_f32_32x32x16_fp8_fp8", "MVVA", multiply<32, 16, kFp8>},
    {"v_mfma_f32_16x16x32_fp8_fp8", "NVVB", multiply<16, 32, kFp8>},
    {"v_mfma_f32_32x32x64_f8f6f4", "M88A", multiply<32, 64, kFp8>},
    {"v_mfma_f32_16x16x128_f8f6f4", "N88B", multiply<16, 128, kFp8>},
};

}  // namespace

std::span<const Opcode> matrix_opcodes() { return kAll; }

}  // namespace sinter::sim
