// SPDX-License-Identifier: Apache-2.0
#pragma once

// Machine code to instructions: LLVM's disassembler says what the bits are, the tables of opcode.h what they do.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "tools/simhip/instruction.h"
#include "tools/simhip/instruction_facts.h"

namespace sinter::sim {

/// A whole text section. `instructions[i]` starts at dword i; those inside of another instruction are never reached.
/// What is not known is an instruction too: one that faults with its name, if it is ever reached.
struct DecodedText {
  std::uint64_t address = 0;  ///< In the code object, of the first dword.
  std::vector<Instruction> instructions;
  std::vector<InstructionFacts> facts;  ///< For the checks.
  std::vector<std::string> texts;     ///< As LLVM prints them.
  std::vector<std::string> problems;  ///< Empty where the instruction is known.
};

/// What the bits at one place are.
struct DecodedInstruction {
  std::size_t bytes = 0;  ///< Of the encoding; 0: LLVM knows no instruction of these bits.
  Instruction instruction;
  InstructionFacts facts;
  std::string text, problem;
};

/// Decodes one instruction after the other. Used by one thread at a time.
class InstructionDecoder {
 public:
  /// Errors: kUnsupported if LLVM does not know the arch.
  static Result<InstructionDecoder> create(const std::string& arch);
  InstructionDecoder(InstructionDecoder&&) noexcept;
  ~InstructionDecoder();

  /// The first instruction of the code.
  DecodedInstruction decode(std::span<const std::byte> code) const;

 private:
  struct Parts;

  explicit InstructionDecoder(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

/// Errors: kUnsupported if LLVM does not know the arch.
Result<DecodedText> decode_text(const std::string& arch, std::span<const std::byte> code, std::uint64_t address);

}  // namespace sinter::sim
