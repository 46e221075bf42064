// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "runtime/explain/aiter_name.h"

using namespace sinter;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;

namespace {

/// One symbol of each form that AITER's manifests have.
constexpr std::string_view kShipped[] = {
    "_ZN5aiter50fmoe_bf16_blockscaleFp8_g1u1_vs_silu_1tg_ps_32x256E",
    "_ZN5aiter49fmoe_bf16_blockscaleFp8_g1u1_novs_gelu_1tg_32x128E",
    "_ZN5aiter46fmoe_bf16_blockscaleFp8_g1u1_vs_ps_gelu_64x256E",
    "_ZN5aiter47fmoe_bf16_blockscaleFp8_g1u1_vs_pf2_silu_16x128E",
    "_ZN5aiter54fmoe_bf16_noquantBf16_g1u0_vs_atm_inlv_gelu_1tg_32x512E",
    "_ZN5aiter55fmoe_bf16_pertokenFp8_g1u1_vs_multix_gelu_1tg_ps_32x448E",
    "_ZN5aiter49fmoe_bf16_pertokenFp8_g1u1_vs_smf_gelu_1tg_32x320E",
    "_ZN5aiter54fmoe_bf16_pertokenInt8_g1u1_vs_smf_gelu_1tg_1tg_32x256E",
    "_ZN5aiter60fmoe_bf16_a16_blockscaleFp8_g1u1_vs_silu_1tg_16x128_flat_pf3E",
    "_ZN5aiter62fmoe_bf16_a16_blockscaleFp8_g1u1_vs_silu_1tg_emsort_16x128_pf3E",
    "_ZN5aiter48fmoe_bf16_blockscaleBf16_g1u1_flat_vs_gelu_1x128E",
    "_ZN5aiter44fmoe_bf16_blockscaleBf16_g1u1_ps_gelu_32x128E",
    "_ZN5aiter56fmoe_fp16_pertokenMXfp4_g1u1_novs_silu_2tg_ps_2tg_32x256E",
    "_ZN5aiter49fmoe_f16_blockscaleFp8_g1u1_vs_silu_1tg_ps_32x256E",
    "_ZN5aiter52fmoe_bf16_pertokenMXfp4_g1u1_emsort_vs_situv2_16x128E",
    "_ZN5aiter51fmoe_bf16_mxfp4_g1u1_flat_xbf16_vs_swiglu_oai_16x32E",
    "_ZN5aiter59fmoe_stage1_bf16_pertokenFp8_blockscale_g1u1_64x128_2tg_pf3E",
    "_ZN5aiter53fmoe_stage1_bf16_pertokenFp8_doweight_g1u1_112x64_pf3E",
    "_ZN5aiter45fmoe_stage1_bf16_pertokenInt8_g1u1_160x64_pf2E",
    "_ZN5aiter37fmoe_fp8_blockscale_g1u1_subGU_256_psE",
};

AiterName read(std::string_view symbol) {
  const auto name = parse_aiter_name(symbol);
  INFO((name ? std::string() : name.error().message));
  REQUIRE(name);
  return *name;
}

std::string mangled(std::string_view plain) { return fmt::format("_ZN5aiter{}{}E", plain.size(), plain); }

std::string refusal(std::string_view symbol) {
  const auto name = parse_aiter_name(symbol);
  REQUIRE_FALSE(name);
  CHECK(name.error().code == ErrorCode::kInvalidRequest);
  return name.error().message;
}

}  // namespace

TEST_CASE("every form of AITER's names is read, and its fields give the name back") {
  for (const std::string_view symbol : kShipped) {
    const std::string plain(symbol.substr(11, symbol.size() - 12));
    INFO(plain);
    CHECK(to_string(read(plain)) == plain);
    CHECK(to_string(read(mangled(plain))) == mangled(plain));
    CHECK(to_string(read(plain + ".co")) == plain + ".co");
  }
}

TEST_CASE("the kernel that crashed on MI300X is read into its fields") {
  const AiterName name = read("_ZN5aiter50fmoe_bf16_blockscaleFp8_g1u1_vs_silu_1tg_ps_32x256E");
  CHECK(name.out() == "bf16");
  CHECK(name.quant() == "blockscaleFp8");
  CHECK(name.value(AiterPart::kGate) == "g1u1");
  CHECK(name.vskip() == true);
  CHECK(name.value(AiterPart::kActivation) == "silu");
  CHECK(name.workgroups_per_cu() == 1);
  CHECK(name.persistent());
  CHECK(name.tile_m() == 32);
  CHECK(name.tile_n() == 256);
  CHECK_FALSE(name.prefetch().has_value());
  CHECK_FALSE(name.stage().has_value());
  CHECK(read("fmoe_bf16_blockscaleFp8_g1u1_novs_silu_1tg_ps_32x256").vskip() == false);
  CHECK_FALSE(read("fmoe_bf16_blockscaleFp8_g1u1_silu_1tg_ps_32x256").vskip().has_value());
}

TEST_CASE("a two-stage kernel has one workgroup per unit unless its name says more") {
  const AiterName two = read("fmoe_stage1_bf16_pertokenFp8_blockscale_g1u1_64x128_2tg_pf3");
  CHECK(two.stage() == 1);
  CHECK(two.workgroups_per_cu() == 2);
  CHECK(two.prefetch() == 3);
  CHECK(two.has(AiterPart::kScales));
  CHECK_FALSE(two.persistent());
  CHECK(read("fmoe_stage1_bf16_pertokenInt8_g1u1_64x128_pf2").workgroups_per_cu() == 1);
  CHECK_FALSE(read("fmoe_bf16_blockscaleFp8_g1u1_vs_silu_64x256").workgroups_per_cu().has_value());
}

TEST_CASE("spellings of one thing are one value, and the spelling is kept") {
  CHECK(read("fmoe_f16_pertokenFp8_g1u0_vs_silu_32x256").out() == "fp16");
  CHECK(read("fmoe_bf16_pertokenFp8_g1u1_vs_gelu_1tg_psx_32x128").persistent());
  CHECK(read("fmoe_bf16_a16_blockscaleFp8_g1u1_vs_silu_1tg_emsort_16x128_pf3").persistent());
  CHECK(read("fmoe_bf16_mxfp4_g1u1_vs_swiglu_oai_16x32").value(AiterPart::kActivation) == "swiglu_oai");
}

TEST_CASE("every combination of the fields reads and prints back") {
  for (const std::string_view quant : {"noquantBf16", "noquantFp16", "pertokenFp8", "pertokenInt8", "pertokenMXfp4", "blockscaleFp8", "blockscaleBf16"}) {
    for (const std::string_view skip : {"", "vs_", "novs_"}) {
      for (const std::string_view more : {"", "smf_", "multix_", "tkw1_", "atm_inlv_", "atm_opt_"}) {
        for (const std::string_view behind : {"", "_1tg", "_2tg_ps", "_ps", "_6tg_psx", "_1tg_emsort", "_pf2"}) {
          for (const std::string_view end : {"", "_flat", "_pf3", "_flat_pf3"}) {
            const bool is_given_twice = behind == "_pf2" && end.find("pf") != std::string_view::npos;
            const bool is_routed_twice = behind.ends_with("emsort") && end.starts_with("_flat");
            const std::string plain = fmt::format("fmoe_fp16_{}_g1u0_{}{}gelu{}_48x384{}", quant, skip, more, behind, end);
            INFO(plain);
            const auto name = parse_aiter_name(mangled(plain));
            CHECK(name.has_value() == !(is_given_twice || is_routed_twice));
            CHECK((!name || to_string(*name) == mangled(plain)));
          }
        }
      }
    }
  }
}

TEST_CASE("what cannot be read is refused with its position and what was expected there") {
  const std::string good = "fmoe_bf16_blockscaleFp8_g1u1_vs_silu_1tg_ps_32x256";
  CHECK_THAT(refusal("fmoe_bf16_blockscaleFp8_g1u1_vs_relu_1tg_ps_32x256"),
             Contains("position 32") && Contains("the activation (silu, gelu") && Contains("found 'relu'"));
  CHECK_THAT(refusal("fmoe_bf16_blockscaleFp9_g1u1_vs_silu_32x256"), Contains("position 10") && Contains("blockscaleFp8"));
  CHECK_THAT(refusal("fmoe_bf16_blockscaleFp8_g2u1_vs_silu_32x256"), Contains("position 24") && Contains("g1u1, g1u0"));
  CHECK_THAT(refusal("fmoe_bf16_blockscaleFp8_g1u1_vs_silu_1tg_ps"), Contains("position 43") && Contains("<M>x<N>") && Contains("ends there"));
  CHECK_THAT(refusal("fmoe_bf16_blockscaleFp8_g1u1_vs_1tg_32x256"), Contains("position 36") && Contains("the activation"));
  CHECK_THAT(refusal(good + "_"), Contains("position 51") && Contains("ends there"));
  CHECK_THAT(refusal(good + "_turbo"), Contains("position 51") && Contains("found 'turbo'") && Contains("the end"));
  CHECK_THAT(refusal("fmoe_bf16_blockscaleFp8_g1u1_vs_novs_silu_32x256"), Contains("position 32") && Contains("vskip was already given"));
  CHECK_THAT(refusal("fmoe_bf16_pertokenFp8_g1u1_vs_silu_1tg_2tg_32x256"), Contains("position 39") && Contains("already given"));
  CHECK_THAT(refusal("fmoe_bf16_pertokenFp8_g1u1__silu_32x256"), Contains("position 27"));
  CHECK_THAT(refusal("fmoe_bf16_pertokenFp8_g1u1_silu_032x256"), Contains("position 32") && Contains("found '032x256'"));
  CHECK_THAT(refusal("fmoe_bf16_pertokenFp8_g1u1_silu_0x256"), Contains("position 32"));
  CHECK_THAT(refusal("fmoe_bf16_pertokenFp8_g1u1_silu_32x99999999999999999999"), Contains("position 32"));
  CHECK_THAT(refusal("fmoe_stage1_bf16_pertokenFp8_g1u1_64x128_pf3_2tg"), Contains("position 45"));
  CHECK_THAT(refusal(""), Contains("position 0"));
  CHECK_THAT(refusal("grouped_gemm"), Contains("position 0") && Contains("'fmoe_'"));
  CHECK_THAT(refusal("fmoe"), Contains("position 4") && Contains("'fmoe_'"));
}

TEST_CASE("a mangled name must have the length that it states") {
  const std::string plain = "fmoe_bf16_blockscaleFp8_g1u1_vs_silu_1tg_ps_32x256";
  CHECK_THAT(refusal("_ZN5aiter49" + plain + "E"), Contains("position 9") && Contains("says 49") && Contains("has 50"));
  CHECK_THAT(refusal("_ZN5aiter050" + plain + "E"), Contains("position 9"));
  CHECK_THAT(refusal("_ZN5aiter50" + plain), Contains("position 61") && Contains("'E'"));
  CHECK_THAT(refusal("_ZN5aiter"), Contains("position 9"));
  CHECK_THAT(refusal("_ZN5other50" + plain + "E"), Contains("position 4") && Contains("'_ZN5aiter'") && Contains("found 'other50fmoe'"));
  // AITER ships one symbol whose length is wrong in the manifest and in the code object.
  CHECK(read("_ZN5aiter47fmoe_bf16_blockscaleFp8_g1u1_vs_ps_silu_32x128E").mangled_length == 47);
}

TEST_CASE("kernels that AITER compiles say their configuration in their names") {
  const AiterName ck =
      read("moe_ck2stages_gemm2_256x64x128x256_1x4_MulABScaleExpertWeightA8W8blkscale_v3_Nswizzle0_Quant4_MulRoutedWeight1_F8_F8_B16");
  CHECK(ck.stage() == 2);
  CHECK(ck.tile_m() == 64);
  CHECK(ck.tile_n() == 128);
  CHECK(ck.quant() == "per_1x128");
  CHECK(ck.out() == "bf16");
  CHECK_FALSE(ck.vskip().has_value());
  const AiterName fly = read("flydsl_moe1_afp8_wfp4_bf16_t32x128x256_w3_bnt0_gui_xcd4_fp8");
  CHECK(fly.stage() == 1);
  CHECK(fly.quant() == "a=fp8 w=fp4");
  CHECK(fly.tile_n() == 128);
  CHECK(to_string(fly) == "flydsl_moe1_afp8_wfp4_bf16_t32x128x256_w3_bnt0_gui_xcd4_fp8");
  CHECK(read("flydsl_moe2_layout_afp4_wfp4_bf16_t64x256x256_atomic_persist_nt_sbm64").persistent());
}
