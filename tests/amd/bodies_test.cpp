// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch.hpp>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "codegen/families/grouped_gemm.h"
#include "codegen/families/quantize.h"
#include "codegen/resolve.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

using Settings = std::initializer_list<std::pair<std::string_view, std::string_view>>;

constexpr std::string_view kArchs[] = {"gfx90a", "gfx942", "gfx950"};

KernelSpec spec_of(std::string_view family, std::string_view arch, Settings settings) {
  KernelRequest request;
  request.family = *find_family(family);
  for (const auto& [name, value] : settings) {
    REQUIRE(set_param(request, name, value));
  }
  const auto spec = resolve(request, {.arch = find_arch(arch)});
  REQUIRE(spec);
  return *spec;
}

KernelSpec gemm(std::string_view arch, std::string_view quant, std::string_view tile, std::string_view n = "2816") {
  return spec_of("grouped_gemm", arch, {{"quant", quant}, {"n", n}, {"k", "2048"}, {"groups", "64"}, {"tile", tile}});
}

std::string refusal(std::string_view arch, std::string_view quant, std::string_view tile) {
  const auto plan = grouped_gemm::amd_body()->plan(gemm(arch, quant, tile));
  REQUIRE_FALSE(plan);
  CHECK(plan.error().code == ErrorCode::kUnsupported);
  return plan.error().message;
}

}  // namespace

TEST_CASE("every tile that the AMD grouped GEMM offers has a plan within the arch's LDS") {
  const Body& body = *grouped_gemm::amd_body();
  for (const std::string_view arch : kArchs) {
    for (const std::string_view quant : {"none", "fp8_block"}) {
      KernelSpec spec = gemm(arch, quant, "128x128x64");
      const auto tiles = body.tiles(spec);
      CHECK(tiles.size() >= 12);
      for (const TileShape tile : tiles) {
        CAPTURE(arch, quant, tile_to_string(tile));
        spec.values[grouped_gemm::kTile] = pack_tile(tile);
        const auto plan = body.plan(spec);
        REQUIRE(plan);
        CHECK(plan->static_shared_bytes <= spec.arch->max_shared_memory_bytes);
        CHECK(plan->dynamic_shared_bytes == 0);
        CHECK(plan->threads_per_block == 256);
      }
    }
  }
}

TEST_CASE("the default tile of a wide N is 128x128 with 128 bytes of K per row of LDS") {
  const Body& body = *grouped_gemm::amd_body();
  CHECK(body.tiles(gemm("gfx942", "none", "128x128x64")).front() == TileShape{128, 128, 64});
  CHECK(body.tiles(gemm("gfx942", "fp8_block", "128x128x64")).front() == TileShape{128, 128, 128});
  CHECK(body.tiles(gemm("gfx90a", "fp8_block", "128x128x64")).front() == TileShape{128, 128, 64});
}

TEST_CASE("an AMD tile that pads a narrow N comes after those that do not") {
  CHECK(grouped_gemm::amd_body()->tiles(gemm("gfx942", "none", "128x128x64", "64")).front().n == 64);
}

TEST_CASE("a plan names the matrix instruction of its arch and mode") {
  const auto instruction = [](std::string_view arch, std::string_view quant) {
    return grouped_gemm::amd_body()->plan(gemm(arch, quant, "128x128x64"))->required_instructions.front();
  };
  CHECK(instruction("gfx90a", "none") == "v_mfma_f32_32x32x8bf16_1k");
  CHECK(instruction("gfx90a", "fp8_block") == "v_mfma_f32_32x32x8bf16_1k");
  CHECK(instruction("gfx942", "none") == "v_mfma_f32_32x32x8_bf16");
  CHECK(instruction("gfx942", "fp8_block") == "v_mfma_f32_32x32x16_fp8_fp8");
  CHECK(instruction("gfx950", "none") == "v_mfma_f32_32x32x16_bf16");
  CHECK(instruction("gfx950", "fp8_block") == "v_mfma_f32_32x32x64_f8f6f4");
}

TEST_CASE("what the AMD grouped GEMM has no body for is refused with the archs that have one") {
  for (const auto& [name, value] : {std::pair<std::string_view, std::string_view>{"b_layout", "kn"}, {"epilogue", "swiglu"}}) {
    KernelRequest request;
    request.family = *find_family("grouped_gemm");
    for (const auto& [param, number] : {std::pair<std::string_view, std::string_view>{"n", "2816"}, {"k", "2048"}, {"groups", "64"}}) {
      REQUIRE(set_param(request, param, number));
    }
    REQUIRE(set_param(request, name, value));
    const auto spec = resolve(request, {.arch = find_arch("gfx942")});
    REQUIRE_FALSE(spec);
    CHECK(spec.error().code == ErrorCode::kUnsupported);
    CHECK_THAT(spec.error().message, Contains("gfx942") && Contains(std::string(value)) && Contains("sm_90a"));
  }
}

TEST_CASE("a refused tile is named with its limit") {
  CHECK_THAT(refusal("gfx942", "none", "256x256x64"), Contains("65536 outputs") && Contains("512 registers"));
  CHECK_THAT(refusal("gfx942", "none", "96x128x64"), Contains("96x128x64") && Contains("128x128, 256x128"));
  CHECK_THAT(refusal("gfx942", "none", "128x128x48"), Contains("k = 48") && Contains("128, 256, 64"));
  CHECK_THAT(refusal("gfx942", "fp8_block", "128x128x256"), Contains("k = 256") && Contains("scale block of 128"));
  CHECK_THAT(refusal("gfx942", "none", "32x128x32"), Contains("128 pieces") && Contains("larger k"));
  CHECK_THAT(refusal("gfx942", "none", "256x128x128"), Contains("98304 bytes of LDS") && Contains("65536"));
}

TEST_CASE("gfx950 holds tiles that gfx942 cannot") {
  CHECK(grouped_gemm::amd_body()->plan(gemm("gfx950", "none", "256x128x128")));
}

TEST_CASE("archs without these matrix instructions have no body") {
  KernelSpec spec = gemm("gfx942", "none", "128x128x64");
  spec.arch = find_arch("gfx1100");
  CHECK(grouped_gemm::amd_body()->tiles(spec).empty());
  CHECK_THAT(grouped_gemm::amd_body()->plan(spec).error().message, Contains("gfx1100") && Contains("gfx90a"));
}

TEST_CASE("the AMD grouped GEMM launches one block for each tile there may be, within the limit of a grid") {
  const KernelSpec spec = gemm("gfx942", "none", "128x128x64");
  const Body& body = *grouped_gemm::amd_body();
  const BodyPlan plan = *body.plan(spec);
  GroupedGemmArgs args{};
  CHECK(body.launch_shape(spec, plan, &args, {}).grid[0] == 0);
  args.rows = 1;
  CHECK(body.launch_shape(spec, plan, &args, {}).grid[0] == 22);
  args.rows = 12288;
  CHECK(body.launch_shape(spec, plan, &args, {}).grid[0] == (96 + 64) * 22);
  args.rows = (1LL << 31) - 1;
  const LaunchShape largest = body.launch_shape(spec, plan, &args, {});
  CHECK(std::uint64_t{largest.grid[0]} * largest.block[0] < (1ULL << 32));
}

TEST_CASE("every tile that the AMD quantize offers has a plan, and others are refused with those") {
  const Body& body = *quantize::amd_body();
  for (const std::string_view arch : kArchs) {
    KernelSpec spec = spec_of("quantize", arch, {{"k", "2048"}});
    for (const TileShape tile : body.tiles(spec)) {
      spec.values[quantize::kTile] = pack_tile(tile);
      CHECK(body.plan(spec));
    }
    spec.values[quantize::kTile] = pack_tile({16, 1, 128});
    CHECK_THAT(body.plan(spec).error().message, Contains("16x1x128") && Contains("16x1x1024"));
  }
}

TEST_CASE("the AMD quantize launches one block for each tile") {
  const KernelSpec spec = spec_of("quantize", "gfx942", {{"k", "1408"}, {"tile", "16x1x512"}});
  const Body& body = *quantize::amd_body();
  const BodyPlan plan = *body.plan(spec);
  QuantizeArgs args{};
  CHECK(body.launch_shape(spec, plan, &args, {}).grid[0] == 0);
  args.rows = 17;
  CHECK(body.launch_shape(spec, plan, &args, {}).grid[0] == 2 * 3);
}
