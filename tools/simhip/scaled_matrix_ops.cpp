// SPDX-License-Identifier: Apache-2.0

// gfx950's matrix instructions whose operands are each of 8, 6 or 4 bits, as cbsz and blgp say, with or without a scale
// per row and 32 elements: OCP's microscaling formats. A lane's elements are one such block, so that its scale is in
// the lane too: a byte of a register, 2^(byte - 127), which op_sel and op_sel_hi number.

#include <array>
#include <cmath>
#include <limits>

#include "tools/simhip/float8.h"
#include "tools/simhip/float_bits.h"
#include "tools/simhip/matrix_core.h"
#include "tools/simhip/matrix_elements.h"
#include "tools/simhip/opcode.h"

namespace sinter::sim {

namespace {

using u32 = std::uint32_t;

constexpr unsigned kFormats = 5;

struct Format {
  unsigned bits = 0;
  std::array<double, 256> values{};
};

/// By their numbers in cbsz and blgp.
const std::array<Format, kFormats>& formats() {
  static const std::array<Format, kFormats> kAll = [] {
    constexpr Float8Kind kKinds[] = {Float8Kind::kE4m3, Float8Kind::kE5m2, Float8Kind::kE2m3, Float8Kind::kE3m2,
                                     Float8Kind::kE2m1};
    std::array<Format, kFormats> all;
    for (unsigned number = 0; number < kFormats; ++number) {
      const Float8Format format{kKinds[number], Float8Rules::kOcp};
      all[number] = {static_cast<unsigned>(layout_of(format).bits()), float8_values(format)};
    }
    return all;
  }();
  return kAll;
}

/// Codes lie without gaps, also over the end of a register.
u32 code_at(const Wave& wave, const Operand& operand, unsigned lane, unsigned first_bit, unsigned bits) {
  const unsigned dword = first_bit / 32, shift = first_bit % 32;
  std::uint64_t both = wave.vectors[operand.index + dword][lane];
  if (shift + bits > 32) {
    both |= std::uint64_t{wave.vectors[operand.index + dword + 1U][lane]} << 32;
  }
  return static_cast<u32>(both >> shift) & ((1U << bits) - 1);
}

/// Scale of operand `number` (0 or 1) in a lane; all ones is NaN.
double scale_of(const Wave& wave, const Instruction& i, unsigned number, unsigned lane) {
  const Operand& operand = i.operands[4 + number];
  const u32 bits = operand.kind == OperandKind::kVector ? wave.vectors[operand.index][lane] : wave.scalar(operand);
  const unsigned byte = (i.modifiers.op_sel >> number & 1U) + 2 * (i.modifiers.op_sel_hi >> number & 1U);
  const u32 exponent = bits >> (8 * byte) & 0xff;
  return exponent == 0xff ? std::numeric_limits<double>::quiet_NaN()
                          : std::ldexp(1.0, static_cast<int>(exponent) - 127);
}

/// Whether registers are as many as the formats need.
bool has_valid_operands(Wave& wave, const Instruction& i) {
  const std::array<unsigned, 2> numbers = {i.modifiers.cbsz, i.modifiers.blgp};
  for (unsigned operand = 0; operand < 2; ++operand) {
    if (numbers[operand] >= kFormats || i.operands[1 + operand].dwords < formats()[numbers[operand]].bits) {
      wave.stop(FaultKind::kIllegalCode, "the operands' registers and the formats of cbsz and blgp do not fit");
      return false;
    }
  }
  return true;
}

template <class Shape, bool kIsScaled>
void multiply(Wave& wave, const Instruction& i) {
  static_assert(Shape::kPerLane == 32, "a lane's elements share a scale");
  if (!has_valid_operands(wave, i)) {
    return;
  }
  const Format& format_a = formats()[i.modifiers.cbsz];
  const Format& format_b = formats()[i.modifiers.blgp];
  MatrixOperands<Shape> operands;
  MatrixProduct<Shape> product;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const LanePlace place = place_of<Shape>(lane);
    const double scale_a = kIsScaled ? scale_of(wave, i, 0, lane) : 1,
                 scale_b = kIsScaled ? scale_of(wave, i, 1, lane) : 1;
    for (unsigned item = 0; item < Shape::kPerLane; ++item) {
      operands.a[0][place.row][place.depth + item] =
          scale_a * format_a.values[code_at(wave, i.operands[1], lane, item * format_a.bits, format_a.bits)];
      operands.b[0][place.depth + item][place.row] =
          scale_b * format_b.values[code_at(wave, i.operands[2], lane, item * format_b.bits, format_b.bits)];
    }
  }
  multiply_matrices<Shape>(operands, product);
  const Operand& addend = i.operands[3];
  const unsigned to = i.operands[0].index;
  for_results<Shape, kRowsTogether>([&](unsigned lane, unsigned item, unsigned, unsigned row, unsigned column) {
    const u32 c = addend.kind == OperandKind::kConstant ? addend.bits : wave.vectors[addend.index + item][lane];
    wave.vectors[to + item][lane] = as_bits(static_cast<float>(product[0][row][column] + double{as_float(c)}));
  });
}

using Large = MatrixShape<32, 64, 1>;
using Small = MatrixShape<16, 128, 1>;

constexpr Opcode kAll[] = {
    {"v_mfma_f32_32x32x64_f8f6f4", "MxxA", multiply<Large, false>, kMatrix},
    {"v_mfma_f32_16x16x128_f8f6f4", "NxxB", multiply<Small, false>, kMatrix},
    {"v_mfma_scale_f32_32x32x64_f8f6f4", "MxxAss", multiply<Large, true>, kMatrix | kPacked},
    {"v_mfma_scale_f32_16x16x128_f8f6f4", "NxxBss", multiply<Small, true>, kMatrix | kPacked},
};

}  // namespace

std::span<const Opcode> scaled_matrix_opcodes() { return kAll; }

}  // namespace sinter::sim
