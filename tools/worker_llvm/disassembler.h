// SPDX-License-Identifier: Apache-2.0
#pragma once

// Turns machine code of AMD GPUs and of x86-64 into text, by LLVM's MC layer.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sinter {

struct Instruction {
  std::uint64_t address = 0;
  std::string text;  ///< "v_add_f32_e32 v1, v2, v3": one blank between mnemonic and operands.

  std::string_view mnemonic() const { return std::string_view(text).substr(0, text.find(' ')); }
};

struct DisassemblyTarget {
  std::string triple;  ///< "amdgcn-amd-amdhsa".
  std::string cpu;     ///< "gfx942"; empty where the encoding does not depend on it.
};

/// Decodes all of `code`, which starts at `address`. The bytes may be anything.
/// Errors: kInvalidRequest with the address of the first byte that is no instruction of the target.
Result<std::vector<Instruction>> disassemble(const DisassemblyTarget& target, std::span<const std::byte> code,
                                             std::uint64_t address);

/// One line per instruction: address in hex, colon, text.
std::string to_text(std::span<const Instruction> instructions);

}  // namespace sinter
