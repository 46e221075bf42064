// SPDX-License-Identifier: Apache-2.0

// Instructions on pairs of 16-bit numbers in a register, mixes of 16 and 32 bits, and dot products.

#include <algorithm>
#include <array>
#include <cmath>

#include "tools/simhip/float_bits.h"
#include "tools/simhip/lane_loops.h"
#include "tools/simhip/opcode.h"

namespace sinter::sim {

namespace {

using u32 = std::uint32_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

float wide_half(u32 bits) { return static_cast<float>(as_half(bits)); }
i32 low16(u32 a) { return static_cast<std::int16_t>(a); }

/// One 16-bit half of source `number` for one half of the result, by op_sel or op_sel_hi, with its sign changed if
/// asked.
u32 half_of(u32 bits, const Modifiers& modifiers, unsigned source, unsigned half) {
  const unsigned select = half == 0 ? modifiers.op_sel : modifiers.op_sel_hi;
  const unsigned negate = half == 0 ? modifiers.neg_lo : modifiers.neg_hi;
  const u32 value = bits >> ((select >> source & 1) != 0 ? 16 : 0) & 0xffff;
  return (negate >> source & 1) != 0 ? value ^ 0x8000 : value;
}

template <unsigned kSources, auto kOperation>
void packed(Wave& wave, const Instruction& i) {
  std::array<Lane, 3> storage;
  Lane result;
  const Lane& a = wave.source(i, 1, storage[0]);
  const Lane& b = wave.source(i, 2, storage[1]);
  const Lane& c = kSources == 3 ? wave.source(i, 3, storage[2]) : b;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    u32 both = 0;
    for (unsigned half = 0; half < 2; ++half) {
      const u32 value = kOperation(half_of(a[lane], i.modifiers, 0, half), half_of(b[lane], i.modifiers, 1, half),
                                   half_of(c[lane], i.modifiers, 2, half));
      both |= (value & 0xffff) << (16 * half);
    }
    result[lane] = both;
  }
  wave.write(i, result);
}

u32 maximum(u32 a, u32 b, u32) {
  const float x = wide_half(a), y = wide_half(b);
  if (std::isnan(x) || std::isnan(y)) {
    return std::isnan(x) ? b : a;
  }
  return x > y || (x == y && !std::signbit(x)) ? a : b;
}

u32 minimum(u32 a, u32 b, u32) {
  const float x = wide_half(a), y = wide_half(b);
  if (std::isnan(x) || std::isnan(y)) {
    return std::isnan(x) ? b : a;
  }
  return x < y || (x == y && std::signbit(x)) ? a : b;
}

/// Of gfx950's: a NaN wins.
template <auto kOperation>
u32 or_nan(u32 a, u32 b, u32) {
  return std::isnan(wide_half(a)) ? a : std::isnan(wide_half(b)) ? b : kOperation(a, b, 0);
}

u32 fused(u32 a, u32 b, u32 c) {
  return half_bits(std::fma(double{wide_half(a)}, double{wide_half(b)}, double{wide_half(c)}));
}

/// Both halves, added to the destination.
void accumulate_pairs(Wave& wave, const Instruction& i) {
  accumulate<([](u32 a, u32 b, u32 c) {
    return (fused(a, b, c) & 0xffff) | fused(a >> 16, b >> 16, c >> 16) << 16;
  })>(wave, i);
}

u32 clamped(u32 half) {
  const float value = wide_half(half);
  return half_bits(value > 0 ? std::min(value, 1.0F) : 0.0F);
}

u32 saturated(i32 value) { return as_unsigned(std::clamp(value, -32768, 32767)); }

/// Source `number` of a mix: a float, or by op_sel_hi a half of a register, by op_sel the high one.
float mixed(const Lane& values, const Instruction& i, unsigned number, unsigned lane) {
  const Operand& operand = i.operands[number];
  const unsigned source = number - 1;
  float value = as_float(values[lane]);
  if ((i.modifiers.op_sel_hi >> source & 1) != 0) {
    value = wide_half(values[lane] >> ((i.modifiers.op_sel >> source & 1) != 0 ? 16 : 0));
  }
  value = operand.absolute ? std::fabs(value) : value;
  return operand.negate ? -value : value;
}

/// A source without its signs, which are of a float or of a half.
const Lane& plain_source(const Wave& wave, const Operand& operand, Lane& storage) {
  if (operand.kind == OperandKind::kVector) {
    return wave.vectors[operand.index];
  }
  storage.fill(wave.scalar(operand));
  return storage;
}

enum class MixTo : std::uint8_t { kFloat, kLowHalf, kHighHalf };

template <MixTo kTo, bool kIsFused>
void mix(Wave& wave, const Instruction& i) {
  std::array<Lane, 3> storage;
  Lane result = wave.vectors[i.operands[0].index];
  const Lane& a = plain_source(wave, i.operands[1], storage[0]);
  const Lane& b = plain_source(wave, i.operands[2], storage[1]);
  const Lane& c = plain_source(wave, i.operands[3], storage[2]);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const float x = mixed(a, i, 1, lane), y = mixed(b, i, 2, lane), z = mixed(c, i, 3, lane);
    const float sum = kIsFused ? std::fma(x, y, z) : x * y + z;
    if constexpr (kTo == MixTo::kFloat) {
      result[lane] = as_bits(sum);
    } else if constexpr (kTo == MixTo::kLowHalf) {
      result[lane] = (result[lane] & 0xffff0000U) | half_bits(sum);
    } else {
      result[lane] = (result[lane] & 0xffffU) | half_bits(sum) << 16;
    }
  }
  wave.write(i.operands[0], result);
}

/// Halves multiplied in pairs and summed in double, rounded once.
u32 dot_halves(u32 a, u32 b, u32 c) {
  const double low = double{wide_half(a)} * double{wide_half(b)};
  const double high = double{wide_half(a >> 16)} * double{wide_half(b >> 16)};
  return as_bits(static_cast<float>(low + high + double{as_float(c)}));
}

u32 dot_brain_floats(u32 a, u32 b, u32 c) {
  const auto high = [](u32 x) { return double{as_float(x & 0xffff0000U)}; };
  return as_bits(static_cast<float>(high(a << 16) * high(b << 16) + high(a) * high(b) + double{as_float(c)}));
}

/// Whole numbers of `kBits` each. The sum wraps.
template <unsigned kBits, bool kIsSigned>
u32 dot_integers(u32 a, u32 b, u32 c) {
  constexpr unsigned kRest = 32 - kBits;
  for (unsigned at = 0; at < 32; at += kBits) {
    const u32 x = a << (kRest - at), y = b << (kRest - at);
    c += kIsSigned ? as_unsigned((as_signed(x) >> kRest) * (as_signed(y) >> kRest)) : (x >> kRest) * (y >> kRest);
  }
  return c;
}

constexpr Opcode kAll[] = {
    {"v_pk_add_f16", "vqq", packed<2, ([](u32 a, u32 b, u32) { return half_bits(wide_half(a) + wide_half(b)); })>,
     kPacked},
    {"v_pk_mul_f16", "vqq", packed<2, ([](u32 a, u32 b, u32) { return half_bits(wide_half(a) * wide_half(b)); })>,
     kPacked},
    {"v_pk_fma_f16", "vqqq", packed<3, fused>, kPacked},
    {"v_pk_max_f16", "vqq", packed<2, maximum>, kPacked},
    {"v_pk_min_f16", "vqq", packed<2, minimum>, kPacked},
    {"v_pk_add_f16 clamp", "vqq",
     packed<2, ([](u32 a, u32 b, u32) { return clamped(half_bits(wide_half(a) + wide_half(b))); })>, kPacked},
    {"v_pk_mul_f16 clamp", "vqq",
     packed<2, ([](u32 a, u32 b, u32) { return clamped(half_bits(wide_half(a) * wide_half(b))); })>, kPacked},
    {"v_pk_fma_f16 clamp", "vqqq", packed<3, ([](u32 a, u32 b, u32 c) { return clamped(fused(a, b, c)); })>, kPacked},
    {"v_pk_add_u16", "vqq", packed<2, ([](u32 a, u32 b, u32) { return a + b; })>, kPacked},
    {"v_pk_sub_u16", "vqq", packed<2, ([](u32 a, u32 b, u32) { return a - b; })>, kPacked},
    {"v_pk_add_i16", "vqq", packed<2, ([](u32 a, u32 b, u32) { return a + b; })>, kPacked},
    {"v_pk_sub_i16", "vqq", packed<2, ([](u32 a, u32 b, u32) { return a - b; })>, kPacked},
    {"v_pk_add_u16 clamp", "vqq", packed<2, ([](u32 a, u32 b, u32) { return std::min(a + b, 0xffffU); })>, kPacked},
    {"v_pk_sub_u16 clamp", "vqq", packed<2, ([](u32 a, u32 b, u32) { return a < b ? 0 : a - b; })>, kPacked},
    {"v_pk_add_i16 clamp", "vqq", packed<2, ([](u32 a, u32 b, u32) { return saturated(low16(a) + low16(b)); })>,
     kPacked},
    {"v_pk_sub_i16 clamp", "vqq", packed<2, ([](u32 a, u32 b, u32) { return saturated(low16(a) - low16(b)); })>,
     kPacked},
    {"v_pk_mul_lo_u16", "vqq", packed<2, ([](u32 a, u32 b, u32) { return a * b; })>, kPacked},
    {"v_pk_mad_u16", "vqqq", packed<3, ([](u32 a, u32 b, u32 c) { return a * b + c; })>, kPacked},
    {"v_pk_mad_i16", "vqqq", packed<3, ([](u32 a, u32 b, u32 c) { return a * b + c; })>, kPacked},
    {"v_pk_max_u16", "vqq", packed<2, ([](u32 a, u32 b, u32) { return std::max(a, b); })>, kPacked},
    {"v_pk_min_u16", "vqq", packed<2, ([](u32 a, u32 b, u32) { return std::min(a, b); })>, kPacked},
    {"v_pk_max_i16", "vqq", packed<2, ([](u32 a, u32 b, u32) { return low16(a) > low16(b) ? a : b; })>, kPacked},
    {"v_pk_min_i16", "vqq", packed<2, ([](u32 a, u32 b, u32) { return low16(a) < low16(b) ? a : b; })>, kPacked},
    {"v_pk_lshlrev_b16", "vqq", packed<2, ([](u32 a, u32 b, u32) { return b << (a & 15); })>, kPacked},
    {"v_pk_lshrrev_b16", "vqq", packed<2, ([](u32 a, u32 b, u32) { return b >> (a & 15); })>, kPacked},
    {"v_pk_ashrrev_i16", "vqq", packed<2, ([](u32 a, u32 b, u32) { return as_unsigned(low16(b) >> (a & 15)); })>,
     kPacked},
    {"v_fma_mix_f32", "vfff", mix<MixTo::kFloat, true>, kMixed},
    {"v_fma_mixlo_f16", "vfff", mix<MixTo::kLowHalf, true>, kMixed},
    {"v_fma_mixhi_f16", "vfff", mix<MixTo::kHighHalf, true>, kMixed},
    {"v_mad_mix_f32", "vfff", mix<MixTo::kFloat, false>, kMixed},
    {"v_mad_mixlo_f16", "vfff", mix<MixTo::kLowHalf, false>, kMixed},
    {"v_mad_mixhi_f16", "vfff", mix<MixTo::kHighHalf, false>, kMixed},
    {"v_pk_fmac_f16", "vqq", accumulate_pairs, kLaneForms},
    {"v_pk_maximum3_f16", "vqqq", packed<3, ([](u32 a, u32 b, u32 c) {
       return or_nan<maximum>(or_nan<maximum>(a, b, 0), c, 0);
     })>, kPacked},
    {"v_pk_minimum3_f16", "vqqq", packed<3, ([](u32 a, u32 b, u32 c) {
       return or_nan<minimum>(or_nan<minimum>(a, b, 0), c, 0);
     })>, kPacked},
    {"v_dot2_f32_bf16", "vqqs", ternary<dot_brain_floats>},
    {"v_dot2c_f32_bf16", "vqq", accumulate<dot_brain_floats>, kLaneForms},
    {"v_dot2_f32_f16", "vqqs", ternary<dot_halves>},
    {"v_dot2c_f32_f16", "vqq", accumulate<dot_halves>, kLaneForms},
    {"v_dot2_i32_i16", "vqqs", ternary<dot_integers<16, true>>},
    {"v_dot2_u32_u16", "vqqs", ternary<dot_integers<16, false>>},
    {"v_dot4_i32_i8", "vsss", ternary<dot_integers<8, true>>},
    {"v_dot4_u32_u8", "vsss", ternary<dot_integers<8, false>>},
    {"v_dot8_i32_i4", "vsss", ternary<dot_integers<4, true>>},
    {"v_dot8_u32_u4", "vsss", ternary<dot_integers<4, false>>},
    {"v_dot2c_i32_i16", "vqq", accumulate<dot_integers<16, true>>, kLaneForms},
    {"v_dot4c_i32_i8", "vss", accumulate<dot_integers<8, true>>, kLaneForms},
    {"v_dot8c_i32_i4", "vss", accumulate<dot_integers<4, true>>, kLaneForms},
};

}  // namespace

std::span<const Opcode> packed_half_opcodes() { return kAll; }

}  // namespace sinter::sim
