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
  kPacked = 8,         ///< op_sel, op_sel_hi, neg_lo, neg_hi.
  kLaneForms = 16,     ///< The _dpp and _sdwa encodings.
  kCachePolicy = 32,   ///< glc, slc, sc0, sc1, nt: no caches here.
  kTruthTable = 64,
  kFloatOutput = 128,  ///< clamp, mul and div of a 32-bit float.
  kAtomic = 256,       ///< Cache policy whose glc or sc0 asks for the old value.
  kBuffer = 512,       ///< offen, idxen, lds.
  kMatrix = 1024,      ///< cbsz, abid, blgp, neg.
  kMixed = 2048,       ///< kPacked where op_sel_hi is 0 unless it is given.
};

/// One instruction. An integer instruction that saturates has "clamp" behind its name: "v_add_u32 clamp".
/// `signature` has a letter per operand:
///
///     v V 3 4 6 8   vector registers: 1, 2, 3, 4, 6, 8   d D Q E F   scalar registers: 1, 2, 4, 8, 16
///     s             any 32-bit source                    c C         scalar registers or a constant: 1, 2
///     h             the same of a 16-bit operation       k           a constant
///     f g p         floats of 32, 16, 64 bits, -x, |x|   o r         two or one scalar registers or "off"
///     S             any 64-bit source                    M N R       16, 4, 32 vector registers
///     P q           a pair of floats, of 16-bit numbers  A B H       the same or a constant
///     a             an address: 1 or 2 vector registers  I G         2 or 8 vector registers or a constant
///     w             the same or "off"                    x           4, 6 or 8 vector registers
///     m n           hwreg(...), gpr_idx(...)             *           the whole rest, which does nothing here
struct Opcode {
  std::string_view name;  ///< Without _e32, _e64, _dpp, _sdwa.
  std::string_view signature;
  Handler execute;
  std::uint32_t modifiers = kNoModifiers;
};

std::span<const Opcode> scalar_opcodes();
std::span<const Opcode> scalar_control_opcodes();
std::span<const Opcode> vector_opcodes();
std::span<const Opcode> float_opcodes();
std::span<const Opcode> half_opcodes();
std::span<const Opcode> double_opcodes();
std::span<const Opcode> convert_opcodes();
std::span<const Opcode> compare_opcodes();
std::span<const Opcode> packed_opcodes();
std::span<const Opcode> packed_half_opcodes();
std::span<const Opcode> matrix_opcodes();
std::span<const Opcode> scaled_matrix_opcodes();
std::span<const Opcode> sparse_matrix_opcodes();
std::span<const Opcode> scaled_convert_opcodes();
std::span<const Opcode> lds_opcodes();
std::span<const Opcode> memory_opcodes();
std::span<const Opcode> atomic_opcodes();

}  // namespace sinter::sim
