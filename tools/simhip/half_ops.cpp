// SPDX-License-Identifier: Apache-2.0

// Vector instructions on one 16-bit float per lane. Results are rounded from 32 bits, which is right for one operation:
// a float has more than twice as many bits as a half and two. Most write 0 above the result.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "tools/simhip/float_bits.h"
#include "tools/simhip/lane_loops.h"
#include "tools/simhip/opcode.h"

namespace sinter::sim {

namespace {

using u32 = std::uint32_t;

float wide_half(u32 bits) { return static_cast<float>(as_half(bits)); }

float fused_half(u32 a, u32 b, u32 c) {
  // Exact in double up to the addition, whose rounding is far below a half's last place.
  return static_cast<float>(
      static_cast<Half>(std::fma(double{wide_half(a)}, double{wide_half(b)}, double{wide_half(c)})));
}

u32 maximum(u32 a, u32 b) {
  const float x = wide_half(a), y = wide_half(b);
  if (std::isnan(x) || std::isnan(y)) {
    return (std::isnan(x) ? b : a) & 0xffff;
  }
  return (x > y || (x == y && !std::signbit(x)) ? a : b) & 0xffff;
}

u32 minimum(u32 a, u32 b) {
  const float x = wide_half(a), y = wide_half(b);
  if (std::isnan(x) || std::isnan(y)) {
    return (std::isnan(x) ? b : a) & 0xffff;
  }
  return (x < y || (x == y && std::signbit(x)) ? a : b) & 0xffff;
}

u32 median(u32 a, u32 b, u32 c) {
  if (std::isnan(wide_half(a)) || std::isnan(wide_half(b)) || std::isnan(wide_half(c))) {
    return minimum(minimum(a, b), c);
  }
  return maximum(minimum(a, b), minimum(maximum(a, b), c));
}

template <auto kOperation>
void half_unary(Wave& wave, const Instruction& i) {
  unary<([](u32 a) { return half_bits(kOperation(wide_half(a))); })>(wave, i);
}

template <auto kOperation>
void half_binary(Wave& wave, const Instruction& i) {
  binary<([](u32 a, u32 b) { return half_bits(kOperation(wide_half(a), wide_half(b))); })>(wave, i);
}

/// The quotient that Newton's steps gave, with the special cases of numerator / denominator.
u32 finished_division(u32 quotient, u32 denominator, u32 numerator) {
  const float d = wide_half(denominator), n = wide_half(numerator);
  const u32 sign = (denominator ^ numerator) & 0x8000;
  if (std::isnan(n) || std::isnan(d)) {
    return (std::isnan(n) ? numerator : denominator) | 0x200;
  }
  if ((d == 0 && n == 0) || (std::isinf(d) && std::isinf(n))) {
    return 0xfe00;
  }
  if (d == 0 || std::isinf(n)) {
    return sign | 0x7c00;
  }
  return std::isinf(d) || n == 0 ? sign : (quotient & 0x7fff) | sign;
}

int exponent_of(float x) {
  int exponent = 0;
  static_cast<void>(std::frexp(std::isfinite(x) ? x : 0.0F, &exponent));
  return exponent;
}

/// A sum and product that are rounded each.
u32 multiply_add(u32 a, u32 b, u32 c) {
  return half_bits(static_cast<float>(static_cast<Half>(wide_half(a) * wide_half(b))) + wide_half(c));
}

/// Angles are in turns.
float radians(float turns) {
  return static_cast<float>(2 * std::numbers::pi * (double{turns} - std::floor(double{turns})));
}

constexpr Opcode kAll[] = {
    {"v_add_f16", "vgg", half_binary<([](float a, float b) { return a + b; })>, kLaneForms},
    {"v_sub_f16", "vgg", half_binary<([](float a, float b) { return a - b; })>, kLaneForms},
    {"v_subrev_f16", "vgg", half_binary<([](float a, float b) { return b - a; })>, kLaneForms},
    {"v_mul_f16", "vgg", half_binary<([](float a, float b) { return a * b; })>, kLaneForms},
    {"v_max_f16", "vgg", binary<maximum>, kLaneForms},
    {"v_min_f16", "vgg", binary<minimum>, kLaneForms},
    {"v_ldexp_f16", "vgh",
     binary<([](u32 a, u32 b) { return half_bits(std::ldexp(wide_half(a), static_cast<std::int16_t>(b))); })>,
     kLaneForms},
    {"v_fma_f16", "vggg", ternary_half<([](u32 a, u32 b, u32 c) { return half_bits(fused_half(a, b, c)); })>, kOpSel},
    {"v_mad_f16", "vggg", ternary_half<multiply_add>, kOpSel},
    {"v_mac_f16", "vgg", accumulate<multiply_add>, kLaneForms},
    {"v_madmk_f16", "vgkg", ternary<multiply_add>},
    {"v_madak_f16", "vggk", ternary<multiply_add>},
    {"v_fmac_f16", "vgg", accumulate<([](u32 a, u32 b, u32 c) { return half_bits(fused_half(a, b, c)); })>, kLaneForms},
    {"v_max3_f16", "vggg", ternary_half<([](u32 a, u32 b, u32 c) { return maximum(maximum(a, b), c); })>, kOpSel},
    {"v_min3_f16", "vggg", ternary_half<([](u32 a, u32 b, u32 c) { return minimum(minimum(a, b), c); })>, kOpSel},
    {"v_med3_f16", "vggg", ternary_half<median>, kOpSel},
    {"v_div_fixup_f16", "vggg", ternary_half<finished_division>, kOpSel},
    {"v_rcp_f16", "vg", half_unary<([](float a) { return 1.0F / a; })>, kLaneForms},
    {"v_sqrt_f16", "vg", half_unary<([](float a) { return std::sqrt(a); })>, kLaneForms},
    {"v_rsq_f16", "vg", half_unary<([](float a) { return 1.0F / std::sqrt(a); })>, kLaneForms},
    {"v_exp_f16", "vg", half_unary<([](float a) { return std::exp2(a); })>, kLaneForms},
    {"v_log_f16", "vg", half_unary<([](float a) { return std::log2(a); })>, kLaneForms},
    {"v_sin_f16", "vg", half_unary<([](float a) { return std::sin(radians(a)); })>, kLaneForms},
    {"v_cos_f16", "vg", half_unary<([](float a) { return std::cos(radians(a)); })>, kLaneForms},
    {"v_floor_f16", "vg", half_unary<([](float a) { return std::floor(a); })>, kLaneForms},
    {"v_ceil_f16", "vg", half_unary<([](float a) { return std::ceil(a); })>, kLaneForms},
    {"v_trunc_f16", "vg", half_unary<([](float a) { return std::trunc(a); })>, kLaneForms},
    {"v_rndne_f16", "vg", half_unary<([](float a) { return std::nearbyint(a); })>, kLaneForms},
    {"v_fract_f16", "vg", half_unary<([](float a) { return std::min(a - std::floor(a), 0.99951171875F); })>,
     kLaneForms},
    {"v_frexp_mant_f16", "vg",
     half_unary<([](float a) { return std::isfinite(a) ? std::ldexp(a, -exponent_of(a)) : a; })>, kLaneForms},
    {"v_frexp_exp_i16_f16", "vg", unary<([](u32 a) { return as_unsigned(exponent_of(wide_half(a))) & 0xffff; })>,
     kLaneForms},
    {"v_pack_b32_f16", "vgg", binary<([](u32 a, u32 b) { return (a & 0xffff) | b << 16; })>, kOpSel},
};

}  // namespace

std::span<const Opcode> half_opcodes() { return kAll; }

}  // namespace sinter::sim
