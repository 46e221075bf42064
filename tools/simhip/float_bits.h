// SPDX-License-Identifier: Apache-2.0
#pragma once

// Registers hold bits; these read them as numbers and back.

#include <bit>
#include <cstdint>

namespace sinter::sim {

/// IEEE binary16; the compiler's conversions round to nearest, ties to even.
using Half = _Float16;

inline float as_float(std::uint32_t bits) { return std::bit_cast<float>(bits); }
inline std::uint32_t as_bits(float value) { return std::bit_cast<std::uint32_t>(value); }
inline std::int32_t as_signed(std::uint32_t bits) { return static_cast<std::int32_t>(bits); }
inline std::uint32_t as_unsigned(std::int32_t value) { return static_cast<std::uint32_t>(value); }

/// The low 16 bits as a number, and a number rounded to 16 bits.
inline Half as_half(std::uint32_t bits) { return std::bit_cast<Half>(static_cast<std::uint16_t>(bits)); }
inline std::uint32_t half_bits(Half value) { return std::bit_cast<std::uint16_t>(value); }
inline std::uint32_t half_bits(float value) { return half_bits(static_cast<Half>(value)); }
inline std::uint32_t half_bits(double value) { return half_bits(static_cast<Half>(value)); }

/// A number rounded to bf16, to nearest, ties to even.
inline std::uint32_t brain_float(float value) {
  const std::uint32_t bits = as_bits(value);
  const bool is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
  return is_nan ? (bits | 0x400000U) >> 16 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

}  // namespace sinter::sim
