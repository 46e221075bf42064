// SPDX-License-Identifier: Apache-2.0
#pragma once

// The three helpers of an IEEE float division a / b: operands are scaled out of the range where the Newton steps lose
// bits, the last step scales back, and special cases are put right. By AMD's ISA text (V_DIV_SCALE_F32 and the others).

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sinter::sim {

struct ScaledOperand {
  float value = 0;
  bool quotient_is_scaled = false;
};

/// `operand` is either the denominator or the numerator.
inline ScaledOperand scale_for_division(float operand, float denominator, float numerator) {
  constexpr int kScale = 64;
  const auto bits = [](float x) { return std::bit_cast<std::uint32_t>(x); };
  const auto exponent = [bits](float x) { return static_cast<int>(bits(x) >> 23 & 0xff); };
  const auto is_subnormal = [](float x) { return std::fpclassify(x) == FP_SUBNORMAL; };
  const bool is_denominator = bits(operand) == bits(denominator);
  const bool is_numerator = bits(operand) == bits(numerator);
  if (denominator == 0 || numerator == 0) {
    return {std::numeric_limits<float>::quiet_NaN(), false};
  }
  if (exponent(numerator) - exponent(denominator) >= 96) {
    return {is_denominator ? std::ldexp(operand, kScale) : operand, true};
  }
  if (is_subnormal(denominator)) {
    return {std::ldexp(operand, kScale), false};
  }
  const bool is_reciprocal_subnormal = is_subnormal(1.0F / denominator);
  const bool is_quotient_subnormal = is_subnormal(numerator / denominator);
  if (is_reciprocal_subnormal && is_quotient_subnormal) {
    return {is_denominator ? std::ldexp(operand, kScale) : operand, true};
  }
  if (is_reciprocal_subnormal) {
    return {std::ldexp(operand, -kScale), false};
  }
  if (is_quotient_subnormal) {
    return {is_numerator ? std::ldexp(operand, kScale) : operand, true};
  }
  if (exponent(numerator) <= 23) {
    return {std::ldexp(operand, kScale), false};
  }
  return {operand, false};
}

/// a * b + c, scaled back if the quotient was scaled: up for a large one, down for a small one. Rounded once.
inline float fused_division_step(float a, float b, float c, bool is_scaled) {
  if (!is_scaled) {
    return std::fma(a, b, c);
  }
  const double exact = std::fma(double{a}, double{b}, double{c});
  return static_cast<float>(std::ldexp(exact, std::fabs(c) >= 2.0F ? 64 : -64));
}

/// The quotient with the sign and the special values of numerator / denominator.
inline float finish_division(float quotient, float denominator, float numerator) {
  const float sign = std::signbit(denominator) != std::signbit(numerator) ? -1.0F : 1.0F;
  if (std::isnan(numerator) || std::isnan(denominator)) {
    return std::isnan(numerator) ? numerator : denominator;
  }
  if ((denominator == 0 && numerator == 0) || (std::isinf(denominator) && std::isinf(numerator))) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  if (denominator == 0 || std::isinf(numerator)) {
    return sign * std::numeric_limits<float>::infinity();
  }
  if (std::isinf(denominator) || numerator == 0) {
    return sign * 0.0F;
  }
  return std::copysign(quotient, sign);
}

}  // namespace sinter::sim
