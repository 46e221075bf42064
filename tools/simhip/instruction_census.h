// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which instructions an arch has, so that what the simulator lacks is a list and not an opinion: every opcode of every
// encoding is given to LLVM's disassembler, and what it knows is looked up as a kernel's instructions are.

#include <map>
#include <string>

#include "base/result.h"

namespace sinter::sim {

/// Mnemonics as LLVM prints them, with what is wrong with them in the simulator: empty if it executes them.
using InstructionCensus = std::map<std::string, std::string>;

/// Errors: kUnsupported if LLVM does not know the arch.
Result<InstructionCensus> take_census(const std::string& arch);

}  // namespace sinter::sim
