// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codegen/families/quantize.h"

// The body in templates/quantize/nvidia.h. A tile is rows of a block x 1 x columns of a step.

namespace sinter::quantize {

namespace {

/// 256 threads are 16 teams of 16 lanes; a team does one block of 128 columns at a time.
constexpr int kThreads = 256;
constexpr int kTeams = kThreads / 16;

/// Blocks that a team reads ahead: 4 fill the memory's queues, 1 spreads few rows over more SMs.
constexpr std::array kTeamBlocks = {4, 2, 1};
constexpr std::array kTileColumns = {1024, 2048, 512, 256, 128};

/// fp32 bits of the floors of kFloorWords: 1e-10, 1e-4 and 0.
constexpr std::array<std::uint32_t, 3> kFloorBits = {0x2edbe6ff, 0x38d1b717, 0};

bool has_body(const Arch& arch) {
  return arch.vendor == Vendor::kNvidia && arch.compute_capability >= 80 && arch.compute_capability <= 90;
}

std::int64_t padded_columns(const KernelSpec& spec, TileShape tile) {
  return (spec[kK] + tile.k - 1) / tile.k * tile.k;
}

/// Every tile; those that read ahead most first.
std::vector<TileShape> all_tiles() {
  std::vector<TileShape> tiles;
  for (const int blocks : kTeamBlocks) {
    for (const int columns : kTileColumns) {
      const std::int64_t rows = blocks * kTeams * kScaleBlock / columns;
      tiles.push_back({static_cast<std::int32_t>(rows), 1, columns});
    }
  }
  return tiles;
}

class NvidiaBody final : public Body {
 public:
  std::vector<TileShape> tiles(const KernelSpec& spec) const override {
    if (!has_body(*spec.arch)) {
      return {};
    }
    std::vector<TileShape> tiles = all_tiles();
    // Within each group of equal read-ahead: the tile that pads K least.
    for (std::size_t first = 0; first < tiles.size(); first += kTileColumns.size()) {
      const auto begin = tiles.begin() + static_cast<std::ptrdiff_t>(first);
      std::stable_sort(begin, begin + static_cast<std::ptrdiff_t>(kTileColumns.size()), [&](TileShape a, TileShape b) {
        return padded_columns(spec, a) < padded_columns(spec, b);
      });
    }
    return tiles;
  }

  Result<BodyPlan> plan(const KernelSpec& spec) const override {
    if (!has_body(*spec.arch)) {
      return make_error(
          ErrorCode::kUnsupported,
          fmt::format("quantize has no body for {}; compute_80 (PTX) runs on sm_80 and every later device",
                      spec.arch->name));
    }
    const TileShape tile = spec.tile(kTile);
    const std::vector<TileShape> legal = all_tiles();
    if (std::find(legal.begin(), legal.end(), tile) == legal.end()) {
      std::vector<std::string> names;
      for (const TileShape t : legal) {
        names.push_back(fmt::format("{}x{}x{}", t.m, t.n, t.k));
      }
      return make_error(ErrorCode::kUnsupported,
                        fmt::format("quantize on {}: tile {}x{}x{} is not one of {}", spec.arch->name, tile.m, tile.n,
                                    tile.k, fmt::join(names, ", ")));
    }
    BodyPlan plan;
    plan.template_path = "quantize/nvidia.h";
    plan.params = fmt::format(
        "  static constexpr bool kPow2 = {};\n"
        "  static constexpr unsigned kFloorBits = {:#x};\n"
        "  static constexpr int kK = {};\n"
        "  static constexpr int kTileM = {};\n"
        "  static constexpr int kTileK = {};\n"
        "  static constexpr int kThreads = {};\n",
        spec[kScale] == kScalePow2, kFloorBits[static_cast<std::size_t>(spec[kFloor])], spec[kK], tile.m, tile.k,
        kThreads);
    plan.threads_per_block = kThreads;
    return plan;
  }

  LaunchShape launch_shape(const KernelSpec& spec, const BodyPlan& plan, const void* args,
                           const LaunchTarget& target) const override {
    const std::int64_t rows = static_cast<const QuantizeArgs*>(args)->rows;
    const TileShape tile = spec.tile(kTile);
    const std::int64_t tiles = (rows + tile.m - 1) / tile.m * (padded_columns(spec, tile) / tile.k);
    LaunchShape shape;
    shape.grid[0] =
        static_cast<std::uint32_t>(std::clamp<std::int64_t>(tiles, 0, target.unit_count * target.blocks_per_unit));
    shape.block[0] = plan.threads_per_block;
    return shape;
  }
};

}  // namespace

const Body* nvidia_body() {
  static const NvidiaBody body;
  return &body;
}

}  // namespace sinter::quantize
