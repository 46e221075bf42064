// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/wave.h"

#include <utility>

#include <fmt/format.h>

namespace sinter::sim {

namespace {

unsigned row_source(const Modifiers& modifiers, unsigned lane) {
  const unsigned row = lane & ~15U;
  switch (modifiers.row_read) {
    case RowRead::kRotateRight:
      return row | ((lane - modifiers.row_amount) & 15U);
    case RowRead::kQuadPermute:
      return (lane & ~3U) | (modifiers.row_amount >> (2 * (lane & 3U)) & 3U);
    case RowRead::kMirror:
      return lane ^ 15U;
    case RowRead::kHalfMirror:
      return lane ^ 7U;
    case RowRead::kSame:
      break;
  }
  return lane;
}

void apply_sign(const Operand& operand, Lane& values) {
  const std::uint32_t keep = operand.absolute ? 0x7fffffffU : 0xffffffffU;
  const std::uint32_t flip = operand.negate ? 0x80000000U : 0;
  for (std::uint32_t& value : values) {
    value = (value & keep) ^ flip;
  }
}

}  // namespace

const Lane& Wave::source(const Instruction& instruction, unsigned number, Lane& storage, unsigned dword) {
  const Operand& operand = instruction.operands[number];
  const Modifiers& modifiers = instruction.modifiers;
  const bool is_selected = modifiers.is_sdwa || (number == 1 && modifiers.row_read != RowRead::kSame);
  if (operand.kind == OperandKind::kVector) {
    const Lane& registers = vectors[operand.index + dword];
    if (!is_selected && !operand.negate && !operand.absolute) {
      return registers;
    }
    storage = registers;
    if (number == 1 && modifiers.row_read != RowRead::kSame) {
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        const unsigned from = row_source(modifiers, lane);
        storage[lane] = registers[from];
        if (is_active(lane) && !is_active(from)) {
          // The generations differ in what is read then, and compilers avoid it.
          stop(FaultKind::kIllegalCode, "a DPP source reads a lane that EXEC disables");
        }
      }
    }
  } else {
    storage.fill(operand.kind == OperandKind::kConstant ? operand.bits : scalars[operand.index + dword]);
  }
  if (modifiers.is_sdwa && number <= 2) {
    const SubDword& part = number == 1 ? modifiers.source0 : modifiers.source1;
    for (std::uint32_t& value : storage) {
      value = value >> part.shift & part.mask;
    }
  }
  if (operand.negate || operand.absolute) {
    apply_sign(operand, storage);
  }
  return storage;
}

std::uint64_t Wave::source64(const Operand& operand, unsigned lane) const {
  if (operand.kind == OperandKind::kVector) {
    return std::uint64_t{vectors[operand.index + 1U][lane]} << 32 | vectors[operand.index][lane];
  }
  return scalar64(operand);
}

void Wave::write(const Operand& destination, const Lane& values, unsigned dword) {
  Lane& registers = vectors[destination.index + dword];
  const std::uint64_t active = exec();
  if (active == ~std::uint64_t{0}) {
    registers = values;
    return;
  }
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    registers[lane] = (active >> lane & 1) != 0 ? values[lane] : registers[lane];
  }
}

void Wave::write(const Instruction& instruction, const Lane& values, unsigned dword) {
  const Modifiers& modifiers = instruction.modifiers;
  const Operand& destination = instruction.operands[0];
  if (!modifiers.is_sdwa || modifiers.destination.mask == 0xffffffffU) {
    write(destination, values, dword);
    return;
  }
  const std::uint32_t mask = modifiers.destination.mask << modifiers.destination.shift;
  const std::uint32_t keep = modifiers.rest == SubDwordRest::kPreserve ? ~mask : 0;
  Lane merged = vectors[destination.index];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    merged[lane] = (merged[lane] & keep) | (values[lane] << modifiers.destination.shift & mask);
  }
  write(destination, merged);
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
