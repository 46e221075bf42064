// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "codegen/families/amd_matrix.h"
#include "codegen/families/grouped_gemm.h"

// The matrix core body (templates/grouped_gemm/amd.h): which tiles it can be built with, and how.

namespace sinter::grouped_gemm {

namespace {

using namespace amd;

constexpr int kPieceBytes = 16;

/// Outputs of a tile: 128 fp32 sums per lane. With the operands, and in fp8_block a fragment's own sums, that is at
/// most 452 of the 512 registers that one wave per SIMD has; 256x256 needs more and spills (clang 22, hiprtc 5.2).
constexpr int kMaxOutputs = 256 * 128;

/// `registers`: of a thread without and with fp8_block, VGPRs and AGPRs together, as clang 22 allocates them on gfx942.
struct TileSize {
  int m, n;
  int registers, fp8_registers;
};

// Best general choice first: square tiles read the fewest operand bytes per output, and 128x128 leaves registers and
// LDS for two blocks per CU, which hide each other's barriers. Short tiles suit groups of few rows. This order is
// reasoned, not timed.
constexpr std::array kTileSizes = {
    TileSize{128, 128, 150, 242}, TileSize{256, 128, 240, 394}, TileSize{128, 256, 248, 416}, TileSize{64, 128, 110, 162}, TileSize{128, 64, 106, 164},
    TileSize{64, 256, 166, 252},  TileSize{256, 64, 162, 252},  TileSize{64, 64, 74, 102},   TileSize{32, 128, 80, 108}, TileSize{32, 256, 130, 182},
};

/// Bytes of K per row and step in LDS, best first: 128 is all 32 banks; the template's swizzle knows these.
constexpr std::array kLdsRowBytes = {128, 256, 64};
/// Of rows whose operand is transposed on the way to LDS (LdsOrder::kByColumns).
constexpr int kMaxTransposedRowBytes = 128;

/// Without fp8 instructions, LDS holds the operands decoded to bf16.
int lds_element_bytes(const KernelSpec& spec) { return is_fp8(spec) && spec.arch->fp8 != Fp8Hardware::kNone ? 1 : 2; }

Error refuse(const KernelSpec& spec, std::string why) {
  return make_error(ErrorCode::kUnsupported, fmt::format("grouped_gemm on {}: tile {}: {}", spec.arch->name,
                                                         tile_to_string(spec.tile(kTile)), why));
}

/// LDS of a tile. Mirrors Layout in the template: operands, after them a slab of D.
std::int64_t shared_bytes(const KernelSpec& spec, TileShape tile) {
  const TileBuild build = build_tile(*spec.arch, tile, tile.k * lds_element_bytes(spec));
  const int columns = spec[kEpilogue] == kEpilogueSwiglu ? tile.n / 2 : tile.n;
  return std::max(build.operand_bytes, std::int64_t{kFragmentRows * build.waves_m} * (columns * 2 + 8));
}

template <class Values>
std::string joined(const Values& values) {
  std::string text;
  for (const auto& value : values) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", value);
  }
  return text;
}

/// What kn and swiglu ask of a tile.
Result<void> check_modes(const KernelSpec& spec, TileShape tile) {
  if (spec[kLayout] == kLayoutKn) {
    if (tile.k * 2 > kMaxTransposedRowBytes) {
      return refuse(spec, fmt::format("k = {} is {} bytes per row of LDS; with b_layout kn rows have at most {}",
                                      tile.k, tile.k * 2, kMaxTransposedRowBytes));
    }
    if (const int pieces = tile.n * tile.k * 2 / kPieceBytes / kThreads; pieces < 2) {
      return refuse(spec, fmt::format("a step of b is {} piece for each of {} threads; to transpose it with b_layout "
                                      "kn they need two: take a larger n or k",
                                      pieces, kThreads));
    }
  }
  if (spec[kEpilogue] == kEpilogueSwiglu) {
    const int waves_n = kWaves / build_tile(*spec.arch, tile, tile.k * lds_element_bytes(spec)).waves_m;
    if (tile.n / waves_n < 2 * kFragmentRows) {
      return refuse(spec, fmt::format("n = {} is {} columns for each of {} waves; with swiglu a wave has {} of both "
                                      "halves: n is at least {}",
                                      tile.n, tile.n / waves_n, waves_n, kFragmentRows, 2 * kFragmentRows * waves_n));
    }
  }
  return {};
}

/// Why the template cannot be built with this tile, or success.
Result<void> check_tile(const KernelSpec& spec, TileShape tile) {
  const auto same_size = [&](TileSize size) { return size.m == tile.m && size.n == tile.n; };
  if (std::none_of(kTileSizes.begin(), kTileSizes.end(), same_size)) {
    std::vector<std::string> sizes;
    for (const TileSize size : kTileSizes) {
      sizes.push_back(fmt::format("{}x{}", size.m, size.n));
    }
    const std::int64_t outputs = std::int64_t{tile.m} * tile.n;
    const std::string why =
        outputs > kMaxOutputs
            ? fmt::format("{} outputs are more than {}, whose sums fit a wave's 512 registers", outputs, kMaxOutputs)
            : fmt::format("{}x{} does not divide into fragments of four waves", tile.m, tile.n);
    return refuse(spec, fmt::format("{}; m x n is one of {}", why, joined(sizes)));
  }
  const int row_bytes = tile.k * lds_element_bytes(spec);
  if (std::find(kLdsRowBytes.begin(), kLdsRowBytes.end(), row_bytes) == kLdsRowBytes.end()) {
    return refuse(spec, fmt::format("k = {} is {} bytes per row of LDS; the swizzle against bank conflicts takes {}",
                                    tile.k, row_bytes, joined(kLdsRowBytes)));
  }
  if (spec[kQuant] == kQuantFp8Block && kScaleBlock % tile.k != 0) {
    return refuse(spec, fmt::format("k = {} must divide the scale block of {}, so that a step has one scale", tile.k,
                                    kScaleBlock));
  }
  SINTER_TRY_VOID(check_modes(spec, tile));
  const int rows_b = spec[kEpilogue] == kEpilogueSwiglu ? tile.n / 2 : tile.n;
  const int pieces = std::min(tile.m, rows_b) * tile.k * static_cast<int>(element_bytes(spec)) / kPieceBytes;
  if (pieces % kThreads != 0) {
    return refuse(spec, fmt::format("a step of its smaller operand is {} pieces of {} bytes, which {} threads cannot "
                                    "share evenly; take a larger k",
                                    pieces, kPieceBytes, kThreads));
  }
  const std::int64_t limit = spec.arch->max_shared_memory_bytes;
  if (const std::int64_t bytes = shared_bytes(spec, tile); bytes > limit) {
    return refuse(spec,
                  fmt::format("it needs {} bytes of LDS; a workgroup has {} (limit of the arch, as LLVM's backend "
                              "checks it)",
                              bytes, limit));
  }
  return {};
}

MatrixType matrix_type(const KernelSpec& spec) {
  return is_fp8(spec) ? MatrixType::kFp8 : spec[kDtype] == kDtypeFp16 ? MatrixType::kF16 : MatrixType::kBf16;
}

class AmdBody final : public Body {
 public:
  std::vector<TileShape> tiles(const KernelSpec& spec) const override {
    std::vector<TileShape> tiles;
    if (!has_templates(*spec.arch)) {
      return tiles;
    }
    for (const int row_bytes : kLdsRowBytes) {
      for (const TileSize size : kTileSizes) {
        const TileShape tile{size.m, size.n, row_bytes / lds_element_bytes(spec)};
        if (check_tile(spec, tile)) {
          tiles.push_back(tile);
        }
      }
    }
    // Tiles that pad N by more than an eighth come last.
    std::stable_partition(tiles.begin(), tiles.end(), [&](TileShape tile) {
      const std::int64_t padded = (spec[kN] + tile.n - 1) / tile.n * tile.n;
      return (padded - spec[kN]) * 8 <= spec[kN];
    });
    return tiles;
  }

  // A block is one wave on each SIMD, whose 512 registers its waves share; LDS is the unit's.
  std::int64_t blocks_per_unit(const KernelSpec& spec, TileShape tile) const override {
    for (const TileSize& size : kTileSizes) {
      if (size.m == tile.m && size.n == tile.n) {
        const std::int64_t by_registers = kRegistersPerSimd / (is_fp8(spec) ? size.fp8_registers : size.registers);
        const std::int64_t by_lds = spec.arch->max_shared_memory_bytes / shared_bytes(spec, tile);
        return std::min(by_registers, by_lds);
      }
    }
    return 0;
  }

  // Reasoned, not timed.
  double tile_cost(const KernelSpec& spec, TileShape tile) const override {
    // Outputs that a unit computes in the time in which it fetches one operand element of each k: CDNA3 computes 1024
    // bf16 outputs per clock and unit (2048 operations) and its first-level cache gives 64 bytes, 32 elements; fp8
    // doubles both.
    constexpr double kOutputsPerElement = 32;
    // A block that has a unit to itself waits at every barrier with nothing to run meanwhile.
    constexpr double kAlone = 1.25;
    const double outputs = double{1} * tile.m * tile.n, elements = double{1} * tile.m + tile.n;
    return (outputs + kOutputsPerElement * elements) * (blocks_per_unit(spec, tile) == 1 ? kAlone : 1);
  }

  Result<BodyPlan> plan(const KernelSpec& spec) const override {
    if (!has_templates(*spec.arch)) {
      return make_error(
          ErrorCode::kUnsupported,
          fmt::format("grouped_gemm has no body for {}; AMD archs with one: {}", spec.arch->name, kArchsOfTemplates));
    }
    const TileShape tile = spec.tile(kTile);
    SINTER_TRY_VOID(check_tile(spec, tile));
    const TileBuild build = build_tile(*spec.arch, tile, tile.k * lds_element_bytes(spec));
    const std::int64_t bytes = shared_bytes(spec, tile);
    BodyPlan plan;
    plan.template_path = "grouped_gemm/amd.h";
    plan.params = common_params(spec) + fmt::format(
        "  static constexpr bool kVskip = {};\n"
        "  static constexpr int kTileM = {};\n"
        "  static constexpr int kTileN = {};\n"
        "  static constexpr int kTileK = {};\n"
        "  static constexpr int kWavesM = {};\n"
        "  static constexpr int kStages = {};\n"
        "  static constexpr int kSharedBytes = {};\n"
        "  static constexpr unsigned kMaxBlocks = {};\n"
        "  static constexpr int kThreads = {};\n",
        spec[kVskip] == kVskipOn, tile.m, tile.n, tile.k, build.waves_m, build.stages, bytes, kMaxBlocks,
        kThreads);
    plan.threads_per_block = kThreads;
    plan.static_shared_bytes = static_cast<std::uint32_t>(bytes);
    plan.required_instructions = {matrix_instruction(*spec.arch, matrix_type(spec))};
    return plan;
  }

  LaunchShape launch_shape(const KernelSpec& spec, const BodyPlan& plan, const void* args,
                           const LaunchTarget&) const override {
    LaunchShape shape;
    const std::int64_t tiles = max_tiles(spec, static_cast<const GroupedGemmArgs*>(args)->rows);
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

}  // namespace sinter::grouped_gemm
