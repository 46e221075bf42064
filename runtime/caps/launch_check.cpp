// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/caps/findings.h"
#include "runtime/caps/validate.h"

namespace sinter {

namespace {

// An AQL dispatch packet counts the work-items, not the workgroups, of each dimension in 32 bits (HSA runtime
// specification, kernel dispatch packet).
constexpr std::uint64_t kAmdMaxWorkItems = 0xffffffff;

std::uint64_t positive(std::int64_t value) { return value > 0 ? static_cast<std::uint64_t>(value) : 0; }

const std::byte* bytes_of(const void* args) { return static_cast<const std::byte*>(args); }

const void* pointer_at(const void* args, const ArgumentInfo& argument) {
  const void* pointer = nullptr;
  std::memcpy(&pointer, bytes_of(args) + argument.offset, sizeof(pointer));
  return pointer;
}

bool is_aligned(const void* pointer, const ArgumentInfo& argument) {
  return reinterpret_cast<std::uintptr_t>(pointer) % static_cast<std::uintptr_t>(argument.alignment) == 0;
}

}  // namespace

LaunchLimits launch_limits(const BodyPlan& plan, const CodeFacts& facts, const DeviceCaps& caps,
                           const DeviceProperties* live, std::size_t args_bytes) {
  const auto own = [live](std::optional<std::int64_t> DeviceProperties::*member) {
    return live != nullptr ? live->*member : std::nullopt;
  };
  LaunchLimits limits;
  limits.args_bytes = args_bytes;
  limits.max_grid[0] =
      positive(own(&DeviceProperties::max_grid_x).value_or(static_cast<std::int64_t>(limits.max_grid[0])));
  limits.max_grid[1] =
      positive(own(&DeviceProperties::max_grid_y).value_or(static_cast<std::int64_t>(limits.max_grid[1])));
  limits.max_grid[2] =
      positive(own(&DeviceProperties::max_grid_z).value_or(static_cast<std::int64_t>(limits.max_grid[2])));

  // A device of an unknown arch passes no earlier check, so nothing is allowed of it here either.
  static constexpr Arch kNoArch{};
  const Arch& arch = caps.arch != nullptr ? *caps.arch : kNoArch;
  if (arch.vendor == Vendor::kAmd) {
    limits.max_grid[0] =
        std::min(limits.max_grid[0], kAmdMaxWorkItems / std::max<std::uint32_t>(plan.threads_per_block, 1));
  }
  limits.max_threads_per_block =
      positive(own(&DeviceProperties::max_threads_per_block)
                   .value_or(limit_of(caps.max_threads_per_block, arch.max_threads_per_block, arch).value));
  if (facts.max_threads_per_block != kUnknown) {
    limits.max_threads_per_block = std::min(limits.max_threads_per_block, positive(facts.max_threads_per_block));
  }
  const std::uint64_t shared =
      positive(own(&DeviceProperties::shared_bytes_per_block)
                   .value_or(limit_of(caps.shared_bytes_per_block, arch.max_shared_memory_bytes, arch).value));
  const std::uint64_t declared =
      facts.static_shared_bytes != kUnknown ? positive(facts.static_shared_bytes) : plan.static_shared_bytes;
  limits.max_dynamic_shared_bytes = shared > declared ? shared - declared : 0;
  return limits;
}

Error explain_launch(const LaunchLimits& limits, const LaunchShape& shape, std::size_t args_bytes) {
  std::vector<std::string> reasons;
  constexpr std::string_view kDimensions = "xyz";
  for (std::size_t i = 0; i < 3; ++i) {
    if (shape.grid[i] > limits.max_grid[i]) {
      reasons.push_back(fmt::format("grid {} has {} blocks, at most {} are allowed", kDimensions[i], shape.grid[i],
                                    limits.max_grid[i]));
    }
  }
  const std::uint64_t threads = std::uint64_t{shape.block[0]} * shape.block[1] * shape.block[2];
  if (threads == 0 || threads > limits.max_threads_per_block) {
    reasons.push_back(fmt::format("a block of {} x {} x {} is {} threads, 1 to {} are allowed", shape.block[0],
                                  shape.block[1], shape.block[2], threads, limits.max_threads_per_block));
  }
  if (shape.dynamic_shared_bytes > limits.max_dynamic_shared_bytes) {
    reasons.push_back(
        fmt::format("needs {} bytes of dynamic shared memory per block, {} remain beside what the kernel declares",
                    shape.dynamic_shared_bytes, limits.max_dynamic_shared_bytes));
  }
  if (args_bytes != limits.args_bytes) {
    reasons.push_back(fmt::format("gives {} bytes of arguments, the kernel takes {}", args_bytes, limits.args_bytes));
  }
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("{}: {}", check_step_name(CheckStep::kLaunch), fmt::join(reasons, "; ")));
}

int first_bad_pointer(const KernelSpec& spec, const void* args) {
  const auto arguments = spec.family->arguments();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const ArgumentInfo& argument = arguments[i];
    if (argument.kind == ArgumentKind::kScalar) {
      continue;
    }
    const void* pointer = pointer_at(args, argument);
    // The footprint is asked last: on the usual path no argument needs it.
    if ((pointer == nullptr || !is_aligned(pointer, argument)) &&
        spec.family->footprint_bytes(spec, args, static_cast<int>(i)) > 0) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

Error explain_pointer(const KernelSpec& spec, const void* args, int argument) {
  const ArgumentInfo& info = spec.family->arguments()[static_cast<std::size_t>(argument)];
  const void* pointer = pointer_at(args, info);
  const std::string_view step = check_step_name(CheckStep::kLaunch);
  if (pointer == nullptr) {
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("{}: argument '{}' of {} is null, and this launch needs {} bytes of it", step,
                                  info.name, spec.name(), spec.family->footprint_bytes(spec, args, argument)));
  }
  return make_error(ErrorCode::kInvalidRequest,
                    fmt::format("{}: argument '{}' of {} is at {}, which is not a multiple of {} bytes", step,
                                info.name, spec.name(), pointer, info.alignment));
}

Result<void> check_footprints(const KernelSpec& spec, const void* args, std::span<const std::uint64_t> buffer_bytes) {
  const auto arguments = spec.family->arguments();
  const std::string_view step = check_step_name(CheckStep::kLaunch);
  if (buffer_bytes.size() != arguments.size()) {
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("{}: {} buffer sizes were given, {} has {} arguments", step, buffer_bytes.size(),
                                  spec.family->name(), arguments.size()));
  }
  std::vector<std::string> reasons;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::uint64_t needed = spec.family->footprint_bytes(spec, args, static_cast<int>(i));
    if (arguments[i].kind != ArgumentKind::kScalar && buffer_bytes[i] != kUnknownBytes && buffer_bytes[i] < needed) {
      reasons.push_back(fmt::format("argument '{}' has {} bytes behind it, this launch needs {}", arguments[i].name,
                                    buffer_bytes[i], needed));
    }
  }
  if (reasons.empty()) {
    return {};
  }
  return make_error(ErrorCode::kInvalidRequest, fmt::format("{}: {}: {}", step, spec.name(), fmt::join(reasons, "; ")));
}

}  // namespace sinter
