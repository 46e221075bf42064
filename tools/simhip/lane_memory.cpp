// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/lane_memory.h"

#include <fmt/format.h>

#include "tools/simhip/lds.h"

namespace sinter::sim {

namespace {

std::string_view verb(Access access) {
  return access == Access::kRead ? "read" : access == Access::kWrite ? "write" : "atomic operation";
}

std::byte* in_global(Wave& wave, std::uint64_t address, unsigned bytes, Access access, unsigned lane) {
  return check_global(wave, address, bytes, access, lane) ? reinterpret_cast<std::byte*>(address) : nullptr;
}

std::byte* in_scratch(Wave& wave, std::uint64_t offset, unsigned bytes, Access access, unsigned lane) {
  if (offset > wave.scratch.lane_bytes || bytes > wave.scratch.lane_bytes - offset) {
    wave.stop(FaultKind::kIllegalAddress,
              fmt::format("scratch {} of {} bytes at {} by lane {}: each lane has {} bytes", verb(access), bytes,
                          static_cast<std::int64_t>(offset), lane, wave.scratch.lane_bytes));
    return nullptr;
  }
  return wave.scratch.memory + std::size_t{lane} * wave.scratch.lane_bytes + offset;
}

std::byte* in_flat(Wave& wave, std::uint64_t address, unsigned bytes, Access access, unsigned lane) {
  const auto window = static_cast<std::uint32_t>(address >> 32), offset = static_cast<std::uint32_t>(address);
  if (window == kSharedWindow) {
    return wave.lds->access(wave, offset, bytes, access);
  }
  return window == kPrivateWindow ? in_scratch(wave, offset, bytes, access, lane)
                                  : in_global(wave, address, bytes, access, lane);
}

/// The part of a scratch instruction's address that is in its registers.
std::uint64_t scratch_offset(const Wave& wave, const Instruction& i, const AddressOperands& operands, unsigned lane) {
  const Operand& per_lane = i.operands[operands.lane];
  const Operand& base = i.operands[operands.base];
  const std::uint32_t vector = per_lane.kind == OperandKind::kVector ? wave.vectors[per_lane.index][lane] : 0;
  const std::uint32_t scalar = base.kind == OperandKind::kNone ? 0 : wave.scalar(base);
  return static_cast<std::uint32_t>(vector + scalar + static_cast<std::uint32_t>(i.modifiers.offset));
}

struct BufferAddress {
  std::uint64_t base = 0;
  std::uint32_t stride = 0, records = 0, flags = 0;
  bool is_swizzled = false;
  std::uint32_t index = 0, offset = 0, scalar_offset = 0;
};

BufferAddress buffer_address(const Wave& wave, const Instruction& i, const AddressOperands& operands, unsigned lane) {
  const std::uint16_t descriptor = i.operands[operands.base].index;
  const Operand& per_lane = i.operands[operands.lane];
  BufferAddress address;
  address.base = wave.pair(descriptor) & 0xffffffffffffULL;
  address.stride = wave.scalars[descriptor + 1U] >> 16 & 0x3fff;
  address.is_swizzled = wave.scalars[descriptor + 1U] >> 31 != 0;
  address.records = wave.scalars[descriptor + 2U];
  address.flags = wave.scalars[descriptor + 3U];
  address.scalar_offset = wave.scalar(i.operands[operands.offset]);
  address.offset = static_cast<std::uint32_t>(i.modifiers.offset);
  unsigned next = 0;
  if (i.modifiers.buffer.has_index) {
    address.index = wave.vectors[per_lane.index + next++][lane];
  }
  if (i.modifiers.buffer.has_offset) {
    address.offset += wave.vectors[per_lane.index + next][lane];
  }
  return address;
}

std::byte* in_buffer(Wave& wave, const Instruction& i, const AddressOperands& operands, unsigned lane, unsigned bytes,
                     Access access) {
  const BufferAddress address = buffer_address(wave, i, operands, lane);
  if (address.flags == kScratchDescriptor) {
    const std::uint64_t together = address.base - reinterpret_cast<std::uintptr_t>(wave.scratch.memory);
    return in_scratch(wave, (together + address.scalar_offset) / kLanes + address.offset, bytes, access, lane);
  }
  if (address.is_swizzled) {
    wave.stop(FaultKind::kIllegalCode, "swizzled buffers are not known to the simulator");
    return nullptr;
  }
  // Raw buffers count bytes, others records.
  const bool is_inside = address.stride == 0
                             ? std::uint64_t{address.offset} + bytes <= address.records
                             : address.index < address.records && address.offset + bytes <= address.stride;
  const std::uint64_t at =
      address.base + address.scalar_offset + std::uint64_t{address.index} * address.stride + address.offset;
  return is_inside ? in_global(wave, at, bytes, access, lane) : nullptr;
}

}  // namespace

bool check_global(Wave& wave, std::uint64_t address, unsigned bytes, Access access, unsigned lane) {
  if (wave.memory.allows(address, bytes, access)) {
    return true;
  }
  wave.stop(FaultKind::kIllegalAddress, fmt::format("{} of {} bytes at {:#x} by lane {}: {}", verb(access), bytes,
                                                    address, lane, wave.memory.describe(address, bytes)));
  return false;
}

std::uint64_t global_address(const Wave& wave, const Instruction& i, const AddressOperands& operands, unsigned lane) {
  const Operand& base = i.operands[operands.base];
  const Operand& per_lane = i.operands[operands.lane];
  const auto offset = static_cast<std::uint64_t>(std::int64_t{i.modifiers.offset});
  return base.kind == OperandKind::kNone ? wave.source64(per_lane, lane) + offset
                                         : wave.scalar64(base) + wave.vectors[per_lane.index][lane] + offset;
}

std::byte* locate(Wave& wave, const Instruction& i, Space space, const AddressOperands& operands, unsigned lane,
                  unsigned bytes, Access access) {
  switch (space) {
    case Space::kGlobal:
      return in_global(wave, global_address(wave, i, operands, lane), bytes, access, lane);
    case Space::kFlat: {
      const auto offset = static_cast<std::uint64_t>(std::int64_t{i.modifiers.offset});
      return in_flat(wave, wave.source64(i.operands[operands.lane], lane) + offset, bytes, access, lane);
    }
    case Space::kScratch:
      return in_scratch(wave, scratch_offset(wave, i, operands, lane), bytes, access, lane);
    case Space::kBuffer:
      return in_buffer(wave, i, operands, lane, bytes, access);
  }
  return nullptr;
}

}  // namespace sinter::sim
