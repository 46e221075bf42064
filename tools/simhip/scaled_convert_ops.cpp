// SPDX-License-Identifier: Apache-2.0

// gfx950's conversions of floats to and from OCP's formats of 8, 6 and 4 bits with a scale: only the exponent of the
// float that the scale is counts. Narrow numbers are multiplied by it, wide ones divided, which rounds once. Of AMD's
// CDNA 4 ISA document; how the two sources of 2xpk16 interleave is as Composable Kernel takes it.

#include <cmath>
#include <limits>

#include "tools/simhip/float8.h"
#include "tools/simhip/float_bits.h"
#include "tools/simhip/lane_loops.h"
#include "tools/simhip/opcode.h"

namespace sinter::sim {

namespace {

using u32 = std::uint32_t;

using enum Float8Kind;

constexpr u32 bits_of(Float8Kind kind) {
  return static_cast<u32>(layout_of({kind, Float8Rules::kOcp}).bits());
}

/// Wide numbers: how many bits, their values, and the bits of a value.
struct Wide32 {
  static constexpr unsigned kBits = 32;
  static double value(u32 bits) { return double{as_float(bits)}; }
  static u32 bits(double value) { return as_bits(static_cast<float>(value)); }
};

struct Wide16 {
  static constexpr unsigned kBits = 16;
  static double value(u32 bits) { return static_cast<double>(as_half(bits)); }
  static u32 bits(double value) { return half_bits(value); }
};

struct WideBrain {
  static constexpr unsigned kBits = 16;
  static double value(u32 bits) { return double{as_float(bits << 16)}; }
  static u32 bits(double value) { return brain_float(static_cast<float>(value)); }
};

/// Number `item` of so many bits in neighbouring registers of a lane, without gaps; the source's sign as it asks.
u32 bits_at(const Wave& wave, const Operand& operand, unsigned lane, unsigned item, unsigned bits) {
  const unsigned first = item * bits, dword = first / 32, shift = first % 32;
  const auto word = [&](unsigned number) -> u32 {
    return operand.kind == OperandKind::kVector ? wave.vectors[operand.index + number][lane] : wave.scalar(operand);
  };
  std::uint64_t both = word(dword);
  if (shift + bits > 32) {
    both |= std::uint64_t{word(dword + 1)} << 32;
  }
  return static_cast<u32>(both >> shift) & (bits == 32 ? ~0U : (1U << bits) - 1);
}

template <class Wide>
double wide_at(const Wave& wave, const Operand& operand, unsigned lane, unsigned item) {
  const double value = Wide::value(bits_at(wave, operand, lane, item, Wide::kBits));
  const double magnitude = operand.absolute ? std::fabs(value) : value;
  return operand.negate ? -magnitude : magnitude;
}

double scale_at(const Wave& wave, const Operand& operand, unsigned lane) {
  const u32 exponent = bits_at(wave, operand, lane, 0, 32) >> 23 & 0xff;
  return exponent == 0xff ? std::numeric_limits<double>::quiet_NaN()
                          : std::ldexp(1.0, static_cast<int>(exponent) - 127);
}

/// Registers that a lane's results fill from bit `first` on; the rest of them stays.
struct Results {
  Wave& wave;
  const Operand& operand;
  unsigned lane;

  void put(unsigned first, unsigned bits, u32 value) const {
    const u32 mask = bits == 32 ? ~0U : (1U << bits) - 1;
    const unsigned dword = first / 32, shift = first % 32;
    u32& low = wave.vectors[operand.index + dword][lane];
    low = (low & ~(mask << shift)) | (value & mask) << shift;
    if (shift + bits > 32) {
      u32& high = wave.vectors[operand.index + dword + 1U][lane];
      high = (high & ~(mask >> (32 - shift))) | (value & mask) >> (32 - shift);
    }
  }
};

/// A destination may be a source: a lane's numbers are all read first.
template <unsigned kCount>
using Numbers = std::array<double, kCount>;

/// Which of a register's four bytes, in op_sel from bit `first` on.
unsigned byte_of(const Instruction& i, unsigned first) { return i.modifiers.op_sel >> first & 3U; }

/// `kCount` narrow numbers to wide ones. Of one or two, op_sel says where in the register they begin, and of one half
/// of 16 bits which half it fills.
template <Float8Kind kKind, class Wide, unsigned kCount>
void widen(Wave& wave, const Instruction& i) {
  constexpr u32 kBits = bits_of(kKind);
  const bool is_pair_of_bytes = kCount == 2 && kBits == 8;
  const unsigned first = kCount == 32 ? 0 : is_pair_of_bytes ? 2 * (i.modifiers.op_sel & 1U) : byte_of(i, 0) * 8 / kBits;
  const unsigned to = kCount == 1 && Wide::kBits == 16 ? (i.modifiers.op_sel >> 2 & 1U) * 16 : 0;
  for_active_lanes(wave, [&](unsigned lane) {
    const double scale = scale_at(wave, i.operands[2], lane);
    Numbers<kCount> numbers;
    for (unsigned item = 0; item < kCount; ++item) {
      const auto code = static_cast<std::uint8_t>(bits_at(wave, i.operands[1], lane, first + item, kBits));
      numbers[item] = scale * decode_float8(code, {kKind, Float8Rules::kOcp});
    }
    const Results results{wave, i.operands[0], lane};
    for (unsigned item = 0; item < kCount; ++item) {
      results.put(to + item * Wide::kBits, Wide::kBits, Wide::bits(numbers[item]));
    }
  });
}

/// Where pairs go: of bytes to a half, of 4 bits to a byte. op_sel has it behind the bits of the sources.
template <u32 kBits>
unsigned place_of_pair(const Instruction& i) {
  const unsigned sources = i.operand_count - 1U;
  return kBits == 8 ? (i.modifiers.op_sel >> sources & 1U) * 16 : byte_of(i, 2) * 8;
}

template <Float8Kind kKind, unsigned kCount>
void put_narrow(Wave& wave, const Instruction& i, unsigned lane, unsigned first, const Numbers<kCount>& numbers) {
  const Results results{wave, i.operands[0], lane};
  for (unsigned item = 0; item < kCount; ++item) {
    results.put(first + item * bits_of(kKind), bits_of(kKind),
                encode_float8(numbers[item], {kKind, Float8Rules::kOcp}));
  }
}

/// `kCount` wide numbers of one source to narrow ones.
template <class Wide, Float8Kind kKind, unsigned kCount>
void narrow(Wave& wave, const Instruction& i) {
  const unsigned first = kCount == 2 ? place_of_pair<bits_of(kKind)>(i) : 0;
  for_active_lanes(wave, [&](unsigned lane) {
    const double scale = scale_at(wave, i.operands[2], lane);
    Numbers<kCount> numbers;
    for (unsigned item = 0; item < kCount; ++item) {
      numbers[item] = wide_at<Wide>(wave, i.operands[1], lane, item) / scale;
    }
    put_narrow<kKind, kCount>(wave, i, lane, first, numbers);
  });
}

/// Numbers of 32 bits of two sources in turn.
template <Float8Kind kKind, unsigned kCount>
void narrow_two(Wave& wave, const Instruction& i) {
  const unsigned first = kCount == 2 ? place_of_pair<bits_of(kKind)>(i) : 0;
  for_active_lanes(wave, [&](unsigned lane) {
    const double scale = scale_at(wave, i.operands[3], lane);
    Numbers<kCount> numbers;
    for (unsigned item = 0; item < kCount; ++item) {
      numbers[item] = wide_at<Wide32>(wave, i.operands[1 + item % 2], lane, item / 2) / scale;
    }
    put_narrow<kKind, kCount>(wave, i, lane, first, numbers);
  });
}

constexpr Opcode kAll[] = {
    {"v_cvt_scalef32_f32_fp8", "vsf", widen<kE4m3, Wide32, 1>, kOpSel},
    {"v_cvt_scalef32_f32_bf8", "vsf", widen<kE5m2, Wide32, 1>, kOpSel},
    {"v_cvt_scalef32_f16_fp8", "vsf", widen<kE4m3, Wide16, 1>, kOpSel},
    {"v_cvt_scalef32_f16_bf8", "vsf", widen<kE5m2, Wide16, 1>, kOpSel},
    {"v_cvt_scalef32_pk_f32_fp8", "Vsf", widen<kE4m3, Wide32, 2>, kOpSel},
    {"v_cvt_scalef32_pk_f32_bf8", "Vsf", widen<kE5m2, Wide32, 2>, kOpSel},
    {"v_cvt_scalef32_pk_f32_fp4", "Vsf", widen<kE2m1, Wide32, 2>, kOpSel},
    {"v_cvt_scalef32_pk_f16_fp8", "vsf", widen<kE4m3, Wide16, 2>, kOpSel},
    {"v_cvt_scalef32_pk_f16_bf8", "vsf", widen<kE5m2, Wide16, 2>, kOpSel},
    {"v_cvt_scalef32_pk_f16_fp4", "vsf", widen<kE2m1, Wide16, 2>, kOpSel},
    {"v_cvt_scalef32_pk_bf16_fp8", "vsf", widen<kE4m3, WideBrain, 2>, kOpSel},
    {"v_cvt_scalef32_pk_bf16_bf8", "vsf", widen<kE5m2, WideBrain, 2>, kOpSel},
    {"v_cvt_scalef32_pk_bf16_fp4", "vsf", widen<kE2m1, WideBrain, 2>, kOpSel},
    {"v_cvt_scalef32_pk32_f32_fp6", "R6f", widen<kE2m3, Wide32, 32>},
    {"v_cvt_scalef32_pk32_f32_bf6", "R6f", widen<kE3m2, Wide32, 32>},
    {"v_cvt_scalef32_pk32_f16_fp6", "M6f", widen<kE2m3, Wide16, 32>},
    {"v_cvt_scalef32_pk32_f16_bf6", "M6f", widen<kE3m2, Wide16, 32>},
    {"v_cvt_scalef32_pk32_bf16_fp6", "M6f", widen<kE2m3, WideBrain, 32>},
    {"v_cvt_scalef32_pk32_bf16_bf6", "M6f", widen<kE3m2, WideBrain, 32>},
    {"v_cvt_scalef32_pk_fp8_f32", "vfff", narrow_two<kE4m3, 2>, kOpSel},
    {"v_cvt_scalef32_pk_bf8_f32", "vfff", narrow_two<kE5m2, 2>, kOpSel},
    {"v_cvt_scalef32_pk_fp4_f32", "vfff", narrow_two<kE2m1, 2>, kOpSel},
    {"v_cvt_scalef32_2xpk16_fp6_f32", "6MMf", narrow_two<kE2m3, 32>},
    {"v_cvt_scalef32_2xpk16_bf6_f32", "6MMf", narrow_two<kE3m2, 32>},
    {"v_cvt_scalef32_pk_fp8_f16", "vsf", narrow<Wide16, kE4m3, 2>, kOpSel},
    {"v_cvt_scalef32_pk_bf8_f16", "vsf", narrow<Wide16, kE5m2, 2>, kOpSel},
    {"v_cvt_scalef32_pk_fp4_f16", "vsf", narrow<Wide16, kE2m1, 2>, kOpSel},
    {"v_cvt_scalef32_pk_fp8_bf16", "vsf", narrow<WideBrain, kE4m3, 2>, kOpSel},
    {"v_cvt_scalef32_pk_bf8_bf16", "vsf", narrow<WideBrain, kE5m2, 2>, kOpSel},
    {"v_cvt_scalef32_pk_fp4_bf16", "vsf", narrow<WideBrain, kE2m1, 2>, kOpSel},
    {"v_cvt_scalef32_pk32_fp6_f16", "6Mf", narrow<Wide16, kE2m3, 32>},
    {"v_cvt_scalef32_pk32_bf6_f16", "6Mf", narrow<Wide16, kE3m2, 32>},
    {"v_cvt_scalef32_pk32_fp6_bf16", "6Mf", narrow<WideBrain, kE2m3, 32>},
    {"v_cvt_scalef32_pk32_bf6_bf16", "6Mf", narrow<WideBrain, kE3m2, 32>},
};

}  // namespace

std::span<const Opcode> scaled_convert_opcodes() { return kAll; }

}  // namespace sinter::sim
