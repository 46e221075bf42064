// SPDX-License-Identifier: Apache-2.0
#pragma once

// OCP e4m3 (e4m3fn: bias 7, largest finite 448, NaN 0x7f and 0xff) on three generations of fp8 hardware.
//
//   gfx90a  none: bytes are decoded to bf16 in the loader, encoded in software.
//   gfx942  FNUZ (bias 8, largest 240, no -0; 0x80 is NaN): an OCP byte read as FNUZ is half its value, a product is a
//           quarter, and OCP's -0 would be NaN.
//   gfx950  OCP.
//
// As operands, OCP's NaN bytes read as +-480 on gfx90a and gfx942; on gfx950 they are NaN.

#include "sinter_device/amd.h"

namespace sinter {

#if defined(__gfx942__)
/// What a product of two operands must be multiplied with.
inline constexpr float kFp8ProductScale = 4;
/// Value of an OCP byte that the conversion instruction makes of 1.0.
inline constexpr float kFp8EncodeScale = 0.5f;
#else
inline constexpr float kFp8ProductScale = 1;
inline constexpr float kFp8EncodeScale = 1;
#endif

inline constexpr float kMaxE4m3 = 448;

/// Four OCP bytes as the matrix instruction wants them: on FNUZ hardware -0 (0x80) becomes 0.
SINTER_DEVICE U32 clean_e4m3(U32 bytes) {
#if defined(__gfx942__)
  const U32 magnitudes = bytes & 0x7f7f7f7f;
  const U32 has_magnitude = magnitudes + 0x7f7f7f7f;  // Top bit of each byte; no carry crosses bytes.
  return (bytes & has_magnitude) | magnitudes;
#else
  return bytes;
#endif
}

/// Two OCP bytes, bits 0-7 and 8-15, decoded to two bf16; exact.
///
/// A byte's exponent and mantissa at bf16's place are its value times 2^-120, subnormals included.
SINTER_DEVICE U32 e4m3_to_bf16x2(U32 bytes) {
  const F32x2 small = {bits<float>(((bytes & 0x80) << 24) | ((bytes & 0x7f) << 20)),
                       bits<float>(((bytes & 0x8000) << 16) | ((bytes & 0x7f00) << 12))};
  const F32x2 value = small * 0x1p120f;
  return __builtin_amdgcn_perm(bits<U32>(value.y), bits<U32>(value.x), 0x07060302);
}

/// OCP e4m3 of any float: to nearest, ties to even, saturating at +-448; NaN becomes 0x7f.
SINTER_DEVICE U32 encode_e4m3(float value) {
  const U32 sign = (bits<U32>(value) >> 24) & 0x80;
  const float magnitude = __builtin_fminf(__builtin_fabsf(value), kMaxE4m3);
  // Below 2^-6 the spacing is 2^-9, which is that of floats at 2^14: the addition rounds, the low bits are the code.
  const U32 subnormal = bits<U32>(magnitude + 0x1p14f) & 0xff;
  const U32 in = bits<U32>(magnitude);
  const U32 normal = ((in + 0x7ffff + ((in >> 20) & 1)) >> 20) - ((127 - 7) << 3);
  const U32 code = sign | (magnitude < 0x1p-6f ? subnormal : normal);
  return value != value ? 0x7f : code;
}

/// Four OCP bytes of finite values that are multiplied with kFp8EncodeScale already.
SINTER_DEVICE U32 encode_scaled_e4m3x4(float a, float b, float c, float d) {
#if defined(__gfx90a__)
  return encode_e4m3(a) | (encode_e4m3(b) << 8) | (encode_e4m3(c) << 16) | (encode_e4m3(d) << 24);
#else
  constexpr float kMax = kMaxE4m3 * kFp8EncodeScale;
  int word = __builtin_amdgcn_cvt_pk_fp8_f32(__builtin_amdgcn_fmed3f(a, -kMax, kMax),
                                             __builtin_amdgcn_fmed3f(b, -kMax, kMax), 0, false);
  word = __builtin_amdgcn_cvt_pk_fp8_f32(__builtin_amdgcn_fmed3f(c, -kMax, kMax),
                                         __builtin_amdgcn_fmed3f(d, -kMax, kMax), word, true);
#if defined(__gfx942__)
  // FNUZ has no -0: what rounds to zero lost its sign, which OCP keeps. Any other value has it already.
  const U32 low = __builtin_amdgcn_perm(bits<U32>(b), bits<U32>(a), 0x0c0c0703);
  const U32 high = __builtin_amdgcn_perm(bits<U32>(d), bits<U32>(c), 0x07030c0c);
  return static_cast<U32>(word) | ((low | high) & 0x80808080);
#else
  return static_cast<U32>(word);
#endif
#endif
}

}  // namespace sinter
