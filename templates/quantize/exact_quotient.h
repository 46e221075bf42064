// SPDX-License-Identifier: Apache-2.0
#pragma once

// x / scale rounded as IEEE division rounds it, for many x and one scale, in three operations instead of about ten.
// Needs SINTER_DEVICE; has no other dependency, so a host test can run it against the host's division.

namespace sinter {

/// A divisor prepared for quotient(). Made by make_divisor().
struct Divisor {
  float up;          ///< Power of two that x is multiplied with first.
  float divisor;     ///< up * divisor.
  float reciprocal;  ///< 1 / divisor, correctly rounded.
};

/// Scales below this are lifted, so that neither 1 / scale overflows nor a remainder underflows.
inline constexpr float kTinyScale = 0x1p-60f;
inline constexpr float kLift = 0x1p100f;

/// Factor that lifts `scale` into the range where the three operations are exact; 1 if no scale can be tiny.
template <bool kMayBeTiny>
SINTER_DEVICE float lift_of(float scale) {
  return kMayBeTiny && scale < kTinyScale ? kLift : 1.0f;
}

/// `factor` is a power of two: quotient() will be x / scale * factor, in the same three operations.
///
/// Infinite scales give +-0 for every finite x.
template <bool kMayBeTiny>
SINTER_DEVICE Divisor make_divisor(float scale, float factor) {
  const float up = lift_of<kMayBeTiny>(scale);
  const float divisor = scale * up * (1.0f / factor);
  if (scale > 0x1.fffffep127f) return {1.0f, 0.0f, 0.0f};
  return {up, divisor, 1.0f / divisor};
}

/// x / scale * factor with one rounding and the sign of x, for finite |x| <= 512 * scale.
///
/// Markstein's theorem: with a correctly rounded reciprocal, one correction of x * reciprocal by its exact remainder
/// gives the correctly rounded quotient. Quotients below 2^-24 may be off, far below what e4m3 can tell from zero.
SINTER_DEVICE float quotient(float x, const Divisor& by) {
  const float lifted = x * by.up;
  const float estimate = lifted * by.reciprocal;
  const float remainder = __builtin_fmaf(-estimate, by.divisor, lifted);
  return __builtin_copysignf(__builtin_fmaf(remainder, by.reciprocal, estimate), x);
}

}  // namespace sinter
