// SPDX-License-Identifier: Apache-2.0
#pragma once

// Element types of matrix instructions: how many bits, and the value of such bits. Made once per instruction that
// executes.

#include <array>
#include <cstdint>

#include "tools/simhip/float8.h"
#include "tools/simhip/float_bits.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

inline constexpr unsigned kRowsTogether = 4;  ///< Rows of D in the registers of a lane.

using Float8Table = std::array<double, 256>;

/// The values of bytes, by format: [e4m3, e5m2] by OCP's rules and by FNUZ's.
inline const Float8Table& float8_table(Float8Kind kind, bool is_fnuz) {
  using enum Float8Kind;
  using enum Float8Rules;
  static const std::array<Float8Table, 4> kTables = {float8_values({kE4m3, kOcp}), float8_values({kE4m3, kFnuz}),
                                                     float8_values({kE5m2, kOcp}), float8_values({kE5m2, kFnuz})};
  return kTables[(kind == kE4m3 ? 0U : 2U) + (is_fnuz ? 1U : 0U)];
}

struct Float32 {
  static constexpr unsigned kBits = 32;
  explicit Float32(const Wave&) {}
  double operator()(std::uint32_t bits) const { return double{as_float(bits)}; }
};

/// The upper 19 bits of a float.
struct Xfloat32 {
  static constexpr unsigned kBits = 32;
  explicit Xfloat32(const Wave&) {}
  double operator()(std::uint32_t bits) const { return double{as_float(bits & 0xffffe000U)}; }
};

struct Bfloat16 {
  static constexpr unsigned kBits = 16;
  explicit Bfloat16(const Wave& wave) : flushes(wave.arch.flushes_bf16_products) {}
  double operator()(std::uint32_t bits) const {
    const bool is_subnormal = (bits & 0x7f80U) == 0;
    return is_subnormal && flushes ? 0.0 : double{as_float(bits << 16)};
  }
  bool flushes;
};

struct Float16 {
  static constexpr unsigned kBits = 16;
  explicit Float16(const Wave& wave) : flushes(wave.arch.flushes_bf16_products) {}
  double operator()(std::uint32_t bits) const {
    const bool is_subnormal = (bits & 0x7c00U) == 0;
    return is_subnormal && flushes ? 0.0 : static_cast<double>(as_half(bits));
  }
  bool flushes;
};

struct Int8 {
  static constexpr unsigned kBits = 8;
  explicit Int8(const Wave&) {}
  double operator()(std::uint32_t bits) const { return static_cast<double>(static_cast<std::int8_t>(bits)); }
};

template <Float8Kind kKind>
struct Float8 {
  static constexpr unsigned kBits = 8;
  explicit Float8(const Wave& wave) : table(float8_table(kKind, wave.arch.has_fnuz_fp8)) {}
  double operator()(std::uint32_t bits) const { return table[bits]; }
  const Float8Table& table;
};

using Fp8 = Float8<Float8Kind::kE4m3>;
using Bf8 = Float8<Float8Kind::kE5m2>;

/// Element `item` of a lane.
template <class Element>
double element_at(const Wave& wave, const Operand& operand, const Element& element, unsigned lane, unsigned item) {
  constexpr unsigned kPerDword = 32 / Element::kBits;
  const std::uint32_t bits = wave.vectors[operand.index + item / kPerDword][lane] >> (item % kPerDword * Element::kBits);
  if constexpr (Element::kBits == 32) {
    return element(bits);
  } else {
    return element(bits & ((1U << Element::kBits) - 1));
  }
}

}  // namespace sinter::sim
