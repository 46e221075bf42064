// SPDX-License-Identifier: Apache-2.0
#pragma once

// Floats of 8, 6 and 4 bits. Of 8 bits there are e4m3 and e5m2, each by two rules: OCP's (bias 7 and 15; -0, NaN at the
// top, e5m2 has infinities) and FNUZ (bias 8 and 16; 0x80 is NaN, no -0, no infinities). e2m3, e3m2 and e2m1 are OCP's
// microscaling formats, which have neither NaN nor infinities.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sinter::sim {

enum class Float8Rules : std::uint8_t { kOcp, kFnuz };
enum class Float8Kind : std::uint8_t { kE4m3, kE5m2, kE2m3, kE3m2, kE2m1 };

struct Float8Format {
  Float8Kind kind = Float8Kind::kE4m3;
  Float8Rules rules = Float8Rules::kOcp;
};

struct Float8Layout {
  int exponent_bits = 0, mantissa_bits = 0, bias = 0;
  double largest = 0;

  constexpr int bits() const { return 1 + exponent_bits + mantissa_bits; }
};

constexpr Float8Layout layout_of(Float8Format format) {
  const bool is_fnuz = format.rules == Float8Rules::kFnuz;
  switch (format.kind) {
    case Float8Kind::kE4m3: return {4, 3, is_fnuz ? 8 : 7, is_fnuz ? 240.0 : 448.0};
    case Float8Kind::kE5m2: return {5, 2, is_fnuz ? 16 : 15, 57344.0};
    case Float8Kind::kE2m3: return {2, 3, 1, 7.5};
    case Float8Kind::kE3m2: return {3, 2, 3, 28.0};
    case Float8Kind::kE2m1: return {2, 1, 1, 6.0};
  }
  return {};
}

/// The value of a code, in the lowest bits.
inline double decode_float8(std::uint8_t code, Float8Format format) {
  const Float8Layout layout = layout_of(format);
  const unsigned sign_bit = 1U << (layout.bits() - 1), magnitude_bits = code & (sign_bit - 1);
  const bool is_negative = (code & sign_bit) != 0;
  const bool is_ocp = format.rules == Float8Rules::kOcp;
  if (!is_ocp && magnitude_bits == 0 && is_negative) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (is_ocp && format.kind == Float8Kind::kE4m3 && magnitude_bits == 0x7f) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const int exponent = static_cast<int>(magnitude_bits) >> layout.mantissa_bits;
  const int mantissa = static_cast<int>(magnitude_bits) & ((1 << layout.mantissa_bits) - 1);
  double magnitude = exponent == 0 ? std::ldexp(mantissa, 1 - layout.bias - layout.mantissa_bits)
                                   : std::ldexp((1 << layout.mantissa_bits) + mantissa,
                                                exponent - layout.bias - layout.mantissa_bits);
  if (is_ocp && format.kind == Float8Kind::kE5m2 && exponent == 31) {
    magnitude = mantissa == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  return is_negative ? -magnitude : magnitude;
}

/// The values of all codes.
inline std::array<double, 256> float8_values(Float8Format format) {
  std::array<double, 256> values{};
  const unsigned codes = 1U << layout_of(format).bits();
  for (unsigned code = 0; code < codes; ++code) {
    values[code] = decode_float8(static_cast<std::uint8_t>(code), format);
  }
  return values;
}

/// Nearest code, ties to even; too large is the largest, which is what conversions do with clamping on. Callers that
/// need more have to keep to its range.
inline std::uint8_t encode_float8(double value, Float8Format format) {
  const Float8Layout layout = layout_of(format);
  const auto sign = static_cast<unsigned>(std::signbit(value)) << (layout.bits() - 1);
  if (std::isnan(value)) {
    return static_cast<std::uint8_t>(format.rules == Float8Rules::kOcp ? sign | 0x7fU : 0x80U);
  }
  const double magnitude = std::fmin(std::fabs(value), layout.largest);
  const int lowest = 1 - layout.bias;
  const int exponent = magnitude == 0 ? lowest : std::max(std::ilogb(magnitude), lowest);
  // In units of the last place: once to twice 2^mantissa_bits for normal numbers, twice being the next exponent's once.
  const auto units = static_cast<unsigned>(std::nearbyint(std::ldexp(magnitude, layout.mantissa_bits - exponent)));
  const unsigned code = units + (static_cast<unsigned>(exponent - lowest) << layout.mantissa_bits);
  const bool has_sign = code != 0 || format.rules == Float8Rules::kOcp;
  return static_cast<std::uint8_t>(code | (has_sign ? sign : 0));
}

}  // namespace sinter::sim
