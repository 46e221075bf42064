// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads one of the modifiers that LLVM's printer writes behind the operands.

#include <string_view>

#include "tools/simhip/opcode.h"
#include "tools/simhip/operand_text.h"

namespace sinter::sim {

/// False if the instruction cannot have this modifier, or it is not known.
bool read_modifier(std::string_view text, const Opcode& opcode, Encoding encoding, Modifiers& modifiers);

}  // namespace sinter::sim
