// SPDX-License-Identifier: Apache-2.0

// What gfx950 has beyond gfx942: transposing reads of local memory and conversions with a scale. Run once per device.

#include <cmath>

#include "tests/support/device_twin.h"

#define KERNEL                                                                                                \
  "extern \"C\" __attribute__((global, amdgpu_flat_work_group_size(64, 64))) void kernel(const unsigned* in, " \
  "unsigned* out) { const unsigned t = __builtin_amdgcn_workitem_id_x(); "

namespace sinter {
namespace {

using testing::SimulatedAmd;

bool has_gfx950(const SimulatedAmd& amd) { return amd.device().properties.arch == "gfx950"; }

/// Number `item` of so many bits, without gaps.
std::uint32_t bits_at(const std::uint32_t* words, std::size_t item, unsigned bits) {
  std::uint32_t value = 0;
  for (unsigned bit = 0; bit < bits; ++bit) {
    const std::size_t at = item * bits + bit;
    value |= (words[at / 32] >> (at % 32) & 1) << bit;
  }
  return value;
}

std::uint32_t bits_of(float value) { return std::bit_cast<std::uint32_t>(value); }

/// What lane 0 stores in `out[0]` to `out[words - 1]`; `in` has these words.
std::vector<std::uint32_t> stored(const SimulatedAmd& amd, const std::string& body,
                                  const std::vector<std::uint32_t>& in, std::size_t words) {
  return testing::run_on_device(
      amd,
      "typedef float F2 __attribute__((ext_vector_type(2))); typedef _Float16 H2 __attribute__((ext_vector_type(2))); "
      "typedef float F16 __attribute__((ext_vector_type(16))); typedef float F32 __attribute__((ext_vector_type(32))); "
      "typedef unsigned U6 __attribute__((ext_vector_type(6))); " KERNEL
      "const float* f = (const float*)in; if (t == 0) { " + body + " } }",
      in, words);
}

}  // namespace

// 16 lanes read a matrix of 16 columns, row after row; a lane gets a column.
TEST_CASE("transposing reads give each lane of 16 a column of what the lanes read") {
  const SimulatedAmd amd;
  if (!has_gfx950(amd)) {
    return;
  }
  struct Case {
    std::string name;
    unsigned words, bits;
  };
  const std::vector<std::uint32_t> in = testing::random_words(64 * 3, 6);
  for (const Case& one : {Case{"ds_read_b64_tr_b16", 2, 16}, Case{"ds_read_b64_tr_b8", 2, 8},
                          Case{"ds_read_b64_tr_b4", 2, 4}, Case{"ds_read_b96_tr_b6", 3, 6}}) {
    CAPTURE(one.name);
    const std::string words = std::to_string(one.words);
    const std::vector<std::uint32_t> out = testing::run_on_device(
        amd,
        "typedef unsigned V __attribute__((ext_vector_type(" + words + "))); " KERNEL
        "static __attribute__((shared)) unsigned x[64 * 3 + 4]; for (int w = 0; w < 3; ++w) { x[4 + t * 3 + w] = "
        "in[t * 3 + w]; } V v; asm volatile(\"s_waitcnt lgkmcnt(0)\\n" + one.name +
        " %0, %1 offset:16\\ns_waitcnt lgkmcnt(0)\" : \"=v\"(v) : \"v\"((__attribute__((address_space(3))) unsigned*)x + "
        "t * " + words + ") : \"memory\"); for (int w = 0; w < " + words + "; ++w) { out[t * " + words +
        " + w] = v[w]; } }",
        in, 64 * one.words);
    const unsigned rows = one.words * 32 / one.bits;
    for (unsigned lane = 0; lane < 64; ++lane) {
      const std::uint32_t* const matrix = in.data() + lane / 16 * 16 * one.words;
      for (unsigned row = 0; row < rows; ++row) {
        CHECK(bits_at(out.data() + lane * one.words, row, one.bits) ==
              bits_at(matrix, row * 16 + lane % 16, one.bits));
      }
    }
  }
}

TEST_CASE("narrow numbers become wide ones times the scale") {
  const SimulatedAmd amd;
  if (!has_gfx950(amd)) {
    return;
  }
  // e4m3: 0x38 is 1, 0x3c 1.5, 0xc0 -2, 0x08 2^-6; e5m2: 0x3c 1, 0xc0 -2; e2m1: 2 is 1, 3 1.5, 7 6, 9 -0.5.
  const std::vector<std::uint32_t> in = {0x08c03c38, bits_of(8.0F), 0x9732, bits_of(0.25F), 0x3cc0, bits_of(1.9F)};
  const std::vector<std::uint32_t> out = stored(
      amd,
      "float* o = (float*)out; o[0] = __builtin_amdgcn_cvt_scalef32_f32_fp8(in[0], f[1], 0); "
      "o[1] = __builtin_amdgcn_cvt_scalef32_f32_fp8(in[0], f[1], 1); o[2] = "
      "__builtin_amdgcn_cvt_scalef32_f32_fp8(in[0], f[1], 2); "
      "o[3] = __builtin_amdgcn_cvt_scalef32_f32_fp8(in[0], f[1], 3); "
      "F2 a = __builtin_amdgcn_cvt_scalef32_pk_f32_fp8(in[0], f[1], true); o[4] = a.x; o[5] = a.y; "
      "F2 b = __builtin_amdgcn_cvt_scalef32_pk_f32_fp4(in[2], f[3], 0); o[6] = b.x; o[7] = b.y; "
      "F2 c = __builtin_amdgcn_cvt_scalef32_pk_f32_fp4(in[2], f[3], 1); o[8] = c.x; o[9] = c.y; "
      "F2 d = __builtin_amdgcn_cvt_scalef32_pk_f32_bf8(in[4], f[5], false); o[10] = d.x; o[11] = d.y; "
      "H2 h = {1, 2}; h = __builtin_amdgcn_cvt_scalef32_f16_fp8(h, in[0], f[1], 1, true); "
      "o[12] = (float)h.x; o[13] = (float)h.y;",
      in, 14);
  // The scale of 1.9 is that of its exponent, 1.
  const float expected[] = {8, 12, -16, 0.125F, -16, 0.125F, 0.25F, 0.375F, 1.5F, -0.125F, -2, 1, 1, 12};
  for (std::size_t i = 0; i < std::size(expected); ++i) {
    CAPTURE(i);
    CHECK(std::bit_cast<float>(out[i]) == expected[i]);
  }
}

TEST_CASE("wide numbers become narrow ones after division by the scale, to nearest, and the rest of the register stays") {
  const SimulatedAmd amd;
  if (!has_gfx950(amd)) {
    return;
  }
  const std::vector<std::uint32_t> in = {0x11223344, bits_of(12.0F), bits_of(-100.0F), bits_of(4.0F), bits_of(2.5F)};
  const std::vector<std::uint32_t> out = stored(
      amd,
      "typedef short S2 __attribute__((ext_vector_type(2))); "
      "out[0] = __builtin_bit_cast(unsigned, __builtin_amdgcn_cvt_scalef32_pk_fp8_f32(__builtin_bit_cast(S2, in[0]), "
      "f[1], f[2], f[3], true)); "
      "out[1] = __builtin_amdgcn_cvt_scalef32_pk_fp4_f32(in[0], f[1], f[2], f[3], 2); "
      "out[2] = __builtin_amdgcn_cvt_scalef32_pk_fp4_f32(in[0], f[4], f[4], 1.0f, 3); "
      "out[3] = __builtin_amdgcn_cvt_scalef32_pk_fp4_f16(in[0], H2{(_Float16)12, (_Float16)-100}, f[3], 1);",
      in, 4);
  CHECK(out[0] == 0xdc443344);  // 12 / 4 is 3, 0x44; -25 lies between -24, 0xdc, and -26: even is -24
  CHECK(out[1] == 0x11f53344);  // 3 is 5; -25 is beyond -6, 15
  CHECK(out[2] == 0x44223344);  // 2.5 lies between 2, 4, and 3: even is 2
  CHECK(out[3] == 0x1122f544);
}

TEST_CASE("numbers of 6 bits come from two sources in turn and go back to their places") {
  const SimulatedAmd amd;
  if (!has_gfx950(amd)) {
    return;
  }
  // e2m3: every code that is not negative, and 2^-1 of it as the scale.
  std::vector<std::uint32_t> in(32);
  for (unsigned code = 0; code < 32; ++code) {
    const int exponent = static_cast<int>(code >> 3), mantissa = static_cast<int>(code & 7);
    const double value = exponent == 0 ? mantissa / 8.0 : std::ldexp(8 + mantissa, exponent - 4);
    in[code] = bits_of(static_cast<float>(value / 2));
  }
  const std::vector<std::uint32_t> out = stored(
      amd,
      "F16 a, b; for (int i = 0; i < 16; ++i) { a[i] = f[2 * i]; b[i] = f[2 * i + 1]; } "
      "const auto packed = __builtin_amdgcn_cvt_scalef32_2xpk16_fp6_f32(a, b, 0.5f); "
      "for (int w = 0; w < 6; ++w) { out[w] = packed[w]; } "
      "const F32 wide = __builtin_amdgcn_cvt_scalef32_pk32_f32_fp6(packed, 0.5f); "
      "for (int i = 0; i < 32; ++i) { ((float*)out)[6 + i] = wide[i]; }",
      in, 38);
  for (unsigned code = 0; code < 32; ++code) {
    CHECK(bits_at(out.data(), code, 6) == code);
    CHECK(out[6 + code] == in[code]);
  }
}

}  // namespace sinter
