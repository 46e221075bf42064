// SPDX-License-Identifier: Apache-2.0

// Instructions that compilers emit for builtins and little else, against values worked out by hand. Run once per device.

#include "tests/support/device_twin.h"

#define KERNEL                                                                                                \
  "extern \"C\" __attribute__((global, amdgpu_flat_work_group_size(64, 64))) void kernel(const unsigned* in, " \
  "unsigned* out) { const unsigned t = __builtin_amdgcn_workitem_id_x(); "

namespace sinter {
namespace {

using testing::SimulatedAmd;

/// What an instruction of one to three sources gives; its destination begins as 0xaaaaaaaa.
std::uint32_t result_of(const SimulatedAmd& amd, const std::string& name, const std::vector<std::uint32_t>& sources,
                        const std::string& modifiers = "") {
  std::string operands;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    operands += ", %" + std::to_string(i + 1);
  }
  std::vector<std::uint32_t> in = sources;
  in.resize(3);
  return testing::run_on_device(amd,
                                KERNEL "unsigned v = 0xaaaaaaaa; asm volatile(\"" + name + " %0" + operands + " " +
                                    modifiers +
                                    "\" : \"+v\"(v) : \"v\"(in[0]), \"v\"(in[1]), \"v\"(in[2])); "
                                    "if (t == 0) { out[0] = v; } }",
                                in, 1)[0];
}

}  // namespace

TEST_CASE("appending counts the active lanes up, consuming counts them down, and both tell what was there") {
  const SimulatedAmd amd;
  const std::vector<std::uint32_t> out = testing::run_on_device(
      amd,
      KERNEL
      "static __attribute__((shared)) int x[2]; x[1] = 100; __builtin_amdgcn_s_barrier(); int before = 7; "
      "typedef __attribute__((address_space(3))) int* P; if (t % 4 == 0) { before = __builtin_amdgcn_ds_append((P)&x[1]); } "
      "out[t] = before; __builtin_amdgcn_s_barrier(); if (t < 5) { before = __builtin_amdgcn_ds_consume((P)&x[1]); } "
      "out[64 + t] = before; __builtin_amdgcn_s_barrier(); out[128 + t] = x[1]; }",
      std::vector<std::uint32_t>(1), 192);
  for (std::size_t lane = 0; lane < 64; ++lane) {
    CHECK(out[lane] == (lane % 4 == 0 ? 100U : 7U));
    CHECK(out[64 + lane] == (lane < 5 ? 116U : lane % 4 == 0 ? 100U : 7U));
    CHECK(out[128 + lane] == 111);
  }
}

TEST_CASE("differences and averages of bytes, and saturating sums of 16 bits, are those of the definition") {
  const SimulatedAmd amd;
  CHECK(result_of(amd, "v_lerp_u8", {0x01ff0304, 0x02ff0405, 0x01010000}) == 0x02ff0304);
  CHECK(result_of(amd, "v_msad_u8", {0x10203040, 0x11002044, 1000}) == 1000 + 1 + 16 + 4);
  CHECK(result_of(amd, "v_sad_hi_u8", {0x10203040, 0x11002044, 9}) == ((1 + 32 + 16 + 4) << 16) + 9);
  CHECK(result_of(amd, "v_sad_u16", {0x00100005, 0x00080009, 2}) == 8 + 4 + 2);
  CHECK(result_of(amd, "v_sat_pk_u8_i16", {0x0123ff00}) == 0xff00);
  CHECK(result_of(amd, "v_add_i16", {0x7fff, 2}, "clamp") == 0x7fff);
  CHECK(result_of(amd, "v_sub_i16", {0x8000, 2}) == 0x7ffe);
}

TEST_CASE("conversions from numbers of 4 and 16 bits are those of the definition") {
  const SimulatedAmd amd;
  const auto as_float = [](std::uint32_t bits) { return std::bit_cast<float>(bits); };
  CHECK(as_float(result_of(amd, "v_cvt_off_f32_i4", {0x18})) == -0.5F);
  CHECK(as_float(result_of(amd, "v_cvt_off_f32_i4", {7})) == 0.4375F);
  CHECK(result_of(amd, "v_cvt_norm_i16_f16", {0xb800}) == 0xc000);   // -0.5 * 32767 is -16383.5, even is -16384
  CHECK(result_of(amd, "v_cvt_norm_u16_f16", {0x3c00}) == 0xffff);   // 1
  CHECK(result_of(amd, "v_cvt_pknorm_u16_f16", {0x3c00, 0}) == 0xffff);
  CHECK(result_of(amd, "v_sin_f16", {0x3400}) == 0x3c00);  // a quarter of a turn
  CHECK(result_of(amd, "v_cos_f16", {0x3800}) == 0xbc00);  // half of one
}

TEST_CASE("scalars are doubled bit by bit, gathered in fours, and picked by M0") {
  const SimulatedAmd amd;
  const std::vector<std::uint32_t> out = testing::run_on_device(
      amd,
      KERNEL
      "unsigned long long doubled, quads; unsigned picked, placed; asm volatile(\"s_bitreplicate_b64_b32 %0, %4\\n"
      "s_wqm_b64 %1, %5\\ns_mov_b32 s40, 5\\ns_mov_b32 s41, 6\\ns_mov_b32 m0, 1\\ns_movrels_b32 %2, s40\\n"
      "s_movreld_b32 s40, s40\\ns_mov_b32 %3, s41\" : \"=&s\"(doubled), \"=&s\"(quads), \"=&s\"(picked), "
      "\"=&s\"(placed) : \"s\"(__builtin_amdgcn_readfirstlane(in[0])), \"s\"(0x8000000000000120ULL) : \"m0\", "
      "\"s40\", \"s41\"); if (t == 0) { out[0] = doubled; out[1] = doubled >> 32; out[2] = quads; out[3] = quads >> 32; "
      "out[4] = picked; out[5] = placed; } }",
      {0x80000005}, 6);
  CHECK(out == std::vector<std::uint32_t>{0x33, 0xc0000000, 0xff0, 0xf0000000, 6, 5});
}

TEST_CASE("gfx950 shifts and packs with saturation, and steps its random numbers") {
  const SimulatedAmd amd;
  if (amd.device().properties.arch != "gfx950") {
    return;
  }
  CHECK(result_of(amd, "v_ashr_pk_i8_i32", {0x1000, 0xfffffff0, 2}) == 0xaaaafc7f);  // 1024 and -4
  CHECK(result_of(amd, "v_ashr_pk_u8_i32", {0x1000, 0xfffffff0, 2}) == 0xaaaa00ff);
  CHECK(result_of(amd, "v_prng_b32", {0x80000003}) == (6 ^ 197));
}

}  // namespace sinter
