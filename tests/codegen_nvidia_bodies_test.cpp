// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "codegen/families/grouped_gemm.h"
#include "codegen/families/grouped_wgrad.h"
#include "codegen/families/quantize.h"
#include "codegen/resolve.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

using Settings = std::initializer_list<std::pair<std::string_view, std::string_view>>;

Result<KernelSpec> spec_of(std::string_view family, std::string_view arch, Settings settings) {
  KernelRequest request;
  SINTER_TRY(request.family, find_family(family));
  for (const auto& [name, value] : settings) {
    SINTER_TRY_VOID(set_param(request, name, value));
  }
  ResolveTarget target;
  target.arch = find_arch(arch);
  return resolve(request, target);
}

KernelSpec gemm(std::string_view arch, std::string_view quant, std::string_view groups,
                std::string_view tile = "64x128x64") {
  auto spec = spec_of("grouped_gemm", arch,
                      {{"quant", quant}, {"n", "2816"}, {"k", "2048"}, {"groups", groups}, {"tile", tile}});
  REQUIRE(spec);
  return *spec;
}

constexpr std::string_view kArchs[] = {"compute_80", "sm_80", "sm_86", "sm_89", "sm_90", "sm_90a"};
constexpr std::int64_t kKiB = 1024;

}  // namespace

TEST_CASE("every tile that the NVIDIA grouped GEMM offers fits the arch") {
  const Body& body = *grouped_gemm::nvidia_body();
  for (const std::string_view arch : kArchs) {
    for (const std::string_view quant : {"none", "fp8_block"}) {
      for (const std::string_view groups : {"1", "64", "1024"}) {
        KernelSpec spec = gemm(arch, quant, groups);
        const auto tiles = body.tiles(spec);
        REQUIRE(tiles.size() >= 6);
        for (const TileShape tile : tiles) {
          CAPTURE(arch, quant, groups, tile.m, tile.n, tile.k);
          spec.values[grouped_gemm::kTile] = pack_tile(tile);
          const auto plan = body.plan(spec);
          REQUIRE(plan);
          CHECK(plan->dynamic_shared_bytes <= spec.arch->max_shared_memory_bytes);
          CHECK(plan->threads_per_block % 32 == 0);
        }
      }
    }
  }
}

TEST_CASE("PTX of the grouped GEMM fits later devices with less shared memory than its own arch") {
  KernelSpec spec = gemm("compute_80", "none", "64");
  for (const TileShape tile : grouped_gemm::nvidia_body()->tiles(spec)) {
    spec.values[grouped_gemm::kTile] = pack_tile(tile);
    CHECK(grouped_gemm::nvidia_body()->plan(spec)->dynamic_shared_bytes <= 99 * kKiB);
  }
}

TEST_CASE("the default tile keeps three stages and 256 threads of an SM busy") {
  CHECK(grouped_gemm::nvidia_body()->tiles(gemm("sm_90a", "none", "64")).front() == TileShape{128, 256, 64});
  CHECK(grouped_gemm::nvidia_body()->tiles(gemm("sm_90a", "fp8_block", "64")).front() == TileShape{128, 192, 128});
  CHECK(grouped_gemm::nvidia_body()->tiles(gemm("sm_86", "none", "64")).front() == TileShape{128, 256, 32});
  CHECK(grouped_gemm::nvidia_body()->tiles(gemm("sm_89", "fp8_block", "64")).front() == TileShape{64, 128, 64});
}

TEST_CASE("sm_90a builds the large tiles by wgmma and all others by mma.sync") {
  const auto path = [](std::string_view arch, std::string_view quant, std::string_view tile) {
    return grouped_gemm::nvidia_body()->plan(gemm(arch, quant, "64", tile))->template_path;
  };
  CHECK(path("sm_90a", "none", "128x256x64") == "grouped_gemm/hopper.h");
  CHECK(path("sm_90a", "none", "128x128x64") == "grouped_gemm/hopper.h");
  CHECK(path("sm_90a", "none", "128x256x32") == "grouped_gemm/nvidia.h");
  CHECK(path("sm_90a", "fp8_block", "128x192x128") == "grouped_gemm/hopper.h");
  CHECK(path("sm_90a", "fp8_block", "128x128x128") == "grouped_gemm/hopper.h");
  CHECK(path("sm_90a", "fp8_block", "64x128x128") == "grouped_gemm/nvidia.h");
  CHECK(path("sm_90", "fp8_block", "128x128x128") == "grouped_gemm/nvidia.h");
  CHECK(path("sm_90", "none", "128x256x64") == "grouped_gemm/nvidia.h");
}

TEST_CASE("the wgmma body's slots fit beside the tables of the most groups") {
  const auto stages = [](std::string_view quant, std::string_view tile, std::string_view groups) {
    const auto plan = grouped_gemm::nvidia_body()->plan(gemm("sm_90a", quant, groups, tile));
    REQUIRE(plan);
    CHECK(plan->dynamic_shared_bytes <= 227 * kKiB);
    CHECK(plan->threads_per_block == 384);
    return plan->params.substr(plan->params.find("kStages"), 11);
  };
  CHECK(stages("none", "128x256x64", "1922") == "kStages = 4");
  CHECK(stages("none", "128x256x64", "1923") == "kStages = 3");
  CHECK(stages("none", "128x256x64", "4096") == "kStages = 3");
  CHECK(stages("fp8_block", "128x192x128", "1099") == "kStages = 5");
  CHECK(stages("fp8_block", "128x192x128", "1100") == "kStages = 4");
  CHECK(stages("fp8_block", "128x192x128", "4096") == "kStages = 4");
}

TEST_CASE("the wgmma body's tensor maps are what the driver's encoder takes") {
  struct Case {
    std::string_view quant, tile;
    std::uint64_t element_bytes;
  };
  for (const Case& c : {Case{"none", "128x256x64", 2}, Case{"none", "128x128x64", 2},
                        Case{"fp8_block", "128x192x128", 1}, Case{"fp8_block", "128x128x128", 1}}) {
    const auto plan = grouped_gemm::nvidia_body()->plan(gemm("sm_90a", c.quant, "64", c.tile));
    REQUIRE(plan);
    REQUIRE(plan->tensor_maps.size() == 2);
    for (const TensorMapPlan& map : plan->tensor_maps) {
      CAPTURE(c.tile, map.argument_offset);
      for (std::size_t i = 0; i < map.rank; ++i) {
        CHECK(map.sizes[i] <= 1ull << 32);
        CHECK((map.box[i] > 0 && map.box[i] <= 256));
        CHECK((i + 1 == map.rank || (map.strides[i] % 16 == 0 && map.strides[i] < 1ull << 40)));
      }
      CHECK(map.box[0] * c.element_bytes == 128);
    }
    // Rows of A: what the coordinates add up to, for row 5 of a group that ends at row 7 (sinter_device/hopper.h).
    const auto& strides = plan->tensor_maps[0].strides;
    const std::uint64_t origin = 1ull << 30;
    const std::uint64_t row = 2048 * c.element_bytes;
    CHECK((origin - 2) * strides[0] + 7 * strides[1] + origin * strides[2] == 5 * row);
  }
}

TEST_CASE("matrices too large for a tensor map are left to mma.sync") {
  const auto spec = spec_of("grouped_gemm", "sm_90a",
                            {{"n", "1048576"}, {"k", "1048576"}, {"groups", "1"}, {"tile", "128x256x32"}});
  REQUIRE(spec);
  KernelSpec largest = *spec;
  for (const TileShape tile : grouped_gemm::nvidia_body()->tiles(largest)) {
    largest.values[grouped_gemm::kTile] = pack_tile(tile);
    CHECK(grouped_gemm::nvidia_body()->plan(largest)->template_path == "grouped_gemm/nvidia.h");
  }
}

TEST_CASE("a tile that pads a narrow N comes after those that do not") {
  const auto spec =
      spec_of("grouped_gemm", "sm_90a", {{"n", "64"}, {"k", "2048"}, {"groups", "8"}, {"tile", "64x64x64"}});
  REQUIRE(spec);
  CHECK(grouped_gemm::nvidia_body()->tiles(*spec).front().n == 64);
}

TEST_CASE("the last of a row of wgmma tiles is narrow and pads little") {
  const auto first = [](std::string_view quant, std::string_view n) {
    const auto spec = spec_of("grouped_gemm", "sm_90a", {{"quant", quant}, {"n", n}, {"k", "2048"}, {"groups", "8"}});
    REQUIRE(spec);
    return spec->tile(grouped_gemm::kTile);
  };
  CHECK(first("none", "320") == TileShape{128, 256, 64});
  CHECK(first("none", "416") == TileShape{128, 128, 64});
  CHECK(first("fp8_block", "256") == TileShape{128, 192, 128});
  CHECK(first("none", "128").n == 128);
}

TEST_CASE("so many groups that a slot would go cost a buffer of the output and not a slot of operands") {
  const auto params = [](std::string_view groups) {
    const auto spec = spec_of("grouped_gemm", "sm_90a", {{"n", "2816"}, {"k", "2048"}, {"groups", groups}, {"tile", "128x256x64"}});
    REQUIRE(spec);
    const auto plan = make_plan(*spec);
    REQUIRE(plan);
    CHECK(plan->dynamic_shared_bytes <= spec->arch->max_shared_memory_bytes);
    return plan->params;
  };
  CHECK_THAT(params("283"), Contains("kStages = 4;") && Contains("kBuffers = 2;"));
  CHECK_THAT(params("284"), Contains("kStages = 4;") && Contains("kBuffers = 1;"));
  CHECK_THAT(params("512"), Contains("kStages = 4;") && Contains("kBuffers = 1;"));
}

TEST_CASE("a tile of another shape is refused with those that there are") {
  const auto plan = grouped_gemm::nvidia_body()->plan(gemm("sm_90a", "none", "64", "96x128x64"));
  REQUIRE_FALSE(plan);
  CHECK(plan.error().code == ErrorCode::kUnsupported);
  CHECK_THAT(plan.error().message, Contains("96x128x64") && Contains("128x256x64") && Contains("sm_90a"));
}

TEST_CASE("a tile beyond the arch's shared memory is refused with both numbers") {
  const auto plan = grouped_gemm::nvidia_body()->plan(gemm("sm_86", "none", "1024", "128x256x64"));
  REQUIRE_FALSE(plan);
  CHECK(plan.error().code == ErrorCode::kUnsupported);
  CHECK_THAT(plan.error().message, Contains("106568") && Contains("101376") && Contains("128x256x32"));
}

TEST_CASE("archs after sm_90 have no mma.sync bodies") {
  const KernelSpec known = gemm("sm_90a", "none", "64");
  for (const std::string_view arch : {"sm_100a", "sm_120a"}) {
    KernelSpec spec = known;
    spec.arch = find_arch(arch);
    CHECK(grouped_gemm::nvidia_body()->tiles(spec).empty());
    CHECK_THAT(grouped_gemm::nvidia_body()->plan(spec).error().message, Contains("compute_80"));
  }
}

TEST_CASE("the NVIDIA grouped GEMM launches the blocks that fit the device, or one for each tile") {
  const KernelSpec spec = gemm("sm_90a", "none", "64", "128x256x64");
  const Body& body = *grouped_gemm::nvidia_body();
  const BodyPlan plan = *body.plan(spec);
  GroupedGemmArgs args{};
  const LaunchTarget target{.unit_count = 132, .blocks_per_unit = 1};
  CHECK(body.launch_shape(spec, plan, &args, target).grid[0] == 0);
  args.rows = 1;
  CHECK(body.launch_shape(spec, plan, &args, target).grid[0] == 11);
  args.rows = 24576;
  const LaunchShape shape = body.launch_shape(spec, plan, &args, target);
  CHECK(shape.grid[0] == 132);
  CHECK(shape.block[0] == plan.threads_per_block);
  CHECK(shape.dynamic_shared_bytes == plan.dynamic_shared_bytes);
}

TEST_CASE("a mode that a body lacks is refused with where it is") {
  const auto refusal = [](std::string_view arch, Settings settings) {
    const auto spec = spec_of("grouped_gemm", arch, settings);
    REQUIRE_FALSE(spec);
    return spec.error();
  };
  const Error kn = refusal("sm_80", {{"b_layout", "kn"}, {"n", "256"}, {"k", "256"}, {"groups", "2"}});
  CHECK(kn.code == ErrorCode::kUnsupported);
  CHECK_THAT(kn.message, Contains("kn") && Contains("sm_90a"));
  const Error swiglu = refusal("compute_80", {{"epilogue", "swiglu"}, {"n", "256"}, {"k", "256"}, {"groups", "2"}});
  CHECK(swiglu.code == ErrorCode::kUnsupported);
  CHECK_THAT(swiglu.message, Contains("swiglu") && Contains("sm_90a"));
  const Error fp8 = refusal("sm_90a", {{"quant", "fp8_token"}, {"b_layout", "kn"}, {"n", "256"}, {"k", "256"}, {"groups", "2"}});
  CHECK(fp8.code == ErrorCode::kInvalidRequest);
  CHECK_THAT(fp8.message, Contains("fp8_token") && Contains("transpose"));
  const auto wgrad = spec_of("grouped_wgrad", "sm_80", {{"n", "256"}, {"k", "256"}, {"groups", "2"}});
  REQUIRE_FALSE(wgrad);
  CHECK(wgrad.error().code == ErrorCode::kUnsupported);
  CHECK_THAT(wgrad.error().message, Contains("sm_80") && Contains("sm_90a"));
}

TEST_CASE("sm_90a has wgmma tiles for every mode, and small tiles for those that mma.sync knows") {
  const auto paths = [](Settings settings) {
    KernelRequest request;
    request.family = *find_family("grouped_gemm");
    for (const auto& [name, value] : {std::pair<std::string_view, std::string_view>{"n", "2816"}, {"k", "2048"}, {"groups", "64"}}) {
      REQUIRE(set_param(request, name, value));
    }
    for (const auto& [name, value] : settings) REQUIRE(set_param(request, name, value));
    auto spec = resolve(request, {.arch = find_arch("sm_90a")});
    REQUIRE(spec);
    std::set<std::string_view> found;
    for (const TileShape tile : grouped_gemm::nvidia_body()->tiles(*spec)) {
      spec->values[grouped_gemm::kTile] = pack_tile(tile);
      const auto plan = grouped_gemm::nvidia_body()->plan(*spec);
      REQUIRE(plan);
      CHECK(plan->dynamic_shared_bytes <= 227 * kKiB);
      found.insert(plan->template_path);
    }
    return found;
  };
  const std::set<std::string_view> both = {"grouped_gemm/hopper.h", "grouped_gemm/nvidia.h"}, wgmma = {"grouped_gemm/hopper.h"};
  CHECK(paths({{"dtype", "fp16"}}) == both);
  CHECK(paths({{"quant", "fp8_token"}, {"b_tensors", "separate"}}) == both);
  CHECK(paths({{"epilogue", "bias"}}) == both);
  CHECK(paths({{"b_layout", "kn"}}) == wgmma);
  CHECK(paths({{"epilogue", "swiglu"}}) == wgmma);
  CHECK(paths({{"epilogue", "swiglu"}, {"quant", "fp8_token"}}) == wgmma);
}

TEST_CASE("separate tensors are addressed by a map of all memory") {
  const auto spec = spec_of("grouped_gemm", "sm_90a", {{"n", "2816"}, {"k", "2048"}, {"groups", "64"}, {"b_tensors", "separate"}});
  REQUIRE(spec);
  const auto plan = grouped_gemm::nvidia_body()->plan(*spec);
  REQUIRE(plan);
  const TensorMapPlan& map = plan->tensor_maps[1];
  CHECK(map.argument_offset == TensorMapPlan::kAllMemory);
  // What the coordinates of an address add up to (sinter_device/hopper.h, place_of_tensor).
  const std::uint64_t address = 0x7f12'3456'7890, chunk = (address - TensorMapPlan::kAllMemoryBase) >> 4;
  CHECK((chunk & 0xffffff) < map.sizes[2]);
  CHECK((chunk >> 24) < map.sizes[3]);
  CHECK(TensorMapPlan::kAllMemoryBase + (chunk & 0xffffff) * map.strides[1] + (chunk >> 24) * map.strides[2] == address);
}

TEST_CASE("the weight gradient's maps, memory and grid are what its kernel and the driver take") {
  for (const std::string_view output : {"add_f32", "f32", "same"}) {
    auto spec = spec_of("grouped_wgrad", "sm_90a", {{"output", output}, {"n", "2816"}, {"k", "2048"}, {"groups", "64"}});
    REQUIRE(spec);
    const Body& body = *grouped_wgrad::nvidia_body();
    for (const TileShape tile : body.tiles(*spec)) {
      spec->values[grouped_wgrad::kTile] = pack_tile(tile);
      const auto plan = body.plan(*spec);
      REQUIRE(plan);
      CHECK(plan->dynamic_shared_bytes <= 227 * kKiB);
      CHECK(plan->exact_registers == 168);
      REQUIRE(plan->tensor_maps.size() == 3);
      for (const TensorMapPlan& map : plan->tensor_maps) CHECK(map.box[0] * (map.type == TensorMapType::kF32 ? 4 : 2) == 128);
      GroupedWgradArgs args{};
      const LaunchTarget target{.unit_count = 132, .blocks_per_unit = 1};
      // Without rows there is nothing to add, but there are zeros to write.
      CHECK(body.launch_shape(*spec, *plan, &args, target).grid[0] == (output == "add_f32" ? 0U : 132U));
      args.rows = 24576;
      CHECK(body.launch_shape(*spec, *plan, &args, target).grid[0] == 132);
    }
  }
}

TEST_CASE("every tile that the NVIDIA quantize offers has a plan, the one that pads K least first") {
  auto spec = spec_of("quantize", "sm_90a", {{"k", "1408"}, {"tile", "64x1x128"}});
  REQUIRE(spec);
  const auto tiles = quantize::nvidia_body()->tiles(*spec);
  CHECK(tiles.front() == TileShape{64, 1, 128});
  for (const TileShape tile : tiles) {
    spec->values[quantize::kTile] = pack_tile(tile);
    CHECK(quantize::nvidia_body()->plan(*spec));
  }
  spec->values[quantize::kTile] = pack_tile({3, 1, 128});
  CHECK_THAT(quantize::nvidia_body()->plan(*spec).error().message, Contains("3x1x128") && Contains("8x1x1024"));
}

TEST_CASE("quantize launches no block for no rows and never more than tiles") {
  const auto spec = spec_of("quantize", "sm_80", {{"k", "2048"}, {"tile", "8x1x1024"}});
  REQUIRE(spec);
  const Body& body = *quantize::nvidia_body();
  const BodyPlan plan = *body.plan(*spec);
  QuantizeArgs args{};
  const LaunchTarget target{.unit_count = 108, .blocks_per_unit = 4};
  CHECK(body.launch_shape(*spec, plan, &args, target).grid[0] == 0);
  args.rows = 9;
  CHECK(body.launch_shape(*spec, plan, &args, target).grid[0] == 4);
  args.rows = 1 << 20;
  CHECK(body.launch_shape(*spec, plan, &args, target).grid[0] == 432);
}
