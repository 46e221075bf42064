// SPDX-License-Identifier: Apache-2.0

// Vector instructions on 32- and 64-bit registers, one lane at a time. Inactive lanes are computed too and not written:
// no operation may be undefined for any bits.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "tools/simhip/division_steps.h"
#include "tools/simhip/float_bits.h"
#include "tools/simhip/opcode.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;

template <auto kOperation>
void unary(Wave& wave, const Instruction& i) {
  Lane storage, result;
  const Lane& a = wave.source(i, 1, storage);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    result[lane] = kOperation(a[lane]);
  }
  wave.write(i, result);
}

template <auto kOperation>
void binary(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, result;
  const Lane& a = wave.source(i, 1, storage_a);
  const Lane& b = wave.source(i, 2, storage_b);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    result[lane] = kOperation(a[lane], b[lane]);
  }
  wave.write(i, result);
}

template <auto kOperation>
void ternary(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, storage_c, result;
  const Lane& a = wave.source(i, 1, storage_a);
  const Lane& b = wave.source(i, 2, storage_b);
  const Lane& c = wave.source(i, 3, storage_c);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    result[lane] = kOperation(a[lane], b[lane], c[lane]);
  }
  wave.write(i, result);
}

/// The destination is the third source.
template <auto kOperation>
void accumulate(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, result;
  const Lane& a = wave.source(i, 1, storage_a);
  const Lane& b = wave.source(i, 2, storage_b);
  const Lane& c = wave.vectors[i.operands[0].index];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    result[lane] = kOperation(a[lane], b[lane], c[lane]);
  }
  wave.write(i, result);
}

struct WithCarry {
  u32 value = 0;
  bool carry = false;
};

void set_mask(Wave& wave, const Operand& mask, u64 bits) { wave.set_scalar64(mask, bits & wave.exec()); }

/// Operands: result, carry out, a, b, and for those with a carry in, the mask that it comes from.
template <bool kHasCarryIn, auto kOperation>
void carry(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, result;
  const Lane& a = wave.source(i, 2, storage_a);
  const Lane& b = wave.source(i, 3, storage_b);
  const u64 carries_in = kHasCarryIn ? wave.scalar64(i.operands[4]) : 0;
  u64 carries = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const WithCarry sum = kOperation(a[lane], b[lane], (carries_in >> lane & 1) != 0);
    result[lane] = sum.value;
    carries |= u64{sum.carry} << lane;
  }
  wave.write(i, result);
  set_mask(wave, i.operands[1], carries);
}

/// Operands: result pair, carry out, a, b, addend pair.
template <auto kOperation>
void multiply_add64(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, low, high;
  const Lane& a = wave.source(i, 2, storage_a);
  const Lane& b = wave.source(i, 3, storage_b);
  u64 carries = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const u64 product = kOperation(a[lane], b[lane]);
    const u64 sum = product + wave.source64(i.operands[4], lane);
    low[lane] = static_cast<u32>(sum);
    high[lane] = static_cast<u32>(sum >> 32);
    carries |= u64{sum < product} << lane;
  }
  wave.write(i.operands[0], low, 0);
  wave.write(i.operands[0], high, 1);
  set_mask(wave, i.operands[1], carries);
}

/// `kOperation(wave, instruction, lane)` gives 64 bits.
template <auto kOperation>
void wide(Wave& wave, const Instruction& i) {
  Lane low{}, high{};
  for_active_lanes(wave, [&](unsigned lane) {
    const u64 value = kOperation(wave, i, lane);
    low[lane] = static_cast<u32>(value);
    high[lane] = static_cast<u32>(value >> 32);
  });
  wave.write(i.operands[0], low, 0);
  wave.write(i.operands[0], high, 1);
}

u32 in_lane(const Wave& wave, const Operand& operand, unsigned lane) {
  return operand.kind == OperandKind::kVector ? wave.vectors[operand.index][lane] : wave.scalar(operand);
}

void select(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, result;
  const Lane& a = wave.source(i, 1, storage_a);
  const Lane& b = wave.source(i, 2, storage_b);
  const u64 mask = wave.scalar64(i.operands[3]);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    result[lane] = (mask >> lane & 1) != 0 ? b[lane] : a[lane];
  }
  wave.write(i, result);
}

void read_first_lane(Wave& wave, const Instruction& i) {
  const u64 exec = wave.exec();
  const unsigned lane = exec == 0 ? 0 : static_cast<unsigned>(std::countr_zero(exec));
  wave.set_scalar(i.operands[0], in_lane(wave, i.operands[1], lane));
}

void read_lane(Wave& wave, const Instruction& i) {
  wave.set_scalar(i.operands[0], in_lane(wave, i.operands[1], wave.scalar(i.operands[2]) & 63));
}

void write_lane(Wave& wave, const Instruction& i) {
  wave.vectors[i.operands[0].index][wave.scalar(i.operands[2]) & 63] = wave.scalar(i.operands[1]);
}

/// Counts the mask's bits below the lane, in one half of the wave.
template <unsigned kHalf>
void count_below(Wave& wave, const Instruction& i) {
  Lane storage_mask, storage_base, result;
  const Lane& mask = wave.source(i, 1, storage_mask);
  const Lane& base = wave.source(i, 2, storage_base);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const unsigned begin = 32 * kHalf;
    const u32 below = lane < begin ? 0 : lane - begin >= 32 ? ~0U : (1U << (lane - begin)) - 1;
    result[lane] = static_cast<u32>(std::popcount(mask[lane] & below)) + base[lane];
  }
  wave.write(i, result);
}

void truth_table(Wave& wave, const Instruction& i) {
  Lane storage_a, storage_b, storage_c, result;
  const Lane& a = wave.source(i, 1, storage_a);
  const Lane& b = wave.source(i, 2, storage_b);
  const Lane& c = wave.source(i, 3, storage_c);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    u32 bits = 0;
    for (unsigned row = 0; row < 8; ++row) {
      const u32 matches = ((row & 4) != 0 ? a[lane] : ~a[lane]) & ((row & 2) != 0 ? b[lane] : ~b[lane]) &
                          ((row & 1) != 0 ? c[lane] : ~c[lane]);
      bits |= (i.modifiers.truth_table >> row & 1) != 0 ? matches : 0;
    }
    result[lane] = bits;
  }
  wave.write(i, result);
}

void division_scale(Wave& wave, const Instruction& i) {
  Lane storage_0, storage_1, storage_2, result;
  const Lane& s0 = wave.source(i, 2, storage_0);
  const Lane& s1 = wave.source(i, 3, storage_1);
  const Lane& s2 = wave.source(i, 4, storage_2);
  u64 scaled = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const ScaledOperand operand = scale_for_division(as_float(s0[lane]), as_float(s1[lane]), as_float(s2[lane]));
    result[lane] = as_bits(operand.value);
    scaled |= u64{operand.quotient_is_scaled} << lane;
  }
  wave.write(i, result);
  set_mask(wave, i.operands[1], scaled);
}

void division_fused(Wave& wave, const Instruction& i) {
  Lane storage_0, storage_1, storage_2, result;
  const Lane& s0 = wave.source(i, 1, storage_0);
  const Lane& s1 = wave.source(i, 2, storage_1);
  const Lane& s2 = wave.source(i, 3, storage_2);
  const u64 scaled = wave.pair(kVcc);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    result[lane] = as_bits(fused_division_step(as_float(s0[lane]), as_float(s1[lane]), as_float(s2[lane]),
                                               (scaled >> lane & 1) != 0));
  }
  wave.write(i, result);
}

// Maximum and minimum as IEEE 754-2008's maxNum: a NaN loses against a number; -0 < +0.
u32 maximum(u32 a, u32 b) {
  const float x = as_float(a), y = as_float(b);
  if (std::isnan(x) || std::isnan(y)) {
    return std::isnan(x) ? b : a;
  }
  return x > y || (x == y && !std::signbit(x)) ? a : b;
}

u32 minimum(u32 a, u32 b) {
  const float x = as_float(a), y = as_float(b);
  if (std::isnan(x) || std::isnan(y)) {
    return std::isnan(x) ? b : a;
  }
  return x < y || (x == y && std::signbit(x)) ? a : b;
}

u32 median(u32 a, u32 b, u32 c) {
  if (std::isnan(as_float(a)) || std::isnan(as_float(b)) || std::isnan(as_float(c))) {
    return minimum(minimum(a, b), c);
  }
  return maximum(minimum(a, b), minimum(maximum(a, b), c));
}

/// Toward zero, saturating; NaN is 0.
template <class To>
u32 truncated(u32 a) {
  const float x = as_float(a);
  if (std::isnan(x)) {
    return 0;
  }
  const double limit = static_cast<double>(std::numeric_limits<To>::max());
  const double floor = static_cast<double>(std::numeric_limits<To>::min());
  return static_cast<u32>(static_cast<To>(std::clamp(std::trunc(static_cast<double>(x)), floor, limit)));
}

/// Bytes of {a, b} by the selectors in c. 8 to 11 are sign bits.
u32 permuted_bytes(u32 a, u32 b, u32 c) {
  const u64 bytes = u64{a} << 32 | b;
  u32 result = 0;
  for (unsigned byte = 0; byte < 4; ++byte) {
    const u32 select_byte = c >> (8 * byte) & 0xff;
    u32 value = 0xff;
    if (select_byte < 8) {
      value = static_cast<u32>(bytes >> (8 * select_byte) & 0xff);
    } else if (select_byte < 12) {
      value = (bytes >> (16 * (select_byte - 8) + 15) & 1) != 0 ? 0xff : 0;
    } else if (select_byte == 12) {
      value = 0;
    }
    result |= value << (8 * byte);
  }
  return result;
}

u32 field(u32 a, u32 b, u32 c) {
  const u32 width = c & 31;
  return a >> (b & 31) & ((1U << width) - 1);
}

u32 signed_field(u32 a, u32 b, u32 c) {
  const u32 offset = b & 31, width = std::min(c & 31, 32 - offset);
  return width == 0 ? 0 : as_unsigned(as_signed(a << (32 - width - offset)) >> (32 - width));
}

u32 reversed(u32 a) {
  u32 result = 0;
  for (unsigned bit = 0; bit < 32; ++bit) {
    result |= (a >> bit & 1) << (31 - bit);
  }
  return result;
}

constexpr Opcode kIntegers[] = {
    {"v_mov_b32", "vs", unary<([](u32 a) { return a; })>, kLaneForms},
    {"v_not_b32", "vs", unary<([](u32 a) { return ~a; })>, kLaneForms},
    {"v_bfrev_b32", "vs", unary<reversed>},
    {"v_accvgpr_read_b32", "vs", unary<([](u32 a) { return a; })>},
    {"v_accvgpr_write_b32", "vs", unary<([](u32 a) { return a; })>},
    {"v_accvgpr_mov_b32", "vs", unary<([](u32 a) { return a; })>},
    {"v_add_u32", "vss", binary<([](u32 a, u32 b) { return a + b; })>, kLaneForms},
    {"v_sub_u32", "vss", binary<([](u32 a, u32 b) { return a - b; })>, kLaneForms},
    {"v_subrev_u32", "vss", binary<([](u32 a, u32 b) { return b - a; })>, kLaneForms},
    {"v_mul_lo_u32", "vss", binary<([](u32 a, u32 b) { return a * b; })>},
    {"v_mul_hi_u32", "vss", binary<([](u32 a, u32 b) { return static_cast<u32>(u64{a} * b >> 32); })>},
    {"v_mul_hi_i32", "vss", binary<([](u32 a, u32 b) {
       return static_cast<u32>(std::int64_t{as_signed(a)} * as_signed(b) >> 32);
     })>},
    {"v_mul_u32_u24", "vss", binary<([](u32 a, u32 b) { return (a & 0xffffff) * (b & 0xffffff); })>, kLaneForms},
    {"v_and_b32", "vss", binary<([](u32 a, u32 b) { return a & b; })>, kLaneForms},
    {"v_or_b32", "vss", binary<([](u32 a, u32 b) { return a | b; })>, kLaneForms},
    {"v_xor_b32", "vss", binary<([](u32 a, u32 b) { return a ^ b; })>, kLaneForms},
    {"v_lshlrev_b32", "vss", binary<([](u32 a, u32 b) { return b << (a & 31); })>, kLaneForms},
    {"v_lshrrev_b32", "vss", binary<([](u32 a, u32 b) { return b >> (a & 31); })>, kLaneForms},
    {"v_ashrrev_i32", "vss", binary<([](u32 a, u32 b) { return as_unsigned(as_signed(b) >> (a & 31)); })>, kLaneForms},
    {"v_max_i32", "vss", binary<([](u32 a, u32 b) { return as_signed(a) > as_signed(b) ? a : b; })>, kLaneForms},
    {"v_min_i32", "vss", binary<([](u32 a, u32 b) { return as_signed(a) < as_signed(b) ? a : b; })>, kLaneForms},
    {"v_max_u32", "vss", binary<([](u32 a, u32 b) { return std::max(a, b); })>, kLaneForms},
    {"v_min_u32", "vss", binary<([](u32 a, u32 b) { return std::min(a, b); })>, kLaneForms},
    {"v_max_u16", "vhh", binary<([](u32 a, u32 b) { return std::max(a & 0xffff, b & 0xffff); })>, kLaneForms},
    {"v_lshlrev_b16", "vhh", binary<([](u32 a, u32 b) { return (b << (a & 15)) & 0xffff; })>},
    {"v_add3_u32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return a + b + c; })>},
    {"v_and_or_b32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return (a & b) | c; })>},
    {"v_or3_b32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return a | b | c; })>},
    {"v_xad_u32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return (a ^ b) + c; })>},
    {"v_lshl_or_b32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return a << (b & 31) | c; })>},
    {"v_lshl_add_u32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return (a << (b & 31)) + c; })>},
    {"v_add_lshl_u32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return (a + b) << (c & 31); })>},
    {"v_mad_u32_u24", "vsss", ternary<([](u32 a, u32 b, u32 c) { return (a & 0xffffff) * (b & 0xffffff) + c; })>},
    {"v_bfe_u32", "vsss", ternary<field>},
    {"v_bfe_i32", "vsss", ternary<signed_field>},
    {"v_bfi_b32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return (a & b) | (~a & c); })>},
    {"v_perm_b32", "vsss", ternary<permuted_bytes>},
    {"v_alignbit_b32", "vsss", ternary<([](u32 a, u32 b, u32 c) {
       return static_cast<u32>((u64{a} << 32 | b) >> (c & 31));
     })>},
    {"v_med3_i32", "vsss", ternary<([](u32 a, u32 b, u32 c) {
       const i32 x = as_signed(a), y = as_signed(b), z = as_signed(c);
       return as_unsigned(std::max(std::min(x, y), std::min(std::max(x, y), z)));
     })>},
    {"v_med3_u32", "vsss", ternary<([](u32 a, u32 b, u32 c) {
       return std::max(std::min(a, b), std::min(std::max(a, b), c));
     })>},
    {"v_max3_i32", "vsss", ternary<([](u32 a, u32 b, u32 c) {
       return as_unsigned(std::max({as_signed(a), as_signed(b), as_signed(c)}));
     })>},
    {"v_min3_i32", "vsss", ternary<([](u32 a, u32 b, u32 c) {
       return as_unsigned(std::min({as_signed(a), as_signed(b), as_signed(c)}));
     })>},
    {"v_max3_u32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return std::max({a, b, c}); })>},
    {"v_min3_u32", "vsss", ternary<([](u32 a, u32 b, u32 c) { return std::min({a, b, c}); })>},
    {"v_bitop3_b32", "vsss", truth_table, kTruthTable},
    {"v_add_co_u32", "vDss", carry<false, ([](u32 a, u32 b, bool) { return WithCarry{a + b, a + b < a}; })>},
    {"v_sub_co_u32", "vDss", carry<false, ([](u32 a, u32 b, bool) { return WithCarry{a - b, b > a}; })>},
    {"v_subrev_co_u32", "vDss", carry<false, ([](u32 a, u32 b, bool) { return WithCarry{b - a, a > b}; })>},
    {"v_addc_co_u32", "vDssD", carry<true, ([](u32 a, u32 b, bool c) {
       const u64 sum = u64{a} + b + (c ? 1U : 0U);
       return WithCarry{static_cast<u32>(sum), sum >> 32 != 0};
     })>},
    {"v_subb_co_u32", "vDssD", carry<true, ([](u32 a, u32 b, bool c) {
       const u32 borrow = c ? 1 : 0;
       return WithCarry{a - b - borrow, u64{b} + borrow > a};
     })>},
    {"v_mad_u64_u32", "VDssS", multiply_add64<([](u32 a, u32 b) { return u64{a} * b; })>},
    {"v_lshl_add_u64", "VSsS", wide<([](const Wave& wave, const Instruction& i, unsigned lane) {
       return (wave.source64(i.operands[1], lane) << (in_lane(wave, i.operands[2], lane) & 7)) +
              wave.source64(i.operands[3], lane);
     })>},
    {"v_lshlrev_b64", "VsS", wide<([](const Wave& wave, const Instruction& i, unsigned lane) {
       return wave.source64(i.operands[2], lane) << (in_lane(wave, i.operands[1], lane) & 63);
     })>},
    {"v_lshrrev_b64", "VsS", wide<([](const Wave& wave, const Instruction& i, unsigned lane) {
       return wave.source64(i.operands[2], lane) >> (in_lane(wave, i.operands[1], lane) & 63);
     })>},
    {"v_mov_b64", "VS", wide<([](const Wave& wave, const Instruction& i, unsigned lane) {
       return wave.source64(i.operands[1], lane);
     })>},
    {"v_ashrrev_i64", "VsS", wide<([](const Wave& wave, const Instruction& i, unsigned lane) {
       const auto value = static_cast<std::int64_t>(wave.source64(i.operands[2], lane));
       return static_cast<u64>(value >> (in_lane(wave, i.operands[1], lane) & 63));
     })>},
    {"v_cndmask_b32", "vssC", select},
    {"v_readfirstlane_b32", "dv", read_first_lane},
    {"v_readlane_b32", "dvc", read_lane},
    {"v_writelane_b32", "vcc", write_lane},
    {"v_mbcnt_lo_u32_b32", "vss", count_below<0>},
    {"v_mbcnt_hi_u32_b32", "vss", count_below<1>},
    {"v_nop", "", [](Wave&, const Instruction&) {}},
};

constexpr Opcode kFloats[] = {
    {"v_add_f32", "vff", binary<([](u32 a, u32 b) { return as_bits(as_float(a) + as_float(b)); })>, kLaneForms},
    {"v_sub_f32", "vff", binary<([](u32 a, u32 b) { return as_bits(as_float(a) - as_float(b)); })>, kLaneForms},
    {"v_subrev_f32", "vff", binary<([](u32 a, u32 b) { return as_bits(as_float(b) - as_float(a)); })>, kLaneForms},
    {"v_mul_f32", "vff", binary<([](u32 a, u32 b) { return as_bits(as_float(a) * as_float(b)); })>, kLaneForms},
    {"v_max_f32", "vff", binary<maximum>, kLaneForms},
    {"v_min_f32", "vff", binary<minimum>, kLaneForms},
    {"v_fmac_f32", "vff", accumulate<([](u32 a, u32 b, u32 c) {
       return as_bits(std::fma(as_float(a), as_float(b), as_float(c)));
     })>},
    {"v_fma_f32", "vfff", ternary<([](u32 a, u32 b, u32 c) {
       return as_bits(std::fma(as_float(a), as_float(b), as_float(c)));
     })>},
    {"v_med3_f32", "vfff", ternary<median>},
    {"v_div_scale_f32", "vDfff", division_scale},
    {"v_div_fmas_f32", "vfff", division_fused},
    {"v_div_fixup_f32", "vfff", ternary<([](u32 a, u32 b, u32 c) {
       return as_bits(finish_division(as_float(a), as_float(b), as_float(c)));
     })>},
    // The device's results of the next five are within 1 ulp; these are rounded right.
    {"v_rcp_f32", "vf", unary<([](u32 a) { return as_bits(1.0F / as_float(a)); })>},
    {"v_rcp_iflag_f32", "vf", unary<([](u32 a) { return as_bits(1.0F / as_float(a)); })>},
    {"v_rsq_f32", "vf", unary<([](u32 a) {
       return as_bits(static_cast<float>(1.0 / std::sqrt(double{as_float(a)})));
     })>},
    {"v_sqrt_f32", "vf", unary<([](u32 a) { return as_bits(std::sqrt(as_float(a))); })>},
    {"v_exp_f32", "vf", unary<([](u32 a) { return as_bits(static_cast<float>(std::exp2(double{as_float(a)}))); })>},
    {"v_log_f32", "vf", unary<([](u32 a) { return as_bits(static_cast<float>(std::log2(double{as_float(a)}))); })>},
    {"v_rndne_f32", "vf", unary<([](u32 a) { return as_bits(std::nearbyint(as_float(a))); })>},
    {"v_cvt_f32_i32", "vs", unary<([](u32 a) { return as_bits(static_cast<float>(as_signed(a))); })>},
    {"v_cvt_f32_u32", "vs", unary<([](u32 a) { return as_bits(static_cast<float>(a)); })>},
    {"v_cvt_i32_f32", "vf", unary<truncated<i32>>},
    {"v_cvt_u32_f32", "vf", unary<truncated<u32>>},
};

constexpr auto kAll = [] {
  std::array<Opcode, std::size(kIntegers) + std::size(kFloats)> all{};
  std::ranges::copy(kFloats, std::ranges::copy(kIntegers, all.begin()).out);
  return all;
}();

}  // namespace

std::span<const Opcode> vector_opcodes() { return kAll; }

}  // namespace sinter::sim
