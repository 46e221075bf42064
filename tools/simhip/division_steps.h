// SPDX-License-Identifier: Apache-2.0
#pragma once

// The three helpers of an IEEE division a / b: operands are scaled out of the range where the Newton steps lose bits,
// the last step scales back, and special cases are put right. By AMD's ISA text (V_DIV_SCALE_F32, V_DIV_SCALE_F64 and
// the others).

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sinter::sim {

/// The ISA's numbers for a format.
template <class Float>
struct DivisionLimits;

template <>
struct DivisionLimits<float> {
  using Bits = std::uint32_t;
  using Exact = double;  ///< Holds a product of two, and a sum well enough to be rounded again.
  static constexpr int kMantissaBits = 23, kExponentMask = 0xff, kScale = 64, kFar = 96, kSmall = 23;
};

template <>
struct DivisionLimits<double> {
  using Bits = std::uint64_t;
  __extension__ using Exact = __float128;
  static constexpr int kMantissaBits = 52, kExponentMask = 0x7ff, kScale = 128, kFar = 768, kSmall = 53;
};

template <class Float>
struct ScaledOperand {
  Float value = 0;
  bool quotient_is_scaled = false;
};

/// `operand` is either the denominator or the numerator.
template <class Float>
ScaledOperand<Float> scale_for_division(Float operand, Float denominator, Float numerator) {
  using Limits = DivisionLimits<Float>;
  constexpr int kScale = Limits::kScale;
  const auto bits = [](Float x) { return std::bit_cast<typename Limits::Bits>(x); };
  const auto exponent = [bits](Float x) {
    return static_cast<int>(bits(x) >> Limits::kMantissaBits & Limits::kExponentMask);
  };
  const auto is_subnormal = [](Float x) { return std::fpclassify(x) == FP_SUBNORMAL; };
  const bool is_denominator = bits(operand) == bits(denominator);
  const bool is_numerator = bits(operand) == bits(numerator);
  if (denominator == 0 || numerator == 0) {
    return {std::numeric_limits<Float>::quiet_NaN(), false};
  }
  if (exponent(numerator) - exponent(denominator) >= Limits::kFar) {
    return {is_denominator ? std::ldexp(operand, kScale) : operand, true};
  }
  if (is_subnormal(denominator)) {
    return {std::ldexp(operand, kScale), false};
  }
  const bool is_reciprocal_subnormal = is_subnormal(Float{1} / denominator);
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
  if (exponent(numerator) <= Limits::kSmall) {
    return {std::ldexp(operand, kScale), false};
  }
  return {operand, false};
}

/// a * b + c, scaled back if the quotient was scaled: up for a large one, down for a small one. Rounded once.
template <class Float>
Float fused_division_step(Float a, Float b, Float c, bool is_scaled) {
  using Exact = typename DivisionLimits<Float>::Exact;
  if (!is_scaled) {
    return std::fma(a, b, c);
  }
  const Exact power = std::ldexp(1.0, DivisionLimits<Float>::kScale);
  const Exact exact = Exact{a} * Exact{b} + Exact{c};
  return static_cast<Float>(std::fabs(c) >= 2 ? exact * power : exact / power);
}

/// The quotient with the sign and the special values of numerator / denominator.
template <class Float>
Float finish_division(Float quotient, Float denominator, Float numerator) {
  const Float sign = std::signbit(denominator) != std::signbit(numerator) ? Float{-1} : Float{1};
  if (std::isnan(numerator) || std::isnan(denominator)) {
    return std::isnan(numerator) ? numerator : denominator;
  }
  if ((denominator == 0 && numerator == 0) || (std::isinf(denominator) && std::isinf(numerator))) {
    return std::numeric_limits<Float>::quiet_NaN();
  }
  if (denominator == 0 || std::isinf(numerator)) {
    return sign * std::numeric_limits<Float>::infinity();
  }
  if (std::isinf(denominator) || numerator == 0) {
    return sign * Float{0};
  }
  return std::copysign(quotient, sign);
}

}  // namespace sinter::sim
