// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "codegen/families/grouped_gemm.h"
#include "codegen/families/grouped_wgrad.h"
#include "codegen/families/quantize.h"
#include "codegen/resolve.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

using Settings = std::vector<std::pair<std::string_view, std::string_view>>;

constexpr std::string_view kArchs[] = {"gfx90a", "gfx942", "gfx950"};

KernelSpec spec_of(std::string_view family, std::string_view arch, const Settings& settings) {
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

KernelSpec mode(std::string_view arch, const Settings& settings) {
  Settings all = {{"n", "2816"}, {"k", "2048"}, {"groups", "64"}};
  all.insert(all.end(), settings.begin(), settings.end());
  return spec_of("grouped_gemm", arch, all);
}

KernelSpec wgrad(std::string_view arch, std::string_view tile) {
  Settings all = {{"n", "2816"}, {"k", "1408"}, {"groups", "64"}};
  if (!tile.empty()) {
    all.emplace_back("tile", tile);
  }
  return spec_of("grouped_wgrad", arch, all);
}

std::string refusal_of_wgrad(std::string_view arch, std::string_view tile) {
  const auto plan = make_plan(wgrad(arch, tile));
  REQUIRE_FALSE(plan);
  CHECK(plan.error().code == ErrorCode::kUnsupported);
  return plan.error().message;
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

TEST_CASE("every tile that is offered on AMD for kn, swiglu and the weight gradient has a plan within the arch's LDS") {
  for (const std::string_view arch : kArchs) {
    for (KernelSpec spec : {mode(arch, {{"b_layout", "kn"}}), mode(arch, {{"epilogue", "swiglu"}}),
                            mode(arch, {{"epilogue", "swiglu"}, {"quant", "fp8_token"}}), wgrad(arch, "")}) {
      const Body& body = *spec.family->body(Vendor::kAmd);
      const auto tiles = body.tiles(spec);
      CHECK(tiles.size() >= 6);
      for (const TileShape tile : tiles) {
        CAPTURE(spec.name(), tile_to_string(tile));
        spec.values[static_cast<std::size_t>(spec.family->param_index("tile"))] = pack_tile(tile);
        const auto plan = body.plan(spec);
        REQUIRE(plan);
        CHECK(plan->static_shared_bytes <= spec.arch->max_shared_memory_bytes);
        CHECK(body.blocks_per_unit(spec, tile) >= 1);
      }
    }
  }
}

TEST_CASE("a tile that kn or swiglu cannot have is refused with the reason") {
  const auto refusal_of = [](KernelSpec spec, TileShape tile) {
    spec.values[grouped_gemm::kTile] = pack_tile(tile);
    const auto plan = grouped_gemm::amd_body()->plan(spec);
    REQUIRE_FALSE(plan);
    CHECK(plan.error().code == ErrorCode::kUnsupported);
    return plan.error().message;
  };
  const KernelSpec kn = mode("gfx950", {{"b_layout", "kn"}}), swiglu = mode("gfx942", {{"epilogue", "swiglu"}});
  CHECK_THAT(refusal_of(kn, {128, 128, 128}), Contains("256 bytes per row of LDS") && Contains("kn rows have at most 128"));
  CHECK_THAT(refusal_of(kn, {64, 64, 32}), Contains("1 piece for each of 256 threads") && Contains("larger n or k"));
  CHECK_THAT(refusal_of(swiglu, {128, 64, 64}), Contains("32 columns for each of 2 waves") && Contains("at least 128"));
  CHECK_THAT(refusal_of(swiglu, {32, 128, 64}), Contains("32 columns for each of 4 waves") && Contains("at least 256"));
}

TEST_CASE("a refused tile of the weight gradient is named with those that there are") {
  CHECK_THAT(refusal_of_wgrad("gfx942", "128x128x32"), Contains("128x128x32") && Contains("128x128x64, 256x128x64"));
}

TEST_CASE("the AMD weight gradient launches one block for each tile of every group, rows or not") {
  const KernelSpec spec = wgrad("gfx942", "128x128x64");
  const BodyPlan plan = *make_plan(spec);
  GroupedWgradArgs args{};
  CHECK(grouped_wgrad::amd_body()->launch_shape(spec, plan, &args, {}).grid[0] == 22 * 11 * 64);
}

TEST_CASE("a family on an arch that none of its bodies is for is one error that names the archs") {
  for (const std::string_view family : {"grouped_gemm", "grouped_wgrad", "quantize"}) {
    KernelRequest request;
    request.family = *find_family(family);
    for (const std::string_view param : {"n", "k", "groups"}) {
      if ((*all_families()[request.family]).param_index(param) >= 0) {
        REQUIRE(set_param(request, param, std::int64_t{1024}));
      }
    }
    const auto spec = resolve(request, {.arch = find_arch("gfx1100")});
    REQUIRE_FALSE(spec);
    CHECK(spec.error().code == ErrorCode::kUnsupported);
    CHECK_THAT(spec.error().message,
               Contains(std::string(family)) && Contains("gfx1100") && Contains("gfx90a, gfx942, gfx950"));
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
