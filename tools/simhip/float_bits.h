// SPDX-License-Identifier: Apache-2.0
#pragma once

// Registers hold bits; these read them as numbers and back.

#include <bit>
#include <cstdint>

namespace sinter::sim {

inline float as_float(std::uint32_t bits) { return std::bit_cast<float>(bits); }
inline std::uint32_t as_bits(float value) { return std::bit_cast<std::uint32_t>(value); }
inline std::int32_t as_signed(std::uint32_t bits) { return static_cast<std::int32_t>(bits); }
inline std::uint32_t as_unsigned(std::int32_t value) { return static_cast<std::uint32_t>(value); }

}  // namespace sinter::sim
