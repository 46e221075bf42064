// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "codegen/families/grouped_gemm.h"

// The matrix core body (templates/grouped_gemm/amd.h): which tiles it can be built with, and how.

namespace sinter::grouped_gemm {

namespace {

constexpr int kThreads = 256;
constexpr int kFragmentRows = 32;  ///< Rows and columns of the matrix instructions.
constexpr int kPieceBytes = 16;

/// Outputs of a tile: 128 fp32 sums per lane. With the operands, and in fp8_block a fragment's own sums, that is at
/// most 452 of the 512 registers that one wave per SIMD has; 256x256 needs more and spills (clang 22, hiprtc 5.2).
constexpr int kMaxOutputs = 256 * 128;

/// The grid's limit: blocks times threads must stay below 2^32 (hipModuleLaunchKernel). Blocks of a grid this large
/// loop.
constexpr std::int64_t kMaxBlocks = std::int64_t{1} << 22;

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

/// Without fp8 instructions, LDS holds the operands decoded to bf16.
int lds_element_bytes(const KernelSpec& spec) { return is_fp8(spec) && spec.arch->fp8 != Fp8Hardware::kNone ? 1 : 2; }

bool has_body(const Arch& arch) { return arch.vendor == Vendor::kAmd && arch.wave_size == 64 && arch.has_bf16_matrix; }

Error refuse(const KernelSpec& spec, std::string why) {
  return make_error(ErrorCode::kUnsupported, fmt::format("grouped_gemm on {}: tile {}: {}", spec.arch->name,
                                                         tile_to_string(spec.tile(kTile)), why));
}

/// How a tile is built. Mirrors Layout in the template.
struct Build {
  int waves_m = 1;  ///< Rows of waves, of four waves in all.
  int stages = 1;   ///< Copies of both operands in LDS.
  std::int64_t shared_bytes = 0;
};

std::int64_t stage_bytes(const KernelSpec& spec, TileShape tile) {
  return std::int64_t{tile.m + tile.n} * tile.k * lds_element_bytes(spec);
}

Build build_of(const KernelSpec& spec, TileShape tile) {
  Build build;
  build.waves_m = tile.m > kFragmentRows ? 2 : 1;
  // A second stage saves a barrier per step. Two blocks on a CU do more for speed, so it must not cost one of them.
  build.stages = 4 * stage_bytes(spec, tile) <= spec.arch->max_shared_memory_bytes ? 2 : 1;
  const std::int64_t slab_bytes = std::int64_t{kFragmentRows * build.waves_m} * (tile.n * 2 + 8);
  build.shared_bytes = std::max(build.stages * stage_bytes(spec, tile), slab_bytes);
  return build;
}

template <class Values>
std::string joined(const Values& values) {
  std::string text;
  for (const auto& value : values) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", value);
  }
  return text;
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
  const int pieces = std::min(tile.m, tile.n) * tile.k * static_cast<int>(element_bytes(spec)) / kPieceBytes;
  if (pieces % kThreads != 0) {
    return refuse(spec, fmt::format("a step of its smaller operand is {} pieces of {} bytes, which {} threads cannot "
                                    "share evenly; take a larger k",
                                    pieces, kPieceBytes, kThreads));
  }
  const std::int64_t limit = spec.arch->max_shared_memory_bytes;
  if (const std::int64_t bytes = build_of(spec, tile).shared_bytes; bytes > limit) {
    return refuse(spec,
                  fmt::format("it needs {} bytes of LDS; a workgroup has {} (limit of the arch, as LLVM's backend "
                              "checks it)",
                              bytes, limit));
  }
  return {};
}

/// The mode's matrix instruction as LLVM 22 prints it.
std::string_view matrix_instruction(const KernelSpec& spec) {
  if (is_fp8(spec) && spec.arch->fp8 != Fp8Hardware::kNone) {
    return spec.arch->fp8 == Fp8Hardware::kFnuz ? "v_mfma_f32_32x32x16_fp8_fp8" : "v_mfma_f32_32x32x64_f8f6f4";
  }
  if (!is_fp8(spec) && spec[kDtype] == kDtypeFp16) {
    return spec.arch->fp8 == Fp8Hardware::kOcp     ? "v_mfma_f32_32x32x16_f16"
           : spec.arch->fp8 == Fp8Hardware::kFnuz ? "v_mfma_f32_32x32x8_f16"
                                                  : "v_mfma_f32_32x32x8f16";
  }
  if (spec.arch->fp8 == Fp8Hardware::kOcp) {
    return "v_mfma_f32_32x32x16_bf16";
  }
  return spec.arch->fp8 == Fp8Hardware::kFnuz ? "v_mfma_f32_32x32x8_bf16" : "v_mfma_f32_32x32x8bf16_1k";
}

class AmdBody final : public Body {
 public:
  std::vector<TileShape> tiles(const KernelSpec& spec) const override {
    std::vector<TileShape> tiles;
    if (!has_body(*spec.arch) || !beyond_plain_body(spec).empty()) {
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
    constexpr std::int64_t kRegistersPerSimd = 512;
    for (const TileSize& size : kTileSizes) {
      if (size.m == tile.m && size.n == tile.n) {
        const std::int64_t by_registers = kRegistersPerSimd / (is_fp8(spec) ? size.fp8_registers : size.registers);
        const std::int64_t by_lds = spec.arch->max_shared_memory_bytes / build_of(spec, tile).shared_bytes;
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
    if (!has_body(*spec.arch)) {
      return make_error(
          ErrorCode::kUnsupported,
          fmt::format("grouped_gemm has no body for {}; AMD archs with one: gfx90a, gfx942, gfx950", spec.arch->name));
    }
    const TileShape tile = spec.tile(kTile);
    if (const std::string lacks = beyond_plain_body(spec); !lacks.empty()) {
      return make_error(ErrorCode::kUnsupported, fmt::format("grouped_gemm on {}: {}", spec.arch->name, lacks));
    }
    SINTER_TRY_VOID(check_tile(spec, tile));
    const Build build = build_of(spec, tile);
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
        spec[kVskip] == kVskipOn, tile.m, tile.n, tile.k, build.waves_m, build.stages, build.shared_bytes, kMaxBlocks,
        kThreads);
    plan.threads_per_block = kThreads;
    plan.static_shared_bytes = static_cast<std::uint32_t>(build.shared_bytes);
    plan.required_instructions = {matrix_instruction(spec)};
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
