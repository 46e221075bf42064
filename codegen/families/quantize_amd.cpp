// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "codegen/families/amd_matrix.h"
#include "codegen/families/quantize.h"

// The body in templates/quantize/amd.h. A tile is rows x 1 x columns of a block; every block takes one.

namespace sinter::quantize {

namespace {

using namespace amd;

/// A wave's store writes 512 columns of one row, its guarded statements four rows, and a block has four waves.
constexpr int kRowsUnit = 16, kColumnsUnit = 512;

// Best general choice first. 16 x 1024 has 8 KiB of loads per wave in flight; 16 x 512 spreads few rows over more CUs.
constexpr std::array kTiles = {TileShape{16, 1, 1024}, TileShape{32, 1, 512}, TileShape{16, 1, 512},
                               TileShape{32, 1, 1024}, TileShape{16, 1, 2048}};

/// fp32 of the floors of kFloorWords, as the template's literal.
constexpr std::array<std::string_view, 3> kFloors = {"1e-10f", "1e-4f", "0.0f"};

std::int64_t padded_columns(const KernelSpec& spec, TileShape tile) {
  return (spec[kK] + tile.k - 1) / tile.k * tile.k;
}

class AmdBody final : public Body {
 public:
  std::vector<TileShape> tiles(const KernelSpec& spec) const override {
    if (!has_templates(*spec.arch)) {
      return {};
    }
    std::vector<TileShape> tiles(kTiles.begin(), kTiles.end());
    std::stable_sort(tiles.begin(), tiles.end(),
                     [&](TileShape a, TileShape b) { return padded_columns(spec, a) < padded_columns(spec, b); });
    return tiles;
  }

  Result<BodyPlan> plan(const KernelSpec& spec) const override {
    if (!has_templates(*spec.arch)) {
      return make_error(
          ErrorCode::kUnsupported,
          fmt::format("quantize has no body for {}; AMD archs with one: {}", spec.arch->name, kArchsOfTemplates));
    }
    const TileShape tile = spec.tile(kTile);
    if (std::find(kTiles.begin(), kTiles.end(), tile) == kTiles.end()) {
      std::string legal;
      for (const TileShape t : kTiles) {
        legal += (legal.empty() ? "" : ", ") + tile_to_string(t);
      }
      return make_error(ErrorCode::kUnsupported,
                        fmt::format("quantize on {}: tile {}: m is a multiple of {} and k of {}, because a store of a "
                                    "wave writes one row and four waves store four rows at a time; offered: {}",
                                    spec.arch->name, tile_to_string(tile), kRowsUnit, kColumnsUnit, legal));
    }
    BodyPlan plan;
    plan.template_path = "quantize/amd.h";
    plan.params = fmt::format(
        "  static constexpr int kK = {};\n"
        "  static constexpr bool kPow2 = {};\n"
        "  static constexpr float kFloor = {};\n"
        "  static constexpr bool kVskip = {};\n"
        "  static constexpr int kTileM = {};\n"
        "  static constexpr int kTileK = {};\n"
        "  static constexpr unsigned kMaxBlocks = {};\n"
        "  static constexpr int kThreads = {};\n",
        spec[kK], spec[kScale] == kScalePow2, kFloors[static_cast<std::size_t>(spec[kFloor])], spec[kVskip] == kVskipOn,
        tile.m, tile.k, kMaxBlocks, kThreads);
    plan.threads_per_block = kThreads;
    return plan;
  }

  LaunchShape launch_shape(const KernelSpec& spec, const BodyPlan& plan, const void* args,
                           const LaunchTarget&) const override {
    const std::int64_t rows = static_cast<const QuantizeArgs*>(args)->rows;
    const TileShape tile = spec.tile(kTile);
    const std::int64_t tiles = (rows + tile.m - 1) / tile.m * (padded_columns(spec, tile) / tile.k);
    LaunchShape shape;
    shape.grid[0] = static_cast<std::uint32_t>(std::clamp<std::int64_t>(tiles, 0, kMaxBlocks));
    shape.block[0] = plan.threads_per_block;
    return shape;
  }
};

}  // namespace

const Body* amd_body() {
  static const AmdBody body;
  return &body;
}

}  // namespace sinter::quantize
