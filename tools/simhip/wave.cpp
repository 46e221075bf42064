// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/wave.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "tools/simhip/float_bits.h"

namespace sinter::sim {

namespace {

constexpr unsigned kRow = 16;

/// The lane that a DPP source reads, or kLanes where there is none.
unsigned read_lane(const LaneSelection& selection, unsigned lane) {
  const unsigned row = lane & ~(kRow - 1), in_row = lane % kRow, amount = selection.amount;
  switch (selection.read) {
    case LaneRead::kSame: return lane;
    case LaneRead::kQuadPermute: return (lane & ~3U) | (amount >> (2 * (lane & 3U)) & 3U);
    case LaneRead::kRowShiftLeft: return in_row + amount < kRow ? lane + amount : kLanes;
    case LaneRead::kRowShiftRight: return in_row >= amount ? lane - amount : kLanes;
    case LaneRead::kRowRotateRight: return row | ((lane - amount) & (kRow - 1));
    case LaneRead::kRowMirror: return lane ^ 15U;
    case LaneRead::kRowHalfMirror: return lane ^ 7U;
    case LaneRead::kRowLane: return row | amount;
    case LaneRead::kWaveShiftLeft: return lane + 1;  // kLanes for the last
    case LaneRead::kWaveRotateLeft: return (lane + 1) % kLanes;
    case LaneRead::kWaveShiftRight: return lane == 0 ? kLanes : lane - 1;
    case LaneRead::kWaveRotateRight: return (lane + kLanes - 1) % kLanes;
    case LaneRead::kRowBroadcast15: return row == 0 ? kLanes : row - 1;
    case LaneRead::kRowBroadcast31: return lane < 32 ? kLanes : 31;
  }
  return kLanes;
}

void select_part(const SubDword& part, Lane& values) {
  const std::uint32_t sign = part.mask ^ part.mask >> 1;  // the highest bit of the mask
  for (std::uint32_t& value : values) {
    value = value >> part.shift & part.mask;
    value = part.is_signed && part.mask != 0xffffffff ? (value ^ sign) - sign : value;
  }
}

void apply_sign(const Operand& operand, Lane& values) {
  const std::uint32_t sign = operand.is_half ? 0x8000U : 0x80000000U;
  const std::uint32_t keep = operand.absolute ? ~sign : 0xffffffffU;
  const std::uint32_t flip = operand.negate ? sign : 0;
  for (std::uint32_t& value : values) {
    value = (value & keep) ^ flip;
  }
}

/// NaN is clamped to 0: the mode bit DX10_CLAMP is on in every kernel of compilers.
std::uint32_t changed_output(std::uint32_t bits, const OutputChange& change) {
  float value = as_float(bits);
  value = change.scale_log2 != 0 ? std::ldexp(value, change.scale_log2) : value;
  if (change.clamps) {
    value = value > 0 ? std::min(value, 1.0F) : 0.0F;
  }
  return as_bits(value);
}

}  // namespace

void Wave::select_lanes(const LaneSelection& selection, const Lane& registers, Lane& to) {
  selected_lanes = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const unsigned from = read_lane(selection, lane);
    const bool is_there = from < kLanes && is_active(from);
    const bool is_chosen =
        (selection.row_mask >> lane / kRow & 1) != 0 && (selection.bank_mask >> lane % kRow / 4 & 1) != 0;
    to[lane] = is_there ? registers[from] : 0;
    selected_lanes |= std::uint64_t{is_chosen && (is_there || selection.zero_from_nowhere)} << lane;
  }
}

const Lane& Wave::changed_source(const Instruction& instruction, unsigned number, Lane& storage, unsigned dword) {
  const Operand& operand = instruction.operands[number];
  const Modifiers& modifiers = instruction.modifiers;
  const unsigned source_number = number - instruction.first_source;
  if (operand.kind == OperandKind::kVector) {
    const Lane& registers = vectors[operand.index + dword];
    if (modifiers.lanes.is_used && source_number == 0) {
      select_lanes(modifiers.lanes, registers, storage);
    } else {
      storage = registers;
    }
  } else {
    const std::uint32_t constant = dword == 0 ? operand.bits : operand.high;
    storage.fill(operand.kind == OperandKind::kConstant ? constant : scalars[operand.index + dword]);
  }
  if (modifiers.is_sdwa && source_number <= 1) {
    select_part(source_number == 0 ? modifiers.source0 : modifiers.source1, storage);
  }
  if (operand.is_half && operand.kind != OperandKind::kConstant && (modifiers.op_sel >> source_number & 1) != 0) {
    for (std::uint32_t& value : storage) {
      value >>= 16;
    }
  }
  if (operand.negate || operand.absolute) {
    apply_sign(operand, storage);
  }
  return storage;
}

void Wave::write_changed(const Instruction& instruction, const Lane& values, unsigned dword) {
  const Modifiers& modifiers = instruction.modifiers;
  Lane changed = values;
  if (modifiers.output.is_used) {
    for (std::uint32_t& value : changed) {
      value = changed_output(value, modifiers.output);
    }
  }
  Lane& registers = vectors[instruction.operands[0].index + dword];
  const SubDword& part = modifiers.destination;
  if (modifiers.is_sdwa && part.mask != 0xffffffff) {
    const std::uint32_t mask = part.mask << part.shift, sign = mask ^ (mask >> 1 & mask);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const std::uint32_t placed = changed[lane] << part.shift & mask;
      const bool is_negative = modifiers.rest == SubDwordRest::kSignExtend && (placed & sign) != 0;
      const std::uint32_t above = is_negative ? ~(mask | (sign - 1)) : 0;
      changed[lane] = placed | (modifiers.rest == SubDwordRest::kPreserve ? registers[lane] & ~mask : above);
    }
  }
  write_lanes(registers, changed, written_lanes(instruction));
}

std::string Wave::address_text(std::uint32_t dword) const {
  return fmt::format("{:#x}", code_address + 4 * std::uint64_t{dword});
}

void Wave::stop(FaultKind kind, std::string message) {
  if (state != WaveState::kFaulted) {
    state = WaveState::kFaulted;
    fault = {kind, std::move(message)};
  }
}

}  // namespace sinter::sim
