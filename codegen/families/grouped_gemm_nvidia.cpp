// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codegen/families/grouped_gemm.h"
#include "codegen/families/grouped_gemm_hopper.h"

// The mma.sync body (templates/grouped_gemm/nvidia.h): which tiles it can be built with, and with how many stages. On
// sm_90a it leaves the large tiles to the wgmma body.

namespace sinter::grouped_gemm {

namespace {

constexpr std::int64_t kKiB = 1024;
constexpr int kWarpSize = 32;
constexpr int kMinStages = 2;
/// Two warps for each of an SM's four schedulers: one computes while the other waits.
constexpr int kBusyThreads = 256;

/// The m and n of a tile and the warps over it.
struct TileLayout {
  int m, n;
  int warps_m, warps_n;
  int blocks_per_sm;  ///< To aim for: as many as 65,536 registers hold, by what ptxas reports for this tile.
};

// In each mode the best general choice comes first, by groups of 384 and 8192 rows on an H200
// (bench/nvidia_grouped_gemm.py).

/// A warp computes up to 64 x 64 outputs: 128 of its 255 registers per thread.
constexpr TileLayout kTilesNone[] = {
    {128, 256, 2, 4, 1}, {128, 128, 2, 2, 2}, {64, 256, 1, 4, 2}, {64, 128, 2, 2, 3},
    {128, 64, 2, 2, 3},  {64, 64, 2, 2, 4},   {32, 128, 1, 4, 4}, {16, 128, 1, 4, 4},
};

/// Here a warp has two accumulators, the sum and that of one step, so its part is half as large. (fp8_token has one
/// where sums of e4m3 are full fp32, and takes the same tiles.)
constexpr TileLayout kTilesFp8[] = {
    {64, 128, 2, 2, 2}, {128, 64, 2, 2, 2}, {128, 128, 2, 4, 1},
    {64, 64, 2, 2, 3},  {32, 128, 1, 4, 3}, {16, 128, 1, 4, 4},
};

/// Bytes of a row of a step in shared memory: the template's swizzle knows these. The short ones are for large tiles,
/// whose stages are large too; small tiles gain nothing, and some then spill on sm_80.
constexpr std::array kRowBytes = {128, 64};
constexpr int kShortRowTile = 128 * 64;

/// The template is tried on these; later archs run its PTX.
bool has_body(const Arch& arch) {
  return arch.vendor == Vendor::kNvidia && arch.compute_capability >= 80 && arch.compute_capability <= 90;
}

/// Bytes of shared memory for one block. PTX may meet any later device, and some (sm_86, sm_89, sm_120) have 99 KiB.
std::int64_t shared_memory_limit(const Arch& arch) {
  constexpr std::int64_t kSmallestOfLaterDevices = 99 * kKiB;
  return arch.format == CodeFormat::kPtx ? std::min(arch.max_shared_memory_bytes, kSmallestOfLaterDevices)
                                         : arch.max_shared_memory_bytes;
}

std::span<const TileLayout> tile_layouts(const KernelSpec& spec) {
  return is_fp8(spec) ? std::span<const TileLayout>(kTilesFp8) : std::span<const TileLayout>(kTilesNone);
}

/// A tile that the template can be built with.
struct Build {
  TileLayout layout;
  int threads;
  std::int64_t stage_bytes, table_bytes;
  int stages;         ///< Below kMinStages: the arch's shared memory is too small.
  int blocks_per_sm;  ///< That shared memory has room for, at most what the layout aims for.

  std::int64_t shared_bytes() const { return std::max(stages, kMinStages) * stage_bytes + table_bytes; }
};

/// As many stages as fit, up to `most`, if `blocks` blocks share an SM.
int stages_that_fit(const Build& build, std::int64_t limit, int blocks, int most) {
  // An SM has 1 KiB more than its largest block may ask for, and each block costs 1 KiB beside what it asks for
  // (CUDA C++ Programming Guide, shared memory of compute capability 8.x and 9.0).
  const std::int64_t budget = (limit + kKiB) / blocks - kKiB - build.table_bytes;
  return static_cast<int>(std::clamp<std::int64_t>(budget / build.stage_bytes, 0, most));
}

/// How `tile` is built, or nothing if the template cannot express it. Mirrors Layout in the template.
std::optional<Build> build_of(const KernelSpec& spec, TileShape tile) {
  const auto layouts = tile_layouts(spec);
  const auto layout =
      std::find_if(layouts.begin(), layouts.end(), [&](const TileLayout& t) { return t.m == tile.m && t.n == tile.n; });
  const int row_bytes = tile.k * static_cast<int>(element_bytes(spec));
  if (layout == layouts.end() || std::find(kRowBytes.begin(), kRowBytes.end(), row_bytes) == kRowBytes.end() ||
      (row_bytes < kRowBytes[0] && tile.m * tile.n < kShortRowTile)) {
    return std::nullopt;
  }
  Build build;
  build.layout = *layout;
  build.threads = layout->warps_m * layout->warps_n * kWarpSize;
  build.stage_bytes = std::int64_t{tile.m + tile.n} * row_bytes;
  if (spec[kQuant] == kQuantFp8Block) {
    const std::int64_t scales = tile.m + (tile.n + kScaleBlock - 1) / kScaleBlock;
    build.stage_bytes = (build.stage_bytes + 4 * scales + 127) / 128 * 128;
  }
  build.table_bytes = 8 * (spec[kGroups] + 1) + 8 * (build.threads / kWarpSize);

  // Three stages hide the latency of memory; a fourth helps, and small tiles, which wait most, take more. Fewer blocks
  // on an SM are better than two stages.
  const std::int64_t limit = shared_memory_limit(*spec.arch);
  const int most = tile.m <= 32 ? 6 : 4;
  build.blocks_per_sm = layout->blocks_per_sm;
  while (build.blocks_per_sm > 1 && stages_that_fit(build, limit, build.blocks_per_sm, most) < 3) {
    --build.blocks_per_sm;
  }
  build.stages = stages_that_fit(build, limit, build.blocks_per_sm, most);
  return build;
}

bool contains(const std::vector<TileShape>& tiles, TileShape tile) {
  return std::find(tiles.begin(), tiles.end(), tile) != tiles.end();
}

/// Every tile of the mma.sync body that fits.
std::vector<TileShape> mma_tiles(const KernelSpec& spec) {
  std::vector<TileShape> tiles;
  if (!beyond_plain_body(spec).empty()) {
    return tiles;
  }
  for (const TileLayout& layout : tile_layouts(spec)) {
    for (const int row_bytes : kRowBytes) {
      const TileShape tile{layout.m, layout.n, row_bytes / static_cast<int>(element_bytes(spec))};
      const auto build = build_of(spec, tile);
      if (build && build->stages >= kMinStages && !contains(hopper_tiles(spec), tile)) {
        tiles.push_back(tile);
      }
    }
  }
  return tiles;
}

/// Every tile that fits.
std::vector<TileShape> all_tiles(const KernelSpec& spec) {
  std::vector<TileShape> tiles = hopper_tiles(spec);
  const std::vector<TileShape> others = mma_tiles(spec);
  tiles.insert(tiles.end(), others.begin(), others.end());
  return tiles;
}

Error refuse(const KernelSpec& spec, std::string why) {
  return make_error(ErrorCode::kUnsupported, fmt::format("grouped_gemm on {}: {}", spec.arch->name, why));
}

std::string tile_names(const std::vector<TileShape>& tiles) {
  std::vector<std::string> names;
  for (const TileShape tile : tiles) {
    names.push_back(fmt::format("{}x{}x{}", tile.m, tile.n, tile.k));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

class NvidiaBody final : public Body {
 public:
  std::vector<TileShape> tiles(const KernelSpec& spec) const override {
    if (!has_body(*spec.arch)) {
      return {};
    }
    std::vector<TileShape> tiles = mma_tiles(spec);
    // First wgmma's, then those that keep an SM busy on this arch, three stages ahead, and pad N by an eighth at most.
    const auto keeps_busy = [&](TileShape tile) {
      const auto build = build_of(spec, tile);
      return build->stages > kMinStages && build->threads * build->blocks_per_sm >= kBusyThreads;
    };
    const std::vector<TileShape> fastest = hopper_tiles(spec);
    const auto pads_little = [&](TileShape tile) {
      const std::int64_t padded = contains(fastest, tile) ? hopper_columns(spec, tile)
                                                          : (spec[kN] + tile.n - 1) / tile.n * tile.n;
      return (padded - spec[kN]) * 8 <= spec[kN];
    };
    std::stable_partition(tiles.begin(), tiles.end(), keeps_busy);
    tiles.insert(tiles.begin(), fastest.begin(), fastest.end());
    std::stable_partition(tiles.begin(), tiles.end(), pads_little);
    return tiles;
  }

  std::int64_t blocks_per_unit(const KernelSpec& spec, TileShape tile) const override {
    if (contains(hopper_tiles(spec), tile)) {
      return 1;
    }
    const auto build = build_of(spec, tile);
    return build ? build->blocks_per_sm : 0;
  }

  // Fitted to an H200's times of every tile (docs/choosing.md): what an output costs and what an operand element of each
  // k costs on top, in outputs of the mode's fastest tile.
  double tile_cost(const KernelSpec& spec, TileShape tile) const override {
    const double outputs = double{1} * tile.m * tile.n, elements = double{1} * tile.m + tile.n;
    const bool fp8 = is_fp8(spec);
    if (contains(hopper_tiles(spec), tile)) {
      // The last tile of a row may be narrower.
      const std::int64_t tiles = (spec[kN] + tile.n - 1) / tile.n;
      const double computed = static_cast<double>(hopper_columns(spec, tile)) / static_cast<double>(tiles * tile.n);
      return computed * (fp8 ? 0.75 * outputs + 19 * elements : 0.7 * outputs + 26 * elements);
    }
    // A block alone on an SM has nobody to compute while it decodes.
    const double cost = fp8 ? (2.27 * outputs + 41 * elements) * (blocks_per_unit(spec, tile) == 1 ? 1.4 : 1)
                            : 0.95 * outputs + 55 * elements;
    // Few rows a group wait for memory, which low tiles do not make faster: copies ahead by TMA do, by 1 to 10 %.
    const double beside_wgmma = fp8 ? 1.75 : 1.35;
    return hopper_tiles(spec).empty() ? cost : cost * beside_wgmma;
  }

  Result<BodyPlan> plan(const KernelSpec& spec) const override {
    if (!has_body(*spec.arch)) {
      return refuse(spec, "there is no body for this arch; compute_80 (PTX) runs on sm_80 and every later device");
    }
    const TileShape tile = spec.tile(kTile);
    if (contains(hopper_tiles(spec), tile)) {
      return hopper_plan(spec);
    }
    if (const std::string lacks = beyond_plain_body(spec); !lacks.empty()) {
      const auto others = all_tiles(spec);
      return refuse(spec, others.empty() ? lacks : fmt::format("tile {}x{}x{}: {}, with the tiles {}", tile.m, tile.n, tile.k, lacks, tile_names(others)));
    }
    const auto build = build_of(spec, tile);
    if (!build) {
      return refuse(spec,
                    fmt::format("tile {}x{}x{} is not one of {}", tile.m, tile.n, tile.k, tile_names(all_tiles(spec))));
    }
    if (build->stages < kMinStages) {
      return refuse(
          spec,
          fmt::format("tile {}x{}x{} with {} groups needs {} bytes of shared memory for {} stages; a block has {} "
                      "(codegen/arch.cpp: CUDA C++ Programming Guide); tiles that fit: {}",
                      tile.m, tile.n, tile.k, spec[kGroups], build->shared_bytes(), kMinStages,
                      shared_memory_limit(*spec.arch), tile_names(all_tiles(spec))));
    }
    BodyPlan plan;
    plan.template_path = "grouped_gemm/nvidia.h";
    plan.params = params(spec, tile, *build);
    plan.threads_per_block = static_cast<std::uint32_t>(build->threads);
    plan.dynamic_shared_bytes = static_cast<std::uint32_t>(build->shared_bytes());
    return plan;
  }

  LaunchShape launch_shape(const KernelSpec& spec, const BodyPlan& plan, const void* args,
                           const LaunchTarget& target) const override {
    const std::int64_t rows = static_cast<const GroupedGemmArgs*>(args)->rows;
    const std::int64_t blocks = std::min(target.unit_count * target.blocks_per_unit, max_tiles(spec, rows));
    LaunchShape shape;
    shape.grid[0] = static_cast<std::uint32_t>(std::max<std::int64_t>(blocks, 0));
    shape.block[0] = plan.threads_per_block;
    shape.dynamic_shared_bytes = plan.dynamic_shared_bytes;
    return shape;
  }

 private:
  static std::string params(const KernelSpec& spec, TileShape tile, const Build& build) {
    const std::pair<std::string_view, std::int64_t> constants[] = {
        {"kTileM", tile.m},
        {"kTileN", tile.n},
        {"kTileK", tile.k},
        {"kWarpsM", build.layout.warps_m},
        {"kWarpsN", build.layout.warps_n},
        {"kStages", build.stages},
        {"kThreads", build.threads},
        {"kSharedBytes", build.shared_bytes()},
    };
    std::string text = common_params(spec);
    for (const auto& [name, value] : constants) {
      text += fmt::format("  static constexpr int {} = {};\n", name, value);
    }
    return text;
  }
};

}  // namespace

const Body* nvidia_body() {
  static const NvidiaBody body;
  return &body;
}

}  // namespace sinter::grouped_gemm
