// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>

#define SINTER_DEVICE static inline
#include "templates/quantize/exact_quotient.h"

using namespace sinter;

namespace {

constexpr std::uint32_t kLargestBf16 = 0x7f7f;
constexpr std::uint32_t kMantissas = 0x80;  // bf16 values from a power of two to the next

float from_bf16(std::uint32_t bits) { return std::bit_cast<float>(bits << 16); }

/// Elements of a block whose quotient differs from the host's division, down to 2^-20 of the largest: 2^-11, where
/// everything rounds to zero in e4m3.
int wrong_quotients(std::uint32_t amax_bits, float scale, float factor) {
  const Divisor by = make_divisor<true>(scale, factor);
  const std::uint32_t depth = 20 * kMantissas;
  int wrong = 0;
  for (std::uint32_t x = amax_bits > depth ? amax_bits - depth : 0; x <= amax_bits; ++x) {
    const float expected = from_bf16(x) / scale * factor;
    wrong += quotient(from_bf16(x), by) != expected || quotient(-from_bf16(x), by) != -expected;
  }
  return wrong;
}

}  // namespace

TEST_CASE("a block's quotients round like IEEE division, for every mantissa and every range of exponents") {
  int wrong = 0;
  for (std::uint32_t exponent = 0; exponent <= 0xfe; exponent += (exponent < 24 || exponent > 230 ? 1 : 13)) {
    for (std::uint32_t mantissa = 0; mantissa < kMantissas; ++mantissa) {
      const std::uint32_t amax = exponent * kMantissas + mantissa;
      const float scale = from_bf16(amax) / 448.0f;
      if (amax != 0 && amax <= kLargestBf16) {
        wrong += wrong_quotients(amax, scale, 1.0f) + wrong_quotients(amax, scale, 0.5f);
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("a quotient keeps the sign of zero") {
  const Divisor by = make_divisor<false>(0.75f, 1.0f);
  CHECK(std::signbit(quotient(-0.0f, by)));
  CHECK_FALSE(std::signbit(quotient(0.0f, by)));
}

TEST_CASE("an infinite scale makes finite numbers zero") {
  const Divisor by = make_divisor<true>(std::numeric_limits<float>::infinity(), 1.0f);
  CHECK(quotient(std::numeric_limits<float>::max(), by) == 0.0f);
  CHECK(std::signbit(quotient(-1.0f, by)));
}
