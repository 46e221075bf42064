// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the checks of wave_checks.h know of an instruction: registers as LLVM's tables have them, implicit ones too, and
// what it does to the wait counters.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "tools/simhip/instruction.h"

namespace llvm {
class MCInst;
class MCInstrInfo;
class MCRegisterInfo;
}  // namespace llvm

namespace sinter::sim {

enum class RegisterFile : std::uint8_t { kScalar, kVector };

/// Neighbouring registers, numbered as in Wave::scalars and Wave::vectors.
struct RegisterRange {
  RegisterFile file = RegisterFile::kScalar;
  std::uint8_t count = 0;
  std::uint16_t begin = 0;
};

/// "v7", "a[0:3]", "vcc".
std::string name_of(const RegisterRange& range);

/// What is in flight after the instruction, and so which counter tells that it has ended.
enum class InFlight : std::uint8_t { kNothing, kVectorMemory, kFlat, kLds, kScalarMemory };

enum class InstructionKind : std::uint8_t {
  kOther,
  kCopy,           ///< Moves one register: of an unwritten one, the copy is unwritten.
  kMatrix,
  kTranscendental,
  kLaneAccess,     ///< v_readlane, v_writelane, v_readfirstlane.
  kDivisionFused,  ///< v_div_fmas reads VCC late.
  kWaitCount,
  kLdsLoad,        ///< From memory to LDS past the registers; reads M0.
};

struct InstructionFacts {
  static constexpr std::size_t kMost = 8;

  std::array<RegisterRange, kMost> reads{}, writes{};
  std::uint8_t read_count = 0, write_count = 0;
  InFlight in_flight = InFlight::kNothing;
  InstructionKind kind = InstructionKind::kOther;
  bool is_dpp = false;
  std::uint8_t wait_states = 1;    ///< That pass with it: s_nop's are more.
  std::uint8_t matrix_states = 0;  ///< After a matrix instruction until others may touch its result.
  std::uint16_t immediate = 0;     ///< Of s_waitcnt.
};

/// `text` as LLVM prints it.
InstructionFacts facts_of(const llvm::MCInst& instruction, const llvm::MCInstrInfo& instructions,
                          const llvm::MCRegisterInfo& registers, std::string_view text, std::string_view arch);

}  // namespace sinter::sim
