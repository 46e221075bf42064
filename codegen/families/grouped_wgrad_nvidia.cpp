// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "codegen/families/grouped_wgrad.h"
#include "codegen/families/hopper_maps.h"

// The wgmma body of grouped_wgrad (templates/grouped_wgrad/hopper.h), for sm_90a.

namespace sinter::grouped_wgrad {

namespace {

/// Two warpgroups of products and one that copies.
constexpr int kThreads = 3 * 128;
/// Per thread at the start: the most that so many threads can have of 65,536, in eights.
constexpr int kRegisters = 168;
/// A box of an operand, and a buffer of dW of one warp: rows, and the bytes that a swizzle spans.
constexpr std::uint32_t kBoxRows = 64, kBufferRows = 16, kRowBytes = 128;
constexpr int kMathWarps = 8, kBuffers = 2;
constexpr std::int64_t kMaxStages = 6;

constexpr TileShape kTiles[] = {{128, 256, 64}, {128, 128, 64}};

/// Shared memory as the template's Layout has it.
struct Memory {
  std::int64_t stages, bytes;
};

Memory memory_of(const KernelSpec& spec, TileShape tile) {
  constexpr std::int64_t kTileBytes = 16, kBarrierBytes = 2 * 8;
  const std::int64_t slot = std::int64_t{tile.m + tile.n} * kRowBytes + kTileBytes + kBarrierBytes;
  const std::int64_t fixed =
      kMathWarps * kBuffers * std::int64_t{kBufferRows * kRowBytes} + 8 * (spec[kGroups] + 1) + 8 * (kThreads / 32);
  const std::int64_t stages = std::min((spec.arch->max_shared_memory_bytes - fixed) / slot, kMaxStages);
  return {stages, stages * slot + fixed};
}

TensorMapPlan operand_map(std::size_t argument_offset, std::int64_t columns) {
  TensorMapPlan plan;
  plan.argument_offset = static_cast<std::int32_t>(argument_offset);
  plan.type = TensorMapType::kBf16;
  make_ragged(plan, static_cast<std::uint64_t>(columns), 2);
  plan.box = {kRowBytes / 2, kBoxRows, 1, 1};
  return plan;
}

TensorMapPlan map_dw(const KernelSpec& spec) {
  const auto n = static_cast<std::uint64_t>(spec[kN]), k = static_cast<std::uint64_t>(spec[kK]);
  TensorMapPlan plan;
  plan.argument_offset = offsetof(GroupedWgradArgs, dw);
  plan.type = spec[kOutput] == kOutputSame ? TensorMapType::kBf16 : TensorMapType::kF32;
  plan.sizes = {k, n};
  plan.strides = {output_bytes(spec) * k};
  if (spec[kTensors] == kTensorsSeparate) {
    make_separate(plan);
  } else {
    plan.rank = 3;
    plan.sizes[2] = static_cast<std::uint64_t>(spec[kGroups]);
    plan.strides[1] = output_bytes(spec) * k * n;
  }
  plan.box = {static_cast<std::uint32_t>(kRowBytes / output_bytes(spec)), kBufferRows, 1, 1};
  return plan;
}

bool has_body(const KernelSpec& spec) {
  /// Of a tensor map, bytes (cuTensorMapEncodeTiled: strides are below 2^40).
  constexpr std::uint64_t kMaxStride = (1ull << 40) - 1;
  return spec.arch->name == "sm_90a" &&
         output_bytes(spec) * static_cast<std::uint64_t>(spec[kN]) * static_cast<std::uint64_t>(spec[kK]) <= kMaxStride;
}

class NvidiaBody final : public Body {
 public:
  std::vector<TileShape> tiles(const KernelSpec& spec) const override {
    return has_body(spec) ? std::vector<TileShape>(std::begin(kTiles), std::end(kTiles)) : std::vector<TileShape>();
  }

  Result<BodyPlan> plan(const KernelSpec& spec) const override {
    if (!has_body(spec)) {
      return make_error(ErrorCode::kUnsupported,
                        fmt::format("grouped_wgrad on {}: there are bodies for sm_90a (matrices below 2^40 bytes), gfx90a, gfx942, gfx950 and the host",
                                    spec.arch->name));
    }
    const TileShape tile = spec.tile(kTile);
    if (std::find(std::begin(kTiles), std::end(kTiles), tile) == std::end(kTiles)) {
      return make_error(ErrorCode::kUnsupported, fmt::format("grouped_wgrad on {}: tile {} is not one of 128x256x64, 128x128x64",
                                                             spec.arch->name, tile_to_string(tile)));
    }
    const Memory memory = memory_of(spec, tile);
    BodyPlan plan;
    plan.template_path = "grouped_wgrad/hopper.h";
    plan.params = common_params(spec) + fmt::format(
        "  static constexpr int kTileM = {};\n"
        "  static constexpr int kTileN = {};\n"
        "  static constexpr int kTileK = {};\n"
        "  static constexpr int kStages = {};\n"
        "  static constexpr int kThreads = {};\n"
        "  static constexpr int kRegisters = {};\n"
        "  static constexpr int kSharedBytes = {};\n",
        tile.m, tile.n, tile.k, memory.stages, kThreads, kRegisters, memory.bytes);
    plan.threads_per_block = kThreads;
    plan.dynamic_shared_bytes = static_cast<std::uint32_t>(memory.bytes);
    plan.exact_registers = kRegisters;
    plan.tensor_maps = {operand_map(offsetof(GroupedWgradArgs, dy), spec[kN]), operand_map(offsetof(GroupedWgradArgs, x), spec[kK]),
                        map_dw(spec)};
    return plan;
  }

  LaunchShape launch_shape(const KernelSpec& spec, const BodyPlan& plan, const void* args, const LaunchTarget& target) const override {
    const TileShape tile = spec.tile(kTile);
    const std::int64_t rows = static_cast<const GroupedWgradArgs*>(args)->rows;
    const std::int64_t groups = spec[kOutput] == kOutputAddF32 ? std::min(spec[kGroups], rows) : spec[kGroups];
    const std::int64_t tiles = (spec[kN] + tile.m - 1) / tile.m * ((spec[kK] + tile.n - 1) / tile.n) * groups;
    LaunchShape shape;
    shape.grid[0] = static_cast<std::uint32_t>(std::clamp<std::int64_t>(tiles, 0, target.unit_count * target.blocks_per_unit));
    shape.block[0] = plan.threads_per_block;
    shape.dynamic_shared_bytes = plan.dynamic_shared_bytes;
    return shape;
  }
};

}  // namespace

const Body* nvidia_body() {
  static const NvidiaBody body;
  return &body;
}

}  // namespace sinter::grouped_wgrad
