// SPDX-License-Identifier: Apache-2.0

// Instructions on pairs of floats, and conversions of floats to bytes and back.

#include <array>
#include <cmath>

#include "tools/simhip/float8.h"
#include "tools/simhip/float_bits.h"
#include "tools/simhip/opcode.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

namespace {

bool bit(unsigned bits, unsigned number) { return (bits >> number & 1) != 0; }

/// Source `number` for the low or high half of the result: op_sel and op_sel_hi say which of the pair. The register
/// itself, or `storage`.
const Lane& half_source(const Wave& wave, const Instruction& i, unsigned number, unsigned half, Lane& storage) {
  const Operand& operand = i.operands[number];
  const Modifiers& modifiers = i.modifiers;
  const unsigned source = number - 1;
  const unsigned dword = bit(half == 0 ? modifiers.op_sel : modifiers.op_sel_hi, source) ? 1 : 0;
  const bool is_negated = bit(half == 0 ? modifiers.neg_lo : modifiers.neg_hi, source);
  if (operand.kind == OperandKind::kVector && !is_negated) {
    return wave.vectors[operand.index + dword];
  }
  const std::uint32_t flip = is_negated ? 0x80000000U : 0;
  if (operand.kind == OperandKind::kVector) {
    const Lane& registers = wave.vectors[operand.index + dword];
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      storage[lane] = registers[lane] ^ flip;
    }
  } else {
    // A constant is both of the pair.
    storage.fill((operand.kind == OperandKind::kConstant ? operand.bits : wave.scalars[operand.index + dword]) ^ flip);
  }
  return storage;
}

/// `kOperation` computes one half from two or three sources.
template <unsigned kSources, auto kOperation>
void packed_float(Wave& wave, const Instruction& i) {
  std::array<Lane, 2> results;
  for (unsigned half = 0; half < 2; ++half) {
    std::array<Lane, 3> storage;
    const Lane& a = half_source(wave, i, 1, half, storage[0]);
    const Lane& b = half_source(wave, i, 2, half, storage[1]);
    const Lane& c = kSources == 3 ? half_source(wave, i, 3, half, storage[2]) : b;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      results[half][lane] = as_bits(kOperation(as_float(a[lane]), as_float(b[lane]), as_float(c[lane])));
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

Float8Format format_of(const Wave& wave, Float8Kind kind) {
  return {kind, wave.arch.has_fnuz_fp8 ? Float8Rules::kFnuz : Float8Rules::kOcp};
}

/// Two bytes into one half of the destination, the other half stays.
template <Float8Kind kKind>
void convert_to_float8(Wave& wave, const Instruction& i) {
  // op_sel: bits 0 and 1 would be about the sources, which are whole registers; 2 or 3 is the destination's half.
  const unsigned shift = (i.modifiers.op_sel & 0xcU) != 0 ? 16 : 0;
  const Float8Format format = format_of(wave, kKind);
  Lane storage_a, storage_b, result = wave.vectors[i.operands[0].index];
  const Lane& a = wave.source(i, 1, storage_a);
  const Lane& b = wave.source(i, 2, storage_b);
  for_active_lanes(wave, [&](unsigned lane) {
    const std::uint32_t bytes = encode_float8(as_float(a[lane]), format) |
                                static_cast<std::uint32_t>(encode_float8(as_float(b[lane]), format)) << 8;
    result[lane] = (result[lane] & ~(0xffffU << shift)) | bytes << shift;
  });
  wave.write(i.operands[0], result);
}

/// One byte, which SDWA selects.
template <Float8Kind kKind>
void convert_from_float8(Wave& wave, const Instruction& i) {
  const Float8Format format = format_of(wave, kKind);
  Lane storage, result;
  const Lane& a = wave.source(i, 1, storage);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    result[lane] = as_bits(static_cast<float>(decode_float8(static_cast<std::uint8_t>(a[lane]), format)));
  }
  wave.write(i.operands[0], result);
}

/// Two bytes to a pair of floats.
template <Float8Kind kKind>
void convert_pair_from_float8(Wave& wave, const Instruction& i) {
  const Float8Format format = format_of(wave, kKind);
  Lane storage;
  std::array<Lane, 2> results;
  const Lane& a = wave.source(i, 1, storage);
  const unsigned shift = (i.modifiers.op_sel & 1U) != 0 ? 16 : 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    for (unsigned half = 0; half < 2; ++half) {
      const auto byte = static_cast<std::uint8_t>(a[lane] >> (shift + 8 * half));
      results[half][lane] = as_bits(static_cast<float>(decode_float8(byte, format)));
    }
  }
  wave.write(i.operands[0], results[0], 0);
  wave.write(i.operands[0], results[1], 1);
}

constexpr auto kE4m3 = Float8Kind::kE4m3;
constexpr auto kE5m2 = Float8Kind::kE5m2;

constexpr Opcode kAll[] = {
    {"v_pk_fma_f32", "VPPP", packed_float<3, ([](float a, float b, float c) { return std::fma(a, b, c); })>, kPacked},
    {"v_pk_mul_f32", "VPP", packed_float<2, ([](float a, float b, float) { return a * b; })>, kPacked},
    {"v_pk_add_f32", "VPP", packed_float<2, ([](float a, float b, float) { return a + b; })>, kPacked},
    {"v_pk_mov_b32", "VSS", packed_move, kOpSel},
    {"v_cvt_pk_fp8_f32", "vff", convert_to_float8<kE4m3>, kOpSel},
    {"v_cvt_pk_bf8_f32", "vff", convert_to_float8<kE5m2>, kOpSel},
    {"v_cvt_f32_fp8", "vs", convert_from_float8<kE4m3>, kLaneForms},
    {"v_cvt_f32_bf8", "vs", convert_from_float8<kE5m2>, kLaneForms},
    {"v_cvt_pk_f32_fp8", "Vs", convert_pair_from_float8<kE4m3>, kLaneForms | kOpSel},
    {"v_cvt_pk_f32_bf8", "Vs", convert_pair_from_float8<kE5m2>, kLaneForms | kOpSel},
};

}  // namespace

std::span<const Opcode> packed_opcodes() { return kAll; }

}  // namespace sinter::sim
