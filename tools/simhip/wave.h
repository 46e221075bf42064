// SPDX-License-Identifier: Apache-2.0
#pragma once

// One wave: 64 lanes in lock-step, their registers, and how instructions read and write them.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include "tools/simhip/instruction.h"
#include "tools/simhip/memory_map.h"

namespace sinter::sim {

class Lds;
class WaveChecks;

enum class WaveState : std::uint8_t { kRunning, kAtBarrier, kEnded, kFaulted };

enum class FaultKind : std::uint8_t {
  kIllegalAddress,  ///< The device would raise a memory violation, or may.
  kIllegalCode,     ///< Not known to the simulator, or what a correct kernel never does.
};

struct Fault {
  FaultKind kind = FaultKind::kIllegalCode;
  std::string message;
};

/// What the code's arch decides.
struct ArchTraits {
  bool has_fnuz_fp8 = false;          ///< gfx942; gfx950 has OCP's.
  bool flushes_bf16_products = false; ///< gfx90a: bf16 and f16 matrix instructions flush subnormal inputs and outputs.
};

using Lane = std::array<std::uint32_t, kLanes>;

/// The private memory of a wave's lanes, one after the other.
struct Scratch {
  std::byte* memory = nullptr;
  std::uint32_t lane_bytes = 0;
};

/// Used by one thread at a time. Large: reused from work-group to work-group.
struct Wave {
  alignas(64) std::array<Lane, 512> vectors;
  std::array<std::uint32_t, kScalarCount> scalars;
  bool scc = false;
  bool lds_writes_are_loads = false;  ///< While a load to LDS executes.
  bool skips_vectors = false;         ///< VSKIP.
  std::uint8_t indexed_operands = 0;  ///< s_set_gpr_idx: sources 0 to 2 and, bit 3, the destination are moved by M0.
  WaveState state = WaveState::kEnded;
  std::uint32_t index = 0;        ///< In its work-group.
  std::uint32_t pc = 0, next = 0;  ///< In dwords from the start of the code.
  std::uint32_t code_dwords = 0;
  std::uint64_t code_address = 0;  ///< In the code object, of dword 0.
  std::uint64_t load_bias = 0;     ///< From an address in the code object to where it was loaded.
  std::uint64_t selected_lanes = ~std::uint64_t{0};  ///< For which the last DPP source had a value.
  std::uint64_t clock = 0;
  ArchTraits arch;
  Lds* lds = nullptr;
  WaveChecks* checks = nullptr;  ///< Null without checks.
  MemoryView memory;
  Scratch scratch;
  Fault fault;

  std::uint64_t exec() const { return pair(kExec); }
  bool is_active(unsigned lane) const { return (exec() >> lane & 1) != 0; }
  std::uint64_t pair(std::uint16_t index_of_low) const {
    return std::uint64_t{scalars[index_of_low + 1U]} << 32 | scalars[index_of_low];
  }
  void set_pair(std::uint16_t index_of_low, std::uint64_t value) {
    scalars[index_of_low] = static_cast<std::uint32_t>(value);
    scalars[index_of_low + 1U] = static_cast<std::uint32_t>(value >> 32);
  }

  /// A scalar register or constant.
  std::uint32_t scalar(const Operand& operand) const {
    return operand.kind == OperandKind::kConstant ? operand.bits : scalars[operand.index];
  }
  std::uint64_t scalar64(const Operand& operand) const {
    return operand.kind == OperandKind::kConstant ? std::uint64_t{operand.high} << 32 | operand.bits
                                                  : pair(operand.index);
  }
  void set_scalar(const Operand& operand, std::uint32_t value) { scalars[operand.index] = value; }
  void set_scalar64(const Operand& operand, std::uint64_t value) { set_pair(operand.index, value); }

  /// The lanes that a vector instruction writes, after its sources were read.
  std::uint64_t written_lanes(const Instruction& instruction) const {
    return instruction.modifiers.lanes.is_used ? exec() & selected_lanes : exec();
  }
  /// A mask of lanes, such as a comparison's result.
  void set_mask(const Instruction& instruction, const Operand& mask, std::uint64_t bits) {
    set_scalar64(mask, bits & written_lanes(instruction));
  }

  /// Operand `number` of a vector instruction in every lane, with its source modifiers: a register itself where that
  /// is what is asked for, else `storage`. `dword` picks one of a wider operand.
  const Lane& source(const Instruction& instruction, unsigned number, Lane& storage, unsigned dword = 0) {
    const Operand& operand = instruction.operands[number];
    const bool is_plain = operand.kind == OperandKind::kVector && !instruction.is_special && !operand.negate &&
                          !operand.absolute;
    return is_plain ? vectors[operand.index + dword] : changed_source(instruction, number, storage, dword);
  }
  /// A 64-bit source in one lane.
  std::uint64_t source64(const Operand& operand, unsigned lane) const {
    return operand.kind == OperandKind::kVector
               ? std::uint64_t{vectors[operand.index + 1U][lane]} << 32 | vectors[operand.index][lane]
               : scalar64(operand);
  }

  /// Where an instruction may put its result: the destination itself if every lane of it is written, else `storage`.
  /// To be followed by write().
  Lane& target(const Instruction& instruction, Lane& storage) {
    return instruction.is_special || exec() != ~std::uint64_t{0} ? storage : vectors[instruction.operands[0].index];
  }
  /// Writes the active lanes of a destination, through SDWA's selection where there is one.
  void write(const Instruction& instruction, const Lane& values, unsigned dword = 0) {
    if (instruction.is_special) {
      write_changed(instruction, values, dword);
    } else {
      write(instruction.operands[0], values, dword);
    }
  }
  void write(const Operand& destination, const Lane& values, unsigned dword = 0) {
    write_lanes(vectors[destination.index + dword], values, exec());
  }

  /// An instruction's address in the code object, for messages.
  std::string address_text(std::uint32_t dword) const;

  /// Ends the work-group; the interpreter adds where. The first fault stays.
  void stop(FaultKind kind, std::string message);

  static void write_lanes(Lane& registers, const Lane& values, std::uint64_t lanes) {
    if (&registers == &values) {
      return;
    }
    if (lanes == ~std::uint64_t{0}) {
      registers = values;
      return;
    }
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      registers[lane] = (lanes >> lane & 1) != 0 ? values[lane] : registers[lane];
    }
  }

 private:
  const Lane& changed_source(const Instruction& instruction, unsigned number, Lane& storage, unsigned dword);
  void select_lanes(const LaneSelection& selection, const Lane& registers, Lane& to);
  void write_changed(const Instruction& instruction, const Lane& values, unsigned dword);
};

/// Calls `body(lane)` for each active lane.
template <class Body>
void for_active_lanes(const Wave& wave, const Body& body) {
  for (std::uint64_t rest = wave.exec(); rest != 0; rest &= rest - 1) {
    body(static_cast<unsigned>(std::countr_zero(rest)));
  }
}

/// Calls `body(lane)` for the active lanes until a fault.
template <class Body>
void for_active_lanes_until_fault(const Wave& wave, const Body& body) {
  for (std::uint64_t rest = wave.exec(); rest != 0 && wave.state == WaveState::kRunning; rest &= rest - 1) {
    body(static_cast<unsigned>(std::countr_zero(rest)));
  }
}

}  // namespace sinter::sim
