// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/launch_arguments.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include <fmt/format.h>

namespace sinter::sim {

namespace {

constexpr std::size_t kAlignment = 64;  // outside of every allocation, and aligned as the runtime does
constexpr std::size_t kPacketBytes = 64;

std::size_t explicit_bytes(const KernelCode& kernel) {
  std::size_t end = kernel.arguments.empty() ? kernel.argument_bytes : 0;
  for (const KernelArgument& argument : kernel.arguments) {
    end = argument.is_hidden() ? end : std::max<std::size_t>(end, argument.offset + argument.bytes);
  }
  return end;
}

/// "hidden_block_count_y" is 1 for "hidden_block_count_".
int axis_of(std::string_view kind, std::string_view beginning) {
  const bool is_it = kind.size() == beginning.size() + 1 && kind.starts_with(beginning);
  return is_it && kind.back() >= 'x' && kind.back() <= 'z' ? kind.back() - 'x' : -1;
}

std::uint16_t dimensions_of(const Launch& launch) {
  const auto is_used = [&launch](unsigned axis) { return launch.grid[axis] * launch.block[axis] > 1; };
  return is_used(2) ? 3 : is_used(1) ? 2 : 1;
}

}  // namespace

LaunchArguments::LaunchArguments(const Launch& launch) {
  packet_offset_ = (launch.kernel->argument_bytes + kAlignment - 1) / kAlignment * kAlignment;
  bytes_ = packet_offset_ + kPacketBytes;
  storage_.resize(bytes_ + kAlignment);
  first_ = (kAlignment - reinterpret_cast<std::uintptr_t>(storage_.data()) % kAlignment) % kAlignment;
}

std::byte* LaunchArguments::begin() { return storage_.data() + first_; }

template <class T>
void LaunchArguments::put(std::size_t offset, T value) {
  if (offset + sizeof value <= bytes_) {
    std::memcpy(begin() + offset, &value, sizeof value);
  }
}

/// Offsets of the packet: hsa_kernel_dispatch_packet_t. Blocks are whole, so that remainders are 0.
void LaunchArguments::finish(const Launch& launch) {
  for (const KernelArgument& argument : launch.kernel->arguments) {
    if (const int axis = axis_of(argument.kind, "hidden_block_count_"); axis >= 0) {
      put(argument.offset, launch.grid[static_cast<unsigned>(axis)]);
    } else if (const int size = axis_of(argument.kind, "hidden_group_size_"); size >= 0) {
      put(argument.offset, static_cast<std::uint16_t>(launch.block[static_cast<unsigned>(size)]));
    } else if (argument.kind == "hidden_grid_dims") {
      put(argument.offset, dimensions_of(launch));
    } else if (argument.kind == "hidden_dynamic_lds_size") {
      put(argument.offset, launch.dynamic_lds_bytes);
    }
  }
  put(packet_offset_ + 2, dimensions_of(launch));
  for (unsigned axis = 0; axis < 3; ++axis) {
    put(packet_offset_ + 4 + 2 * axis, static_cast<std::uint16_t>(launch.block[axis]));
    put(packet_offset_ + 12 + 4 * axis, launch.grid[axis] * launch.block[axis]);
  }
  put(packet_offset_ + 28, launch.kernel->lds_bytes + launch.dynamic_lds_bytes);
}

Result<LaunchArguments> LaunchArguments::from_buffer(const Launch& launch, std::span<const std::byte> buffer) {
  const std::size_t least = explicit_bytes(*launch.kernel), most = launch.kernel->argument_bytes;
  if (buffer.size() < least || buffer.size() > most) {
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("{} bytes of arguments, the kernel takes {}{}", buffer.size(), least,
                                  least == most ? std::string() : fmt::format(" to {}", most)));
  }
  LaunchArguments made(launch);
  std::ranges::copy(buffer, made.begin());
  made.finish(launch);
  return made;
}

Result<LaunchArguments> LaunchArguments::from_pointers(const Launch& launch, void** pointers) {
  LaunchArguments made(launch);
  for (const KernelArgument& argument : launch.kernel->arguments) {
    if (argument.is_hidden()) {
      continue;
    }
    if (*pointers == nullptr || argument.offset + std::size_t{argument.bytes} > launch.kernel->argument_bytes) {
      return make_error(ErrorCode::kInvalidRequest,
                        fmt::format("there is no argument for the {} bytes at offset {} of the kernel's arguments",
                                    argument.bytes, argument.offset));
    }
    std::memcpy(made.begin() + argument.offset, *pointers++, argument.bytes);
  }
  made.finish(launch);
  return made;
}

void LaunchArguments::attach(Launch& launch) const {
  launch.arguments = {storage_.data() + first_, bytes_};
  launch.packet_offset = packet_offset_;
}

}  // namespace sinter::sim
