// SPDX-License-Identifier: Apache-2.0

// quantize on the host CPU: which tiles templates/quantize/host.h takes and what it asks of a launch.

#include <algorithm>

#include <fmt/format.h>

#include "codegen/families/quantize.h"

namespace sinter::quantize {

namespace {

class HostBody final : public Body {
 public:
  // Some 64 KiB of x per block: long enough to pay for handing it out, short enough to balance.
  std::vector<TileShape> tiles(const KernelSpec&) const override {
    return {{16, 1, 2048}, {8, 1, 4096}, {64, 1, 1024}, {4, 1, 1024}, {1, 1, 1024}};
  }

  Result<BodyPlan> plan(const KernelSpec& spec) const override {
    const TileShape tile = spec.tile(kTile);
    const auto refuse = [&](std::string_view what) {
      return make_error(ErrorCode::kUnsupported,
                        fmt::format("quantize: tile {} on {}: {}", tile_to_string(tile), spec.arch->name, what));
    };
    if (tile.n != 1) {
      return refuse(fmt::format("n is {}; it must be 1, the family has no columns of its own", tile.n));
    }
    if (tile.k % kScaleBlock != 0) {
      return refuse(fmt::format("k {} is not a multiple of {}, the columns of one scale", tile.k, kScaleBlock));
    }
    constexpr std::string_view kFloors[] = {"1e-10f", "1e-4f", "0.0f"};
    BodyPlan plan;
    plan.template_path = "quantize/host.h";
    plan.params = fmt::format(
        "  static constexpr int kK = {};\n"
        "  static constexpr int kTileM = {};\n"
        "  static constexpr int kTileK = {};\n"
        "  static constexpr float kFloor = {};\n"
        "  static constexpr bool kPow2 = {};\n",
        spec[kK], tile.m, tile.k, kFloors[spec[kFloor]], spec[kScale] == kScalePow2);
    return plan;
  }

  LaunchShape launch_shape(const KernelSpec& spec, const BodyPlan&, const void* args,
                           const LaunchTarget&) const override {
    const TileShape tile = spec.tile(kTile);
    const std::int64_t rows = std::max<std::int64_t>(0, static_cast<const QuantizeArgs*>(args)->rows);
    const std::int64_t items = (rows + tile.m - 1) / tile.m * ((spec[kK] + tile.k - 1) / tile.k);
    LaunchShape shape;
    shape.grid[0] = static_cast<std::uint32_t>(std::min(items, kMaxBlocks));
    return shape;
  }

 private:
  static constexpr std::int64_t kMaxBlocks = 1 << 16;  // Blocks loop over further items.
};

}  // namespace

const Body* host_body() {
  static const HostBody body;
  return &body;
}

}  // namespace sinter::quantize
