// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>

#include "codegen/families/grouped_wgrad.h"

// grouped_wgrad on the host CPU (templates/grouped_wgrad/host.h).

namespace sinter::grouped_wgrad {

namespace {

/// Columns of X that a tile reads stay in the first caches while its rows go by. Rows are whole micro-kernels.
constexpr TileShape kTiles[] = {{96, 256, 1}, {48, 128, 1}, {24, 64, 1}};

class HostBody final : public Body {
 public:
  std::vector<TileShape> tiles(const KernelSpec&) const override { return {std::begin(kTiles), std::end(kTiles)}; }

  Result<BodyPlan> plan(const KernelSpec& spec) const override {
    const TileShape tile = spec.tile(kTile);
    if (std::find(std::begin(kTiles), std::end(kTiles), tile) == std::end(kTiles)) {
      return make_error(ErrorCode::kUnsupported, fmt::format("grouped_wgrad on {}: tile {} is not one of 96x256x1, 48x128x1, 24x64x1",
                                                             spec.arch->name, tile_to_string(tile)));
    }
    BodyPlan plan;
    plan.template_path = "grouped_wgrad/host.h";
    plan.params = common_params(spec) + fmt::format("  static constexpr int kTileM = {};\n  static constexpr int kTileN = {};\n", tile.m, tile.n);
    return plan;
  }

  LaunchShape launch_shape(const KernelSpec& spec, const BodyPlan&, const void*, const LaunchTarget&) const override {
    constexpr std::int64_t kMaxBlocks = 1 << 16;  // Blocks loop over further tiles.
    const TileShape tile = spec.tile(kTile);
    const std::int64_t tiles = (spec[kN] + tile.m - 1) / tile.m * ((spec[kK] + tile.n - 1) / tile.n) * spec[kGroups];
    LaunchShape shape;
    shape.grid[0] = static_cast<std::uint32_t>(std::min(tiles, kMaxBlocks));
    return shape;
  }
};

}  // namespace

const Body* host_body() {
  static const HostBody body;
  return &body;
}

}  // namespace sinter::grouped_wgrad
