// SPDX-License-Identifier: Apache-2.0
#include "codegen/families/grouped_gemm_hopper.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

namespace sinter::grouped_gemm {

namespace {

/// Two warpgroups of products and one that copies.
constexpr int kThreads = 3 * 128;
/// Per thread at the start: the most that so many threads can have of 65,536, in eights.
constexpr int kRegisters = 168;
/// A box of A or D: the rows of one warpgroup, and as many bf16 as a swizzle of 128 bytes spans.
constexpr int kBoxRows = 64, kBoxColumns = 64;
constexpr int kBoxBytes = kBoxRows * kBoxColumns * 2;
/// More than hide the latency of memory.
constexpr std::int64_t kMaxStages = 6;

/// 128 x 256 is as wide as an instruction, and the fastest: narrower tiles read A more often (on an H200 128 x 128 takes
/// 10 % longer for groups of 384 rows and 25 % for a skewed batch), taller ones need more registers than there are.
constexpr TileShape kTiles[] = {{128, 256, 64}, {128, 128, 64}};

/// Shared memory as the template's Layout has it.
struct Memory {
  std::int64_t slot_bytes, fixed_bytes;
  std::int64_t stages;

  std::int64_t bytes() const { return stages * slot_bytes + fixed_bytes; }
};

Memory memory_of(const KernelSpec& spec, TileShape tile) {
  constexpr std::int64_t kTileBytes = 16, kBarrierBytes = 2 * 8;
  const std::int64_t groups = spec[kGroups] + 1;
  Memory memory;
  memory.slot_bytes = std::int64_t{tile.m + tile.n} * tile.k * 2 + kTileBytes + kBarrierBytes;
  memory.fixed_bytes = tile.m / kBoxRows * 2 * kBoxBytes + 8 * groups + 8 * (kThreads / 32) + 2 * groups;
  memory.stages = std::min((spec.arch->max_shared_memory_bytes - memory.fixed_bytes) / memory.slot_bytes, kMaxStages);
  return memory;
}

/// A map of rows of which each group's are a part: templates/sinter_device/hopper.h says how coordinates select them.
TensorMapPlan ragged_rows(std::size_t argument_offset, std::int64_t columns) {
  const auto size = static_cast<std::uint64_t>(columns), pitch = 2 * size;
  TensorMapPlan plan;
  plan.argument_offset = static_cast<std::int32_t>(argument_offset);
  plan.type = TensorMapType::kBf16;
  plan.rank = 4;
  plan.sizes = {size, 1ull << 30, 1ull << 31, 1ull << 31};
  plan.strides = {pitch, pitch, (1ull << 34) - pitch};
  plan.box = {kBoxColumns, kBoxRows, 1, 1};
  return plan;
}

/// B: {K, N, groups}. Rows behind N read as zeros, not as the next group's.
TensorMapPlan group_matrices(std::size_t argument_offset, const KernelSpec& spec, TileShape tile) {
  const auto n = static_cast<std::uint64_t>(spec[kN]), k = static_cast<std::uint64_t>(spec[kK]);
  TensorMapPlan plan;
  plan.argument_offset = static_cast<std::int32_t>(argument_offset);
  plan.type = TensorMapType::kBf16;
  plan.rank = 3;
  plan.sizes = {k, n, static_cast<std::uint64_t>(spec[kGroups])};
  plan.strides = {2 * k, 2 * k * n};
  plan.box = {static_cast<std::uint32_t>(tile.k), static_cast<std::uint32_t>(tile.n), 1};
  return plan;
}

std::string params(const KernelSpec& spec, TileShape tile, const Memory& memory) {
  const std::pair<std::string_view, std::int64_t> constants[] = {
      {"kN", spec[kN]},
      {"kK", spec[kK]},
      {"kGroups", spec[kGroups]},
      {"kTileM", tile.m},
      {"kTileN", tile.n},
      {"kTileK", tile.k},
      {"kStages", memory.stages},
      {"kThreads", kThreads},
      {"kRegisters", kRegisters},
      {"kSharedBytes", memory.bytes()},
  };
  std::string text;
  for (const auto& [name, value] : constants) {
    text += fmt::format("  static constexpr int {} = {};\n", name, value);
  }
  return text;
}

}  // namespace

std::vector<TileShape> hopper_tiles(const KernelSpec& spec) {
  if (spec.arch->name != "sm_90a" || spec[kQuant] != kQuantNone) {
    return {};
  }
  return {std::begin(kTiles), std::end(kTiles)};
}

BodyPlan hopper_plan(const KernelSpec& spec) {
  const TileShape tile = spec.tile(kTile);
  const Memory memory = memory_of(spec, tile);
  BodyPlan plan;
  plan.template_path = "grouped_gemm/hopper.h";
  plan.params = params(spec, tile, memory);
  plan.threads_per_block = kThreads;
  plan.dynamic_shared_bytes = static_cast<std::uint32_t>(memory.bytes());
  plan.exact_registers = kRegisters;
  plan.tensor_maps = {ragged_rows(offsetof(GroupedGemmArgs, a), spec[kK]),
                      group_matrices(offsetof(GroupedGemmArgs, b), spec, tile),
                      ragged_rows(offsetof(GroupedGemmArgs, d), spec[kN])};
  return plan;
}

}  // namespace sinter::grouped_gemm
