// SPDX-License-Identifier: Apache-2.0

// Conversions between number formats in vector registers; those of 8 bits and less are in packed_ops.cpp.

#include <algorithm>
#include <cmath>
#include <limits>

#include "tools/simhip/float_bits.h"
#include "tools/simhip/lane_loops.h"
#include "tools/simhip/opcode.h"

namespace sinter::sim {

namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;

/// Toward zero, saturating; NaN is 0.
template <class To>
u32 truncated(double x) {
  if (std::isnan(x)) {
    return 0;
  }
  const auto limit = static_cast<double>(std::numeric_limits<To>::max());
  const auto floor = static_cast<double>(std::numeric_limits<To>::min());
  return static_cast<u32>(static_cast<To>(std::clamp(std::trunc(x), floor, limit)));
}

template <unsigned kByte>
u32 byte_to_float(u32 a) {
  return as_bits(static_cast<float>(a >> (8 * kByte) & 0xff));
}

/// To 16 bits toward zero: finite numbers stay finite.
u32 half_toward_zero(u32 a) {
  const float x = as_float(a);
  const u32 nearest = half_bits(x);
  const bool is_larger = std::fabs(static_cast<float>(as_half(nearest))) > std::fabs(x);
  return is_larger ? nearest - 1 : nearest;
}

/// Into [0, 255], to nearest, at the byte that b names.
u32 pack_byte(u32 a, u32 b, u32 c) {
  const float x = as_float(a);
  const auto value = static_cast<u32>(std::isnan(x) ? 0.0F : std::clamp(std::nearbyint(x), 0.0F, 255.0F));
  const unsigned shift = 8 * (b & 3);
  return (c & ~(0xffU << shift)) | value << shift;
}

u32 wide_bits(u32 half) { return as_bits(static_cast<float>(as_half(half))); }

u32 normalized(u32 a, float scale, float least) {
  const float x = as_float(a);
  return std::isnan(x) ? 0
                       : as_unsigned(static_cast<i32>(std::nearbyint(std::clamp(x, least, 1.0F) * scale))) & 0xffff;
}

/// A 64-bit float from a 32-bit source.
template <auto kConversion>
u64 widened(const Wave& wave, const Instruction& i, unsigned lane) {
  u32 bits = in_lane(wave, i.operands[1], lane);
  bits = i.operands[1].absolute ? bits & 0x7fffffffU : bits;
  bits ^= i.operands[1].negate ? 0x80000000U : 0;
  return std::bit_cast<u64>(static_cast<double>(kConversion(bits)));
}

double double_in_lane(const Wave& wave, const Operand& operand, unsigned lane) {
  const double value = std::bit_cast<double>(wave.source64(operand, lane));
  const double magnitude = operand.absolute ? std::fabs(value) : value;
  return operand.negate ? -magnitude : magnitude;
}

/// 32 bits from a 64-bit float.
template <auto kConversion>
void narrowed(Wave& wave, const Instruction& i) {
  Lane result{};
  for_active_lanes(wave, [&](unsigned lane) { result[lane] = kConversion(double_in_lane(wave, i.operands[1], lane)); });
  wave.write(i, result);
}

constexpr std::uint32_t kFloat = kLaneForms | kFloatOutput;

constexpr Opcode kAll[] = {
    {"v_cvt_f32_i32", "vs", unary<([](u32 a) { return as_bits(static_cast<float>(as_signed(a))); })>, kFloat},
    {"v_cvt_f32_u32", "vs", unary<([](u32 a) { return as_bits(static_cast<float>(a)); })>, kFloat},
    {"v_cvt_i32_f32", "vf", unary<([](u32 a) { return truncated<i32>(double{as_float(a)}); })>, kLaneForms},
    {"v_cvt_u32_f32", "vf", unary<([](u32 a) { return truncated<u32>(double{as_float(a)}); })>, kLaneForms},
    {"v_cvt_flr_i32_f32", "vf", unary<([](u32 a) { return truncated<i32>(std::floor(double{as_float(a)})); })>,
     kLaneForms},
    {"v_cvt_rpi_i32_f32", "vf", unary<([](u32 a) { return truncated<i32>(std::floor(double{as_float(a)} + 0.5)); })>,
     kLaneForms},
    {"v_cvt_f32_ubyte0", "vs", unary<byte_to_float<0>>, kFloat},
    {"v_cvt_f32_ubyte1", "vs", unary<byte_to_float<1>>, kFloat},
    {"v_cvt_f32_ubyte2", "vs", unary<byte_to_float<2>>, kFloat},
    {"v_cvt_f32_ubyte3", "vs", unary<byte_to_float<3>>, kFloat},
    {"v_cvt_pk_u8_f32", "vfss", ternary<pack_byte>},
    {"v_cvt_pknorm_i16_f32", "vff", binary<([](u32 a, u32 b) {
       return normalized(a, 32767, -1) | normalized(b, 32767, -1) << 16;
     })>},
    {"v_cvt_pknorm_u16_f32", "vff", binary<([](u32 a, u32 b) {
       return normalized(a, 65535, 0) | normalized(b, 65535, 0) << 16;
     })>},
    {"v_cvt_pk_u16_u32", "vss", binary<([](u32 a, u32 b) {
       return std::min(a, 0xffffU) | std::min(b, 0xffffU) << 16;
     })>},
    {"v_cvt_pk_i16_i32", "vss", binary<([](u32 a, u32 b) {
       const auto narrow = [](u32 x) { return as_unsigned(std::clamp(as_signed(x), -32768, 32767)) & 0xffff; };
       return narrow(a) | narrow(b) << 16;
     })>},
    {"v_cvt_pk_bf16_f32", "vff", binary<([](u32 a, u32 b) {
       return brain_float(as_float(a)) | brain_float(as_float(b)) << 16;
     })>},
    {"v_cvt_pk_f16_f32", "vff", binary<([](u32 a, u32 b) {
       return u32{half_bits(as_float(a))} | u32{half_bits(as_float(b))} << 16;
     })>},
    // 16 bits.
    {"v_cvt_f16_f32", "vf", unary<([](u32 a) { return half_bits(as_float(a)); })>, kLaneForms},
    {"v_cvt_f32_f16", "vg", unary<([](u32 a) { return as_bits(static_cast<float>(as_half(a))); })>, kFloat},
    {"v_cvt_f32_bf16", "vh", unary<([](u32 a) { return a << 16; })>, kLaneForms},
    // A number of 4 bits with a sign, in sixteenths.
    {"v_cvt_off_f32_i4", "vs", unary<([](u32 a) {
       return as_bits(static_cast<float>(as_signed(a << 28) >> 28) / 16);
     })>, kLaneForms},
    {"v_cvt_norm_i16_f16", "vg", unary<([](u32 a) { return normalized(wide_bits(a), 32767, -1); })>, kLaneForms},
    {"v_cvt_norm_u16_f16", "vg", unary<([](u32 a) { return normalized(wide_bits(a), 65535, 0); })>, kLaneForms},
    {"v_cvt_pknorm_i16_f16", "vgg", binary<([](u32 a, u32 b) {
       return normalized(wide_bits(a), 32767, -1) | normalized(wide_bits(b), 32767, -1) << 16;
     })>, kOpSel},
    {"v_cvt_pknorm_u16_f16", "vgg", binary<([](u32 a, u32 b) {
       return normalized(wide_bits(a), 65535, 0) | normalized(wide_bits(b), 65535, 0) << 16;
     })>, kOpSel},
    {"v_cvt_pkrtz_f16_f32", "vff", binary<([](u32 a, u32 b) {
       return half_toward_zero(a) | half_toward_zero(b) << 16;
     })>, kLaneForms},
    {"v_cvt_f16_u16", "vh", unary<([](u32 a) { return half_bits(static_cast<float>(a & 0xffff)); })>, kLaneForms},
    {"v_cvt_f16_i16", "vh", unary<([](u32 a) {
       return half_bits(static_cast<float>(static_cast<std::int16_t>(a)));
     })>, kLaneForms},
    {"v_cvt_u16_f16", "vg", unary<([](u32 a) {
       return truncated<std::uint16_t>(static_cast<double>(as_half(a))) & 0xffff;
     })>, kLaneForms},
    {"v_cvt_i16_f16", "vg", unary<([](u32 a) {
       return truncated<std::int16_t>(static_cast<double>(as_half(a))) & 0xffff;
     })>, kLaneForms},
    // 64 bits.
    {"v_cvt_f64_f32", "Vf", wide<widened<([](u32 a) { return as_float(a); })>>},
    {"v_cvt_f64_i32", "Vs", wide<widened<([](u32 a) { return as_signed(a); })>>},
    {"v_cvt_f64_u32", "Vs", wide<widened<([](u32 a) { return a; })>>},
    {"v_cvt_f32_f64", "vp", narrowed<([](double x) { return as_bits(static_cast<float>(x)); })>, kFloatOutput},
    {"v_cvt_i32_f64", "vp", narrowed<([](double x) { return truncated<i32>(x); })>},
    {"v_cvt_u32_f64", "vp", narrowed<([](double x) { return truncated<u32>(x); })>},
    {"v_frexp_exp_i32_f64", "vp", narrowed<([](double x) {
       int exponent = 0;
       static_cast<void>(std::frexp(std::isfinite(x) ? x : 0.0, &exponent));
       return as_unsigned(exponent);
     })>},
};

}  // namespace

std::span<const Opcode> convert_opcodes() { return kAll; }

}  // namespace sinter::sim
