// SPDX-License-Identifier: Apache-2.0

// Instructions on pairs: two floats or two 16-bit numbers at once, and conversion to e4m3 in pairs.

#include <algorithm>
#include <cmath>

#include "tools/simhip/float8.h"
#include "tools/simhip/float_bits.h"
#include "tools/simhip/opcode.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

namespace {

bool bit(unsigned bits, unsigned number) { return (bits >> number & 1) != 0; }

/// Source `number` for the low or high half of the result: op_sel and op_sel_hi say which of the pair.
std::uint32_t half_source(const Wave& wave, const Instruction& i, unsigned number, unsigned half, unsigned lane) {
  const Operand& operand = i.operands[number];
  const Modifiers& modifiers = i.modifiers;
  const unsigned source = number - 1;
  const unsigned dword = bit(half == 0 ? modifiers.op_sel : modifiers.op_sel_hi, source) ? 1 : 0;
  std::uint32_t bits = operand.bits;  // a constant is both of the pair
  if (operand.kind == OperandKind::kVector) {
    bits = wave.vectors[operand.index + dword][lane];
  } else if (operand.kind == OperandKind::kScalar) {
    bits = wave.scalars[operand.index + dword];
  }
  return bit(half == 0 ? modifiers.neg_lo : modifiers.neg_hi, source) ? bits ^ 0x80000000U : bits;
}

/// `kOperation(source)` computes one half; `source(n)` is source n as a float.
template <auto kOperation>
void packed_float(Wave& wave, const Instruction& i) {
  std::array<Lane, 2> results{};
  for (unsigned half = 0; half < 2; ++half) {
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      results[half][lane] =
          as_bits(kOperation([&](unsigned number) { return as_float(half_source(wave, i, number, half, lane)); }));
    }
  }
  wave.write(i.operands[0], results[0], 0);
  wave.write(i.operands[0], results[1], 1);
}

/// The low half is from the first source, the high half from the second; op_sel says which register of each.
void packed_move(Wave& wave, const Instruction& i) {
  std::array<Lane, 2> results{};
  for (unsigned half = 0; half < 2; ++half) {
    const Operand& operand = i.operands[half + 1];
    const unsigned dword = bit(i.modifiers.op_sel, half) ? 1 : 0;
    if (operand.kind == OperandKind::kVector) {
      results[half] = wave.vectors[operand.index + dword];
    } else {
      results[half].fill(operand.kind == OperandKind::kConstant ? operand.bits : wave.scalars[operand.index + dword]);
    }
  }
  wave.write(i.operands[0], results[0], 0);
  wave.write(i.operands[0], results[1], 1);
}

template <auto kOperation>
void packed16(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, result;
  const Lane& a = wave.source(i, 1, storage_a);
  const Lane& b = wave.source(i, 2, storage_b);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    result[lane] = kOperation(a[lane] & 0xffff, b[lane] & 0xffff) | kOperation(a[lane] >> 16, b[lane] >> 16) << 16;
  }
  wave.write(i, result);
}

/// Two e4m3 bytes into one half of the destination, the other half stays.
void convert_to_float8(Wave& wave, const Instruction& i) {
  // op_sel: bits 0 and 1 would be about the sources, which are whole registers; 2 or 3 is the destination's half.
  const unsigned shift = (i.modifiers.op_sel & 0xcU) != 0 ? 16 : 0;
  const Float8Format format = wave.arch.has_fnuz_fp8 ? Float8Format::kFnuz : Float8Format::kOcp;
  Lane storage_a, storage_b, result = wave.vectors[i.operands[0].index];
  const Lane& a = wave.source(i, 1, storage_a);
  const Lane& b = wave.source(i, 2, storage_b);
  for_active_lanes(wave, [&](unsigned lane) {
    const std::uint32_t bytes = encode_float8(as_float(a[lane]), format) |
                                static_cast<std::uint32_t>(encode_float8(as_float(b[lane]), format)) << 8;
    result[lane] = (result[lane] & ~(0xffffU << shift)) | bytes << shift;
  });
  wave.write(i, result);
}

constexpr Opcode kAll[] = {
    {"v_pk_fma_f32", "VPPP", packed_float<([](auto source) { return std::fma(source(1), source(2), source(3)); })>,
     kPacked},
    {"v_pk_mul_f32", "VPP", packed_float<([](auto source) { return source(1) * source(2); })>, kPacked},
    {"v_pk_add_f32", "VPP", packed_float<([](auto source) { return source(1) + source(2); })>, kPacked},
    {"v_pk_mov_b32", "VSS", packed_move, kOpSel},
    {"v_pk_max_u16", "vvv", packed16<([](std::uint32_t a, std::uint32_t b) { return std::max(a, b); })>},
    {"v_pk_min_u16", "vvv", packed16<([](std::uint32_t a, std::uint32_t b) { return std::min(a, b); })>},
    {"v_cvt_pk_fp8_f32", "vff", convert_to_float8, kOpSel},
};

}  // namespace

std::span<const Opcode> packed_opcodes() { return kAll; }

}  // namespace sinter::sim
