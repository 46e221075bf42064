// SPDX-License-Identifier: Apache-2.0

// Vector instructions on 32-bit floats.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "tools/simhip/division_steps.h"
#include "tools/simhip/float_bits.h"
#include "tools/simhip/lane_loops.h"
#include "tools/simhip/opcode.h"

namespace sinter::sim {

namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

void division_scale(Wave& wave, const Instruction& i) {
  Lane storage_0, storage_1, storage_2, result;
  const Lane& s0 = wave.source(i, 2, storage_0);
  const Lane& s1 = wave.source(i, 3, storage_1);
  const Lane& s2 = wave.source(i, 4, storage_2);
  u64 scaled = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const auto operand = scale_for_division(as_float(s0[lane]), as_float(s1[lane]), as_float(s2[lane]));
    result[lane] = as_bits(operand.value);
    scaled |= u64{operand.quotient_is_scaled} << lane;
  }
  wave.write(i, result);
  wave.set_mask(i, i.operands[1], scaled);
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

/// Of gfx950's: a NaN wins.
u32 maximum_or_nan(u32 a, u32 b) {
  return std::isnan(as_float(a)) ? a : std::isnan(as_float(b)) ? b : maximum(a, b);
}

u32 minimum_or_nan(u32 a, u32 b) {
  return std::isnan(as_float(a)) ? a : std::isnan(as_float(b)) ? b : minimum(a, b);
}

/// v_mad and v_mac round the product too, and know no subnormal numbers.
u32 flushed(u32 a) { return (a & 0x7f800000U) == 0 ? a & 0x80000000U : a; }

u32 multiply_add(u32 a, u32 b, u32 c) {
  const u32 product = flushed(as_bits(as_float(flushed(a)) * as_float(flushed(b))));
  return flushed(as_bits(as_float(product) + as_float(flushed(c))));
}

u32 fused(u32 a, u32 b, u32 c) { return as_bits(std::fma(as_float(a), as_float(b), as_float(c))); }

/// 0 times anything is 0.
u32 legacy_product(u32 a, u32 b) {
  const float x = as_float(a), y = as_float(b);
  return x == 0 || y == 0 ? 0 : as_bits(x * y);
}

u32 fraction(u32 a) {
  const float x = as_float(a);
  return as_bits(std::isinf(x) ? std::numeric_limits<float>::quiet_NaN()
                               : std::min(x - std::floor(x), std::nextafter(1.0F, 0.0F)));
}

/// Mantissa in [0.5, 1) and exponent; infinity and NaN are their own mantissa, with exponent 0.
u32 mantissa(u32 a) {
  int exponent = 0;
  return std::isfinite(as_float(a)) ? as_bits(std::frexp(as_float(a), &exponent)) : a;
}

u32 exponent_of(u32 a) {
  int exponent = 0;
  static_cast<void>(std::frexp(std::isfinite(as_float(a)) ? as_float(a) : 0.0F, &exponent));
  return as_unsigned(exponent);
}

/// Angles are in turns.
double radians(u32 turns) { return 2 * std::numbers::pi * (double{as_float(turns)} - std::floor(as_float(turns))); }

constexpr std::uint32_t kFloat = kLaneForms | kFloatOutput;

constexpr Opcode kAll[] = {
    {"v_add_f32", "vff", binary<([](u32 a, u32 b) { return as_bits(as_float(a) + as_float(b)); })>, kFloat},
    {"v_sub_f32", "vff", binary<([](u32 a, u32 b) { return as_bits(as_float(a) - as_float(b)); })>, kFloat},
    {"v_subrev_f32", "vff", binary<([](u32 a, u32 b) { return as_bits(as_float(b) - as_float(a)); })>, kFloat},
    {"v_mul_f32", "vff", binary<([](u32 a, u32 b) { return as_bits(as_float(a) * as_float(b)); })>, kFloat},
    {"v_mul_legacy_f32", "vff", binary<legacy_product>, kFloat},
    {"v_max_f32", "vff", binary<maximum>, kFloat},
    {"v_min_f32", "vff", binary<minimum>, kFloat},
    {"v_fmac_f32", "vff", accumulate<fused>, kFloat},
    {"v_fma_f32", "vfff", ternary<fused>, kFloatOutput},
    {"v_fmamk_f32", "vfkf", ternary<([](u32 a, u32 k, u32 b) { return fused(a, k, b); })>},
    {"v_fmaak_f32", "vffk", ternary<fused>},
    {"v_mac_f32", "vff", accumulate<multiply_add>, kFloat},
    {"v_mad_f32", "vfff", ternary<multiply_add>, kFloatOutput},
    {"v_mad_legacy_f32", "vfff", ternary<([](u32 a, u32 b, u32 c) {
       return as_bits(as_float(legacy_product(a, b)) + as_float(c));
     })>, kFloatOutput},
    {"v_madmk_f32", "vfkf", ternary<multiply_add>},
    {"v_madak_f32", "vffk", ternary<multiply_add>},
    {"v_max3_f32", "vfff", ternary<([](u32 a, u32 b, u32 c) { return maximum(maximum(a, b), c); })>, kFloatOutput},
    {"v_min3_f32", "vfff", ternary<([](u32 a, u32 b, u32 c) { return minimum(minimum(a, b), c); })>, kFloatOutput},
    {"v_maximum3_f32", "vfff", ternary<([](u32 a, u32 b, u32 c) {
       return maximum_or_nan(maximum_or_nan(a, b), c);
     })>, kFloatOutput},
    {"v_minimum3_f32", "vfff", ternary<([](u32 a, u32 b, u32 c) {
       return minimum_or_nan(minimum_or_nan(a, b), c);
     })>, kFloatOutput},
    {"v_med3_f32", "vfff", ternary<median>, kFloatOutput},
    {"v_ldexp_f32", "vfs", binary<([](u32 a, u32 b) { return as_bits(std::ldexp(as_float(a), as_signed(b))); })>,
     kFloatOutput},
    {"v_div_scale_f32", "vDfff", division_scale},
    {"v_div_fmas_f32", "vfff", division_fused, kFloatOutput},
    {"v_div_fixup_f32", "vfff", ternary<([](u32 a, u32 b, u32 c) {
       return as_bits(finish_division(as_float(a), as_float(b), as_float(c)));
     })>, kFloatOutput},
    // The device's results of the next eight are within 1 ulp; these are rounded right.
    {"v_rcp_f32", "vf", unary<([](u32 a) { return as_bits(1.0F / as_float(a)); })>, kFloat},
    {"v_rcp_iflag_f32", "vf", unary<([](u32 a) { return as_bits(1.0F / as_float(a)); })>, kFloat},
    {"v_rsq_f32", "vf", unary<([](u32 a) {
       return as_bits(static_cast<float>(1.0 / std::sqrt(double{as_float(a)})));
     })>, kFloat},
    {"v_sqrt_f32", "vf", unary<([](u32 a) { return as_bits(std::sqrt(as_float(a))); })>, kFloat},
    {"v_exp_f32", "vf", unary<([](u32 a) { return as_bits(static_cast<float>(std::exp2(double{as_float(a)}))); })>,
     kFloat},
    {"v_log_f32", "vf", unary<([](u32 a) { return as_bits(static_cast<float>(std::log2(double{as_float(a)}))); })>,
     kFloat},
    {"v_sin_f32", "vf", unary<([](u32 a) { return as_bits(static_cast<float>(std::sin(radians(a)))); })>, kFloat},
    {"v_cos_f32", "vf", unary<([](u32 a) { return as_bits(static_cast<float>(std::cos(radians(a)))); })>, kFloat},
    {"v_rndne_f32", "vf", unary<([](u32 a) { return as_bits(std::nearbyint(as_float(a))); })>, kFloat},
    {"v_floor_f32", "vf", unary<([](u32 a) { return as_bits(std::floor(as_float(a))); })>, kFloat},
    {"v_ceil_f32", "vf", unary<([](u32 a) { return as_bits(std::ceil(as_float(a))); })>, kFloat},
    {"v_trunc_f32", "vf", unary<([](u32 a) { return as_bits(std::trunc(as_float(a))); })>, kFloat},
    {"v_fract_f32", "vf", unary<fraction>, kFloat},
    {"v_frexp_mant_f32", "vf", unary<mantissa>, kFloat},
    {"v_frexp_exp_i32_f32", "vf", unary<exponent_of>, kLaneForms},
};

}  // namespace

std::span<const Opcode> float_opcodes() { return kAll; }

}  // namespace sinter::sim
