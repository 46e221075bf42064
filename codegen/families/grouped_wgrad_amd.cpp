// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "codegen/families/amd_matrix.h"
#include "codegen/families/grouped_wgrad.h"

// grouped_wgrad on AMD's matrix cores (templates/grouped_wgrad/amd.h). A tile is m x n of dW and rows of a step.

namespace sinter::grouped_wgrad {

namespace {

using namespace amd;

/// Best general choice first, for the reasons of grouped_gemm_amd.cpp; reasoned, not timed. 64 rows of 16 bits are 128
/// bytes per row of LDS, all 32 banks. `registers`: of a thread, VGPRs and AGPRs together, at most (clang 22, gfx942).
struct TileOption {
  TileShape shape;
  int registers;
};
constexpr std::array kTiles = {
    TileOption{{128, 128, 64}, 198}, TileOption{{256, 128, 64}, 300}, TileOption{{128, 256, 64}, 322},
    TileOption{{64, 128, 64}, 146},  TileOption{{128, 64, 64}, 136},  TileOption{{64, 64, 64}, 98},
};

TileBuild build_of(const KernelSpec& spec, TileShape tile) { return build_tile(*spec.arch, tile, tile.k * 2); }

std::int64_t tiles_of_group(const KernelSpec& spec, TileShape tile) {
  return (spec[kN] + tile.m - 1) / tile.m * ((spec[kK] + tile.n - 1) / tile.n);
}

const TileOption* find_tile(TileShape tile) {
  const auto found = std::ranges::find(kTiles, tile, &TileOption::shape);
  return found == kTiles.end() ? nullptr : &*found;
}

class AmdBody final : public Body {
 public:
  std::vector<TileShape> tiles(const KernelSpec& spec) const override {
    std::vector<TileShape> tiles;
    if (has_templates(*spec.arch)) {
      for (const TileOption& option : kTiles) tiles.push_back(option.shape);
    }
    // Tiles that pad dW by more than a quarter come last.
    std::ranges::stable_partition(tiles, [&](TileShape tile) {
      return tiles_of_group(spec, tile) * tile.m * tile.n * 4 <= spec[kN] * spec[kK] * 5;
    });
    return tiles;
  }

  // A block is one wave on each SIMD, whose registers its waves share; LDS is the unit's.
  std::int64_t blocks_per_unit(const KernelSpec& spec, TileShape tile) const override {
    const TileOption* const option = find_tile(tile);
    return option == nullptr ? 0
                             : std::min(kRegistersPerSimd / option->registers,
                                        spec.arch->max_shared_memory_bytes / build_of(spec, tile).operand_bytes);
  }

  Result<BodyPlan> plan(const KernelSpec& spec) const override {
    if (!has_templates(*spec.arch)) {
      return make_error(ErrorCode::kUnsupported, fmt::format("grouped_wgrad has no body for {}; AMD archs with one: {}",
                                                             spec.arch->name, kArchsOfTemplates));
    }
    const TileShape tile = spec.tile(kTile);
    if (find_tile(tile) == nullptr) {
      std::string legal;
      for (const TileOption& option : kTiles) legal += (legal.empty() ? "" : ", ") + tile_to_string(option.shape);
      return make_error(ErrorCode::kUnsupported, fmt::format("grouped_wgrad on {}: tile {} is not one of {}",
                                                             spec.arch->name, tile_to_string(tile), legal));
    }
    const TileBuild build = build_of(spec, tile);
    BodyPlan plan;
    plan.template_path = "grouped_wgrad/amd.h";
    plan.params = common_params(spec) + fmt::format(
                                            "  static constexpr int kTileM = {};\n"
                                            "  static constexpr int kTileN = {};\n"
                                            "  static constexpr int kTileK = {};\n"
                                            "  static constexpr int kWavesM = {};\n"
                                            "  static constexpr int kStages = {};\n"
                                            "  static constexpr int kSharedBytes = {};\n"
                                            "  static constexpr unsigned kMaxBlocks = {};\n"
                                            "  static constexpr int kThreads = {};\n",
                                            tile.m, tile.n, tile.k, build.waves_m, build.stages, build.operand_bytes,
                                            kMaxBlocks, kThreads);
    plan.threads_per_block = kThreads;
    plan.static_shared_bytes = static_cast<std::uint32_t>(build.operand_bytes);
    plan.required_instructions = {
        matrix_instruction(*spec.arch, spec[kDtype] == kDtypeFp16 ? MatrixType::kF16 : MatrixType::kBf16)};
    return plan;
  }

  LaunchShape launch_shape(const KernelSpec& spec, const BodyPlan& plan, const void*,
                           const LaunchTarget&) const override {
    LaunchShape shape;
    shape.grid[0] =
        static_cast<std::uint32_t>(std::min(tiles_of_group(spec, spec.tile(kTile)) * spec[kGroups], kMaxBlocks));
    shape.block[0] = plan.threads_per_block;
    return shape;
  }
};

}  // namespace

const Body* amd_body() {
  static const AmdBody body;
  return &body;
}

}  // namespace sinter::grouped_wgrad
