// SPDX-License-Identifier: Apache-2.0
#pragma once

// The instructions that are known: one table per group, in the group's own file.

#include <cstdint>
#include <span>
#include <string_view>

#include "tools/simhip/instruction.h"

namespace sinter::sim {

/// What may follow the operands; anything else is an error of the decoder.
enum ModifierSet : std::uint32_t {
  kNoModifiers = 0,
  kOffset = 1,
  kOffsetPair = 2,
  kOpSel = 4,
  kPacked = 8,       ///< op_sel, op_sel_hi, neg_lo, neg_hi.
  kLaneForms = 16,   ///< The _dpp and _sdwa encodings.
  kCachePolicy = 32, ///< glc, slc, sc0, sc1, nt: no caches here.
  kTruthTable = 64,
};

/// One instruction. `signature` has a letter per operand:
///
///     v V 3 4 8   vector registers: 1, 2, 3, 4, 8      d D Q E F   scalar registers: 1, 2, 4, 8, 16
///     s           any 32-bit source                    c C         scalar registers or a constant: 1, 2
///     h           the same of a 16-bit operation       k           a constant
///     f           the same with -x and |x|             o           two scalar registers or "off"
///     S           any 64-bit source                    M N         16 or 4 vector registers
///     P           a pair of floats                     A B         the same or a constant
///     a           an address: 1 or 2 vector registers   *           the whole rest, which does nothing here
struct Opcode {
  std::string_view name;  ///< Without _e32, _e64, _dpp, _sdwa.
  std::string_view signature;
  Handler execute;
  std::uint32_t modifiers = kNoModifiers;
};

std::span<const Opcode> scalar_opcodes();
std::span<const Opcode> vector_opcodes();
std::span<const Opcode> compare_opcodes();
std::span<const Opcode> packed_opcodes();
std::span<const Opcode> matrix_opcodes();
std::span<const Opcode> lds_opcodes();
std::span<const Opcode> memory_opcodes();

}  // namespace sinter::sim
