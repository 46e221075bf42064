// SPDX-License-Identifier: Apache-2.0
#include "codegen/families/grouped_gemm_hopper.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "codegen/families/hopper_maps.h"

namespace sinter::grouped_gemm {

namespace {

/// Two warpgroups of products and one that copies.
constexpr int kThreads = 3 * 128;
/// Per thread at the start: the most that so many threads can have of 65,536, in eights.
constexpr int kRegisters = 168;
/// A box of A: the rows of one warpgroup, and the bytes that a swizzle spans.
constexpr int kBoxRows = 64, kBoxRowBytes = 128;
/// Warps that compute, and a buffer of D of one warp: 16 rows of 64 bf16.
constexpr int kMathWarps = 8;
constexpr std::int64_t kBufferBytes = 16 * 64 * 2;
/// More than hide the latency of memory.
constexpr std::int64_t kMaxStages = 6;

/// 128 x 256 is as wide as an instruction, and the fastest: narrower tiles read A more often (on an H200 128 x 128
/// takes 10 % longer for groups of 384 rows and 25 % for a skewed batch), taller ones need more registers than there
/// are.
constexpr TileShape kTilesNone[] = {{128, 256, 64}, {128, 128, 64}};
/// 128 x 192 is as wide as two sums fit the registers. 192 x 128 by three warpgroups was 2 to 7 % slower.
constexpr TileShape kTilesFp8[] = {{128, 192, 128}, {128, 128, 128}};
/// Half a tile of swiglu is whole buffers of 64 columns.
constexpr TileShape kTilesFp8Swiglu[] = {{128, 128, 128}};

std::uint64_t operand_bytes(const KernelSpec& spec) { return static_cast<std::uint64_t>(element_bytes(spec)); }

/// Shared memory as the template's Layout has it.
struct Memory {
  std::int64_t slot_bytes, fixed_bytes;
  std::int64_t stages;
  std::int64_t buffers;  ///< Of each warp, for D.

  std::int64_t bytes() const { return stages * slot_bytes + fixed_bytes; }
};

Memory memory_of(const KernelSpec& spec, TileShape tile) {
  constexpr std::int64_t kTileBytes = 16, kBarrierBytes = 2 * 8;
  const std::int64_t groups = spec[kGroups] + 1;
  Memory memory;
  memory.slot_bytes = std::int64_t{tile.m + tile.n} * kBoxRowBytes + kTileBytes + kBarrierBytes;
  const auto use_buffers = [&](std::int64_t buffers) {
    memory.buffers = buffers;
    memory.fixed_bytes = kMathWarps * buffers * kBufferBytes + 8 * groups + 8 * (kThreads / 32) + 2 * groups;
    memory.stages = std::min((spec.arch->max_shared_memory_bytes - memory.fixed_bytes) / memory.slot_bytes, kMaxStages);
    return memory.stages;
  };
  // A slot is worth more than a second buffer: that costs one with fp8_block, and with 284 groups or more.
  const std::int64_t most_stages = use_buffers(1);
  if (is_fp8(spec) || use_buffers(2) < most_stages) {
    use_buffers(1);
  }
  return memory;
}

TensorMapPlan operand_map(const KernelSpec& spec, std::size_t argument_offset) {
  TensorMapPlan plan;
  plan.argument_offset = static_cast<std::int32_t>(argument_offset);
  plan.type = is_fp8(spec) ? TensorMapType::kBytes : TensorMapType::kBf16;
  return plan;
}

TensorMapPlan map_a(const KernelSpec& spec, TileShape tile) {
  TensorMapPlan plan = operand_map(spec, offsetof(GroupedGemmArgs, a));
  make_ragged(plan, static_cast<std::uint64_t>(spec[kK]), operand_bytes(spec));
  plan.box = {static_cast<std::uint32_t>(tile.k), kBoxRows, 1, 1};
  return plan;
}

/// B: {K, N, groups}, or {N, K, groups}. What lies behind N or K reads as zeros, not as the next group's.
TensorMapPlan map_b(const KernelSpec& spec, TileShape tile) {
  const auto n = static_cast<std::uint64_t>(spec[kN]), k = static_cast<std::uint64_t>(spec[kK]);
  const bool is_kn = spec[kLayout] == kLayoutKn;
  TensorMapPlan plan = operand_map(spec, offsetof(GroupedGemmArgs, b));
  plan.sizes = {is_kn ? n : k, is_kn ? k : n};
  plan.strides = {operand_bytes(spec) * plan.sizes[0]};
  if (spec[kTensors] == kTensorsSeparate) {
    make_separate(plan);
  } else {
    plan.rank = 3;
    plan.sizes[2] = static_cast<std::uint64_t>(spec[kGroups]);
    plan.strides[1] = operand_bytes(spec) * k * n;
  }
  const int rows = spec[kEpilogue] == kEpilogueSwiglu ? tile.n / 2 : tile.n;
  plan.box = {static_cast<std::uint32_t>(is_kn ? kBoxRowBytes / 2 : tile.k), static_cast<std::uint32_t>(is_kn ? tile.k : rows), 1, 1};
  return plan;
}

std::string params(const KernelSpec& spec, TileShape tile, const Memory& memory) {
  const std::pair<std::string_view, std::int64_t> constants[] = {
      {"kTileM", tile.m},
      {"kTileN", tile.n},
      {"kTileK", tile.k},
      {"kStages", memory.stages},
      {"kBuffers", memory.buffers},
      {"kThreads", kThreads},
      {"kRegisters", kRegisters},
      {"kSharedBytes", memory.bytes()},
  };
  std::string text = common_params(spec);
  for (const auto& [name, value] : constants) {
    text += fmt::format("  static constexpr int {} = {};\n", name, value);
  }
  return text;
}

}  // namespace

std::vector<TileShape> hopper_tiles(const KernelSpec& spec) {
  /// Of a tensor map, bytes (cuTensorMapEncodeTiled: strides are below 2^40).
  constexpr std::uint64_t kMaxStride = (1ull << 40) - 1;
  const std::uint64_t matrix = operand_bytes(spec) * static_cast<std::uint64_t>(spec[kN]) *
                               static_cast<std::uint64_t>(spec[kK]);
  if (spec.arch->name != "sm_90a" || matrix > kMaxStride) {
    return {};
  }
  if (is_fp8(spec) && spec[kEpilogue] == kEpilogueSwiglu) {
    return {std::begin(kTilesFp8Swiglu), std::end(kTilesFp8Swiglu)};
  }
  if (is_fp8(spec)) {
    return {std::begin(kTilesFp8), std::end(kTilesFp8)};
  }
  return {std::begin(kTilesNone), std::end(kTilesNone)};
}

std::int64_t hopper_columns(const KernelSpec& spec, TileShape tile) {
  const std::int64_t rest = spec[kN] % tile.n;
  if (spec[kEpilogue] == kEpilogueSwiglu) {
    return rest == 0 ? spec[kN] : spec[kN] - rest + tile.n;
  }
  // As the template's Layout has it. A row of one narrow tile would be right, but fills its slots with zeros.
  const bool is_half_fit = rest <= 128 && !(spec[kEpilogue] == kEpilogueBias && tile.n == 256);
  const std::int64_t last = rest == 0 ? 0 : rest <= 64 ? 64 : is_half_fit ? 128 : tile.n;
  return spec[kN] < tile.n ? tile.n : spec[kN] - rest + last;
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
  plan.tensor_maps = {map_a(spec, tile), map_b(spec, tile)};
  return plan;
}

}  // namespace sinter::grouped_gemm
