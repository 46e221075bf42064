// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two e4m3 formats: OCP (bias 7, NaN 0x7f and 0xff, -0 exists) and FNUZ (bias 8, NaN 0x80, no -0).

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sinter::sim {

enum class Float8Format : std::uint8_t { kOcp, kFnuz };

inline int bias_of(Float8Format format) { return format == Float8Format::kOcp ? 7 : 8; }

/// The value of a byte.
inline double decode_float8(std::uint8_t byte, Float8Format format) {
  const bool is_nan = format == Float8Format::kOcp ? (byte & 0x7fU) == 0x7fU : byte == 0x80;
  if (is_nan) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const int exponent = byte >> 3 & 15, mantissa = byte & 7;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -2 - bias_of(format))
                                         : std::ldexp(8 + mantissa, exponent - bias_of(format) - 3);
  return (byte & 0x80U) != 0 ? -magnitude : magnitude;
}

/// The values of all bytes.
inline std::array<double, 256> float8_values(Float8Format format) {
  std::array<double, 256> values{};
  for (unsigned byte = 0; byte < values.size(); ++byte) {
    values[byte] = decode_float8(static_cast<std::uint8_t>(byte), format);
  }
  return values;
}

/// Nearest byte, ties to even; too large is the largest, which is what the conversion does with clamping on. Callers
/// that need more have to keep to its range.
inline std::uint8_t encode_float8(float value, Float8Format format) {
  const auto sign = static_cast<unsigned>(std::signbit(value)) << 7;
  if (std::isnan(value)) {
    return static_cast<std::uint8_t>(format == Float8Format::kOcp ? sign | 0x7fU : 0x80U);
  }
  const double largest = format == Float8Format::kOcp ? 448 : 240;
  const double magnitude = std::fmin(std::fabs(double{value}), largest);
  const int lowest = 1 - bias_of(format);
  const int exponent = magnitude == 0 ? lowest : std::max(std::ilogb(magnitude), lowest);
  // In units of the last place: 8 to 16 for normal numbers, 16 being the next exponent's 8.
  const auto units = static_cast<unsigned>(std::nearbyint(std::ldexp(magnitude, 3 - exponent)));
  const unsigned code = units + (static_cast<unsigned>(exponent - lowest) << 3);
  const bool has_sign = code != 0 || format == Float8Format::kOcp;
  return static_cast<std::uint8_t>(code | (has_sign ? sign : 0));
}

}  // namespace sinter::sim
