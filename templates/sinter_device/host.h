// SPDX-License-Identifier: Apache-2.0
#pragma once

// Host CPU (x86-64) as a target: a block is one call of the entry on one thread of the pool.
//
// Kernels are freestanding: compiled by clang with its vector extensions, linked without any library. Vectors are as
// wide as the target's registers, so one template serves AVX2 and AVX-512.

#define SINTER_DEVICE static inline __attribute__((always_inline))

namespace sinter {

/// The call's place in the launch. Part of the host ABI (runtime/device/thread_pool.h has the same struct).
struct HostBlock {
  unsigned int index;  ///< 0 to count - 1.
  unsigned int count;
  void* scratch;       ///< This thread's own memory, 64-byte aligned, BodyPlan::dynamic_shared_bytes long.
};

using U8 = unsigned char;
using U16 = unsigned short;
using U32 = unsigned int;
static_assert(sizeof(U16) == 2 && sizeof(U32) == 4 && sizeof(void*) == 8, "x86-64 data sizes");

#if defined(__AVX512F__) && defined(__AVX512BW__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX2__) && defined(__FMA__)
inline constexpr int kVectorBytes = 32;
#else
#error "host kernels need x86-64-v3 (AVX2 and FMA) or x86-64-v4 (AVX-512)"
#endif

/// 32-bit lanes of a vector register.
inline constexpr int kLanes = kVectorBytes / 4;

/// `kCount` elements in one vector value.
template <class T, int kCount>
using Vec = T __attribute__((ext_vector_type(kCount)));

using VecF32 = Vec<float, kLanes>;
using VecU32 = Vec<U32, kLanes>;
using VecU16 = Vec<U16, 2 * kLanes>;

/// Reads a vector from memory of any alignment and any declared type.
template <class V>
SINTER_DEVICE V load(const void* from) {
  struct __attribute__((packed, may_alias)) Unaligned {
    V value;
  };
  return static_cast<const Unaligned*>(from)->value;
}

/// Writes a vector to memory of any alignment and any declared type.
template <class V>
SINTER_DEVICE void store(void* to, V value) {
  struct __attribute__((packed, may_alias)) Unaligned {
    V value;
  };
  static_cast<Unaligned*>(to)->value = value;
}

/// The same bits as another vector type of equal size.
template <class To, class From>
SINTER_DEVICE To bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "a bit cast keeps the size");
  return __builtin_bit_cast(To, from);
}

/// Every lane `value`.
SINTER_DEVICE VecF32 splat(float value) { return VecF32(value); }
SINTER_DEVICE VecU32 splat(U32 value) { return VecU32(value); }

/// a * b + c with one rounding, whatever -ffp-contract says.
SINTER_DEVICE VecF32 fma(VecF32 a, VecF32 b, VecF32 c) { return __builtin_elementwise_fma(a, b, c); }

/// Widens kLanes bf16 to fp32; exact.
SINTER_DEVICE VecF32 bf16_to_f32(Vec<U16, kLanes> value) {
  return bits<VecF32>(__builtin_convertvector(value, VecU32) << 16);
}

/// Widens kLanes fp16 to fp32; exact.
SINTER_DEVICE VecF32 f16_to_f32(Vec<U16, kLanes> value) {
  return __builtin_convertvector(bits<Vec<_Float16, kLanes>>(value), VecF32);
}

/// Rounds to fp16, to nearest, ties to even; what is too large becomes infinity.
SINTER_DEVICE Vec<U16, kLanes> f32_to_f16(VecF32 value) {
  return bits<Vec<U16, kLanes>>(__builtin_convertvector(value, Vec<_Float16, kLanes>));
}

/// e to the power of each lane, with about a rounding's error; 0 and infinity where fp32 ends.
SINTER_DEVICE VecF32 exponential(VecF32 value) {
  // 2^n * e^r with n = round(value / ln 2), |r| <= ln 2 / 2. Beyond these bounds the result is 0 or infinity in fp32.
  const VecF32 low = splat(-104.0f), high = splat(89.0f);
  const VecF32 x = value < low ? low : value > high ? high : value;
  const VecF32 magic = splat(12582912.0f);  // 1.5 * 2^23: a sum's last bit counts ones
  const VecF32 n = fma(x, splat(1.44269504f), magic) - magic;
  const VecF32 r = fma(n, splat(-1.42860677e-6f), fma(n, splat(-0.693145752f), x));
  VecF32 p = splat(1.0f / 5040);
  constexpr float kTaylor[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
#pragma unroll
  for (int i = 0; i < 7; ++i) p = fma(p, r, splat(kTaylor[i]));
  // Two powers of two, since one may be below or above what fp32 has.
  using VecI32 = Vec<int, kLanes>;
  const VecI32 exponent = __builtin_convertvector(n, VecI32), half = exponent >> 1;
  const VecF32 first = bits<VecF32>((half + 127) << 23), second = bits<VecF32>((exponent - half + 127) << 23);
  return p * first * second;
}

/// Rounds to bf16, to nearest, ties to even; every NaN becomes a quiet NaN of its sign.
SINTER_DEVICE Vec<U16, kLanes> f32_to_bf16(VecF32 value) {
  const VecU32 in = bits<VecU32>(value);
  const VecU32 rounded = (in + 0x7fff + ((in >> 16) & 1)) >> 16;
  const VecU32 quiet = ((in >> 16) & 0x8000) | 0x7fc0;
  const VecU32 out = (in & 0x7fffffff) > 0x7f800000 ? quiet : rounded;
  return __builtin_convertvector(out, Vec<U16, kLanes>);
}

/// Decodes OCP e4m3 bytes, one in each 16- or 32-bit lane, to bf16 bits; exact. 0x7f and 0xff are NaN.
template <class V>
SINTER_DEVICE V e4m3_to_bf16(V byte) {
  const V sign = (byte & 0x80) << 8;
  const V magnitude = byte & 0x7f;
  // Normal numbers only change the exponent's bias, from 7 to 127. The seven subnormals, m * 2^-9, are linear in m
  // between powers of two: m = 4..7 has exponent -7, m = 2..3 has -8, m = 1 has -9.
  V out = (magnitude << 4) + (120 << 7);
  out = magnitude < 8 ? (magnitude << 5) + (119 << 7) : out;
  out = magnitude < 4 ? (magnitude << 6) + (118 << 7) : out;
  out = magnitude < 2 ? magnitude * (118 << 7) : out;
  out = magnitude == 0x7f ? V(0x7fc0) : out;
  return out | sign;
}

}  // namespace sinter

#define SINTER_KERNEL(name, P)                                                                                    \
  extern "C" __attribute__((visibility("default"))) void name(const void* args, const sinter::HostBlock* block) { \
    sinter::run<P>(*static_cast<const sinter::Args*>(args), *block);                                              \
  }
