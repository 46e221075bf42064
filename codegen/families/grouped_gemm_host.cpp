// SPDX-License-Identifier: Apache-2.0

// grouped_gemm on the host CPU: which tiles templates/grouped_gemm/host.h takes and what it asks of a launch.

#include <algorithm>

#include <fmt/format.h>

#include "codegen/families/grouped_gemm.h"

namespace sinter::grouped_gemm {

namespace {

// What the template's micro-kernel needs to know of an arch: 32-bit lanes per vector, elements of K per 32-bit slot.
struct MicroKernel {
  std::int64_t columns;  // Four AVX-512 vectors or two AVX2 vectors of fp32 sums.
  std::int64_t slot_k;   // Two bf16 side by side where the CPU multiplies pairs (AVX512-BF16), else one fp32.
};

MicroKernel micro_kernel(const KernelSpec& spec) {
  const Arch& arch = *spec.arch;
  const bool is_fp16 = !is_fp8(spec) && spec[kDtype] == kDtypeFp16;
  if (arch.has_bf16_matrix && !is_fp16) {  // fp16 has more bits than bf16 holds
    return {.columns = 64, .slot_k = 2};
  }
  const bool avx512 = arch.name.substr(0, 9) == "x86-64-v4";
  return {.columns = avx512 ? 64 : 16, .slot_k = 1};
}

// Sums, packed A and packed B, all of 32-bit units (Layout in the template).
std::int64_t scratch_bytes(TileShape tile, std::int64_t slot_k) {
  const std::int64_t m = tile.m, n = tile.n, k = tile.k;
  return 4 * (m * n + (m + n) * k / slot_k);
}

Error refuse(const KernelSpec& spec, std::string_view what) {
  const std::string tile = tile_to_string(spec.tile(kTile));
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("grouped_gemm: tile {} on {}: {}", tile, spec.arch->name, what));
}

class HostBody final : public Body {
 public:
  // Packed panels and sums should stay in a 1 MiB L2. Long pieces of K pack fastest; few rows want small tiles, for
  // more of them to share out. The first is the fastest of these on Zen 4 for both modes and all levels, or within 2 %.
  std::vector<TileShape> tiles(const KernelSpec& spec) const override {
    std::vector<TileShape> list;
    for (const TileShape tile : {TileShape{192, 128, 512}, TileShape{192, 256, 256}, TileShape{384, 256, 512},
                                 TileShape{384, 128, 256}, TileShape{96, 256, 512}, TileShape{96, 128, 256},
                                 TileShape{128, 128, 128}, TileShape{48, 64, 512}, TileShape{24, 64, 1024}}) {
      const bool has_halves = spec[kEpilogue] != kEpilogueSwiglu || tile.n / 2 % micro_kernel(spec).columns == 0;
      if (has_halves && scratch_bytes(tile, micro_kernel(spec).slot_k) <= spec.arch->max_shared_memory_bytes) {
        list.push_back(tile);
      }
    }
    return list;
  }

  Result<BodyPlan> plan(const KernelSpec& spec) const override {
    const TileShape tile = spec.tile(kTile);
    const MicroKernel micro = micro_kernel(spec);
    if (tile.n % micro.columns != 0) {
      return refuse(spec, fmt::format("n {} is not a multiple of {}, the columns of the arch's micro-kernel", tile.n,
                                      micro.columns));
    }
    if (spec[kEpilogue] == kEpilogueSwiglu && tile.n / 2 % micro.columns != 0) {
      return refuse(spec, fmt::format("swiglu computes two halves of a tile; half of n {} is not a multiple of {}, the "
                                      "columns of the arch's micro-kernel",
                                      tile.n, micro.columns));
    }
    const std::int64_t step = is_fp8(spec) ? kScaleBlock : kVectorK;
    if (tile.k % step != 0) {
      return refuse(spec, fmt::format("k {} is not a multiple of {}, {}", tile.k, step,
                                      is_fp8(spec) ? "the columns of one scale" : "the bf16 values of one vector"));
    }
    const std::int64_t scratch = scratch_bytes(tile, micro.slot_k);
    if (scratch > spec.arch->max_shared_memory_bytes) {
      return refuse(spec, fmt::format("it needs {} bytes of scratch per thread; the arch table's limit is {}", scratch,
                                      spec.arch->max_shared_memory_bytes));
    }
    BodyPlan plan;
    plan.template_path = "grouped_gemm/host.h";
    plan.params = common_params(spec) + fmt::format(
        "  static constexpr int kTileM = {};\n"
        "  static constexpr int kTileN = {};\n"
        "  static constexpr int kTileK = {};\n"
        "  static constexpr int kScratchBytes = {};\n",
        tile.m, tile.n, tile.k, scratch);
    plan.dynamic_shared_bytes = static_cast<std::uint32_t>(scratch);
    return plan;
  }

  // One block per tile that there could be: the pool hands them out one by one, which balances skewed groups.
  LaunchShape launch_shape(const KernelSpec& spec, const BodyPlan& plan, const void* args,
                           const LaunchTarget&) const override {
    const std::int64_t rows = std::max<std::int64_t>(0, static_cast<const GroupedGemmArgs*>(args)->rows);
    LaunchShape shape;
    shape.grid[0] = static_cast<std::uint32_t>(std::min(max_tiles(spec, rows), kMaxBlocks));
    shape.dynamic_shared_bytes = plan.dynamic_shared_bytes;
    return shape;
  }

 private:
  static constexpr std::int64_t kVectorK = 32;
  static constexpr std::int64_t kMaxBlocks = 1 << 16;  // Blocks loop over further tiles.
};

}  // namespace

const Body* host_body() {
  static const HostBody body;
  return &body;
}

}  // namespace sinter::grouped_gemm
