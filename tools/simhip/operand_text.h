// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads what LLVM's printer writes behind a mnemonic: operands here, modifiers in modifier_text.h. Strict: what is not
// understood is an error, never left out.

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "tools/simhip/instruction.h"
#include "tools/simhip/opcode.h"

namespace sinter::sim {

enum class Encoding : std::uint8_t { kPlain, kDpp, kSdwa };

/// Fills in operands and modifiers from `text`, which is all behind the mnemonic.
/// Errors: kUnsupported naming the operand or modifier.
Result<void> read_operands(std::string_view text, const Opcode& opcode, Encoding encoding, Instruction& instruction);

/// A whole number, decimal or 0x.
std::optional<std::int64_t> read_whole_number(std::string_view text);

}  // namespace sinter::sim
