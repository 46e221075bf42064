// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include <random>

#include "codegen/families/grouped_gemm.h"
#include "codegen/render.h"
#include "codegen/resolve.h"
#include "codegen/template_store.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

KernelRequest gemm_request(std::string_view quant = "none") {
  KernelRequest request;
  request.family = find_family("grouped_gemm").value();
  REQUIRE(set_param(request, "n", 2816));
  REQUIRE(set_param(request, "k", 2048));
  REQUIRE(set_param(request, "groups", 64));
  REQUIRE(set_param(request, "quant", quant));
  return request;
}

ResolveTarget target(std::string_view arch, bool vskip_safe = false) { return {find_arch(arch), vskip_safe, 0}; }

std::string message(const Result<void>& result) { return result ? "no error" : result.error().message; }
template <class T>
std::string message(const Result<T>& result) {
  return result ? "no error" : result.error().message;
}

}  // namespace

TEST_CASE("a resolved spec prints a symbol that parses back to the same spec, for every family, arch and tile") {
  int specs = 0;
  for (const Family* family : all_families()) {
    for (const Arch& arch : all_archs()) {
      KernelRequest request;
      request.family = find_family(family->name()).value();
      for (std::size_t i = 0; i < family->params().size(); ++i) {
        const ParamInfo& param = family->params()[i];
        if (param.kind == ParamKind::kInteger) {
          request.values[i] = std::min<std::int64_t>(param.max, 2048);
        }
      }
      const auto spec = resolve(request, {&arch, false, 0});
      if (!spec) {
        CHECK(spec.error().code == ErrorCode::kUnsupported);
        continue;
      }
      for (const TileShape tile : family->body(arch.vendor)->tiles(*spec)) {
        KernelSpec variant = *spec;
        variant.values[static_cast<std::size_t>(family->param_index("tile"))] = pack_tile(tile);
        const auto parsed = parse_spec_name(variant.name());
        REQUIRE(message(parsed) == "no error");
        CHECK(*parsed == variant);
        CHECK(variant.name().find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos);
        ++specs;
      }
    }
  }
  CHECK(specs > 50);
}

TEST_CASE("a parameter that a family grew is in a spec's name only where it is not the default") {
  KernelRequest request = gemm_request();
  CHECK(resolve(request, target("sm_90a"))->name() == "grouped_gemm_none_bf16_n2816_k2048_g64_t128x256x64_vskip_off_sm_90a");
  REQUIRE(set_param(request, "b_layout", "kn"));
  REQUIRE(set_param(request, "b_tensors", "separate"));
  REQUIRE(set_param(request, "epilogue", "bias"));
  const auto spec = resolve(request, target("sm_90a"));
  REQUIRE(spec);
  CHECK(spec->name() == "grouped_gemm_none_bf16_n2816_k2048_g64_t128x256x64_vskip_off_kn_separate_bias_sm_90a");
  CHECK(parse_spec_name(spec->name()).value() == *spec);
  for (const std::string_view twice : {"grouped_gemm_none_bf16_n2816_k2048_g64_t128x256x64_vskip_off_nk_sm_90a",
                                       "grouped_gemm_none_bf16_n2816_k2048_g64_t128x256x64_vskip_off_bias_kn_sm_90a",
                                       "grouped_gemm_none_bf16_n2816_k2048_g64_t128x256x64_vskip_off_kn"}) {
    CHECK_FALSE(parse_spec_name(twice));
  }
}

TEST_CASE("equal requests resolve to equal specs however their open points were written") {
  KernelRequest open = gemm_request();
  KernelRequest closed = open;
  const auto first = resolve(open, target("gfx942"));
  REQUIRE(first);
  REQUIRE(set_param(closed, "vskip", "off"));
  REQUIRE(set_param(closed, "tile", tile_to_string(first->tile(grouped_gemm::kTile))));
  REQUIRE(set_param(closed, "dtype", "bf16"));
  CHECK(resolve(closed, target("gfx942")).value() == *first);
}

TEST_CASE("vskip auto is off unless device and driver are known safe, and on only where the instruction exists") {
  const KernelRequest request = gemm_request();
  CHECK(resolve(request, target("gfx942"))->values[grouped_gemm::kVskip] == kVskipOff);
  CHECK(resolve(request, target("gfx942", true))->values[grouped_gemm::kVskip] == kVskipOn);
  CHECK(resolve(request, target("sm_90a", true))->values[grouped_gemm::kVskip] == kVskipOff);
  KernelRequest on = request;
  REQUIRE(set_param(on, "vskip", "on"));
  CHECK(resolve(on, target("gfx942"))->values[grouped_gemm::kVskip] == kVskipOn);
  CHECK_THAT(message(resolve(on, target("sm_90a"))), Contains("has no s_setvskip"));
}

TEST_CASE("bad values are refused with the value and what is allowed") {
  KernelRequest request = gemm_request();
  CHECK_THAT(message(set_param(request, "vskip", "maybe")), Contains("'maybe'") && Contains("auto, on, off"));
  CHECK_THAT(message(set_param(request, "quant", "fp4")), Contains("'fp4'") && Contains("none, fp8_block"));
  CHECK_THAT(message(set_param(request, "n", "28l6")), Contains("'28l6'") && Contains("from 8 to 1048576"));
  CHECK_THAT(message(set_param(request, "n", "-8")), Contains("'-8'"));
  CHECK_THAT(message(set_param(request, "tile", "128x128")), Contains("MxNxK"));
  CHECK_THAT(message(set_param(request, "tile", "0x128x64")), Contains("1 to 65535"));
  CHECK_THAT(message(set_param(request, "colour", "red")), Contains("no parameter 'colour'") && Contains("vskip"));
  REQUIRE(set_param(request, "n", 2817));
  CHECK_THAT(message(resolve(request, target("sm_90a"))), Contains("n is 2817") && Contains("multiple of 8"));
  KernelRequest fp8 = gemm_request("fp8_block");
  REQUIRE(set_param(fp8, "k", 2056));
  CHECK_THAT(message(resolve(fp8, target("sm_90a"))), Contains("k is 2056") && Contains("multiple of 16"));
  KernelRequest missing;
  missing.family = find_family("grouped_gemm").value();
  CHECK_THAT(message(resolve(missing, target("sm_90a"))), Contains("n is missing"));
  CHECK_THAT(message(find_family("gemm")), Contains("'gemm'") && Contains("grouped_gemm, quantize"));
}

TEST_CASE("a tile that the arch cannot hold is refused before anything is compiled") {
  for (const std::string_view arch : {"sm_80", "gfx942", "x86-64-v3"}) {
    KernelRequest request = gemm_request();
    REQUIRE(set_param(request, "tile", "4096x4096x64"));
    const auto spec = resolve(request, target(arch));
    const auto plan = spec ? make_plan(*spec) : Result<BodyPlan>(spec.error());
    REQUIRE_FALSE(plan);
    CHECK(plan.error().code == ErrorCode::kUnsupported);
    CHECK_THAT(plan.error().message, Contains("4096x4096x64"));
  }
}

TEST_CASE("unknown archs and feature suffixes are refused by name") {
  CHECK_THAT(message(parse_arch("sm_91")), Contains("'sm_91'") && Contains("sm_90a"));
  CHECK_THAT(message(parse_arch("gfx942:xnack-")), Contains("write 'gfx942'"));
  CHECK(parse_arch("host").value()->vendor == Vendor::kHost);
}

TEST_CASE("code runs on equal archs, PTX on later ones, cubins within a major version unless arch-specific") {
  const auto runs = [](std::string_view code, std::string_view device) { return runs_on(*find_arch(code), *find_arch(device)); };
  CHECK(runs("compute_80", "sm_90a"));
  CHECK(runs("sm_80", "sm_89"));
  CHECK(runs("x86-64-v3", "x86-64-v4"));
  CHECK_FALSE(runs("sm_80", "sm_90a"));
  CHECK_FALSE(runs("sm_90a", "sm_100a"));
  CHECK_FALSE(runs("sm_89", "sm_86"));
  CHECK_FALSE(runs("gfx942", "gfx950"));
  CHECK_FALSE(runs("x86-64-v4", "x86-64-v3"));
}

TEST_CASE("text that is not a spec's name never parses, and what parses prints itself again") {
  const std::string good = resolve(gemm_request(), target("sm_90a"))->name();
  std::mt19937 random(7);
  for (int i = 0; i < 20000; ++i) {
    std::string text = good;
    for (auto edits = 1 + random() % 3; edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = "_0129nkgtxvz"[random() % 12]; break;
        case 1: text.erase(at, 1 + random() % 4); break;
        default: text.insert(at, 1, "_0129nkgtxvz"[random() % 12]);
      }
      if (text.empty()) break;
    }
    if (const auto spec = parse_spec_name(text)) {
      CHECK(spec->name() == text);
    }
  }
}

TEST_CASE("a rendered source names its entry after the spec and carries every header that it includes") {
  for (const std::string_view arch : {"sm_90a", "gfx942", "x86-64-v3"}) {
    const auto spec = resolve(gemm_request(), target(arch));
    REQUIRE(spec);
    const auto plan = make_plan(*spec);
    REQUIRE(message(plan) == "no error");
    const auto generated = render(*spec, *plan);
    REQUIRE(generated);
    CHECK_THAT(generated->source, Contains("SINTER_KERNEL(" + spec->name() + ", Params)"));
    CHECK(generated->headers.size() == 1 + find_template(plan->template_path)->includes.size());
  }
}

TEST_CASE("a template's digest depends on the files it includes") {
  const TemplateFile* nvidia = find_template("grouped_gemm/nvidia.h");
  const TemplateFile* amd = find_template("grouped_gemm/amd.h");
  REQUIRE(nvidia != nullptr);
  REQUIRE(amd != nullptr);
  CHECK(nvidia->digest != amd->digest);
  CHECK(std::ranges::find(nvidia->includes, "grouped_gemm/args.h") != nvidia->includes.end());
}
