// SPDX-License-Identifier: Apache-2.0
#pragma once

// e4m3 (OCP e4m3fn: largest finite 448, NaN 0x7f, no infinity) on NVIDIA GPUs. Conversion instructions exist from sm_89
// on; the code for older ones gives the same bits.

#include "sinter_device/nvidia.h"

namespace sinter {

#if __CUDA_ARCH__ >= 890
inline constexpr bool kHasE4m3Convert = true;
#else
inline constexpr bool kHasE4m3Convert = false;
#endif

/// decode_e4m3() gives values times this; exact, since it is a power of two.
inline constexpr float kE4m3DecodeFactor = kHasE4m3Convert ? 1.0f : 1.0f / 256;

/// Decodes four e4m3 bytes to two registers of fp16 pairs, exactly up to kE4m3DecodeFactor; NaN stays NaN.
///
/// Which byte lands where depends on the arch, but not on the values: operands decoded alike match.
SINTER_DEVICE void decode_e4m3(U32 bytes, U32& first, U32& second) {
  if constexpr (kHasE4m3Convert) {
    asm("{ .reg .b16 low, high; mov.b32 {low, high}, %2; cvt.rn.f16x2.e4m3x2 %0, low; cvt.rn.f16x2.e4m3x2 %1, high; }"
        : "=r"(first), "=r"(second)
        : "r"(bytes));
  } else {
    // e4m3's exponent and mantissa in the middle of fp16's are the same number with another bias: times 2^(7 - 15).
    // Subnormals too. Only NaN (0x7f) would become 480 / 256: times 36864 it and no other value overflows fp16, and
    // infinity times zero is the NaN to add.
    const U32 even = ((bytes << 7) & 0x3f803f80) | ((bytes << 8) & 0x80008000);
    const U32 odd = ((bytes >> 1) & 0x3f803f80) | (bytes & 0x80008000);
    asm("{ .reg .b32 large; mul.rn.f16x2 large, %1, %2; fma.rn.f16x2 %0, large, %3, %1; }"
        : "=r"(first)
        : "r"(even), "r"(0x78807880), "r"(0));
    asm("{ .reg .b32 large; mul.rn.f16x2 large, %1, %2; fma.rn.f16x2 %0, large, %3, %1; }"
        : "=r"(second)
        : "r"(odd), "r"(0x78807880), "r"(0));
  }
}

/// fp32 to e4m3, to nearest, ties to even, saturating at 448 (infinity too); any NaN is 0x7f.
SINTER_DEVICE U32 encode_e4m3(float value) {
  const U32 bits = float_bits(value);
  const U32 magnitude = bits & 0x7fffffff;
  // Below 2^-6 values are multiples of 2^-9: that is the last bit of floats around 2^14, which the sum rounds to.
  const U32 subnormal = float_bits(bits_float(magnitude) + 16384.0f) - float_bits(16384.0f);
  const U32 rounded = ((magnitude + 0x7ffff + ((magnitude >> 20) & 1)) >> 20) - (120u << 3);
  const U32 normal = rounded < 0x7e ? rounded : 0x7e;
  const U32 out = (magnitude < 0x3c800000 ? subnormal : normal) | ((bits >> 24) & 0x80);
  return magnitude > 0x7f800000 ? 0x7f : out;
}

/// Two fp32 as e4m3, `low` in the lower byte of 16 bits.
SINTER_DEVICE U32 encode_e4m3x2(float low, float high) {
  if constexpr (kHasE4m3Convert) {
    U16 out;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(out) : "f"(high), "f"(low));
    return out;
  } else {
    return encode_e4m3(low) | (encode_e4m3(high) << 8);
  }
}

}  // namespace sinter
