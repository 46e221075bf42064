// SPDX-License-Identifier: Apache-2.0
#pragma once

// A decoded instruction: what to execute, on which registers. Decoded once per code object, executed by every wave.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace sinter::sim {

struct Wave;
struct Instruction;

inline constexpr unsigned kLanes = 64;

/// Scalar registers that have names, by their numbers in the encoding. Halves of a pair are neighbours.
inline constexpr std::uint16_t kFlatScratch = 102, kXnackMask = 104, kVcc = 106, kM0 = 124, kExec = 126;
/// Accumulation register a0 in Wave::vectors.
inline constexpr std::uint16_t kAccumulators = 256;

enum class OperandKind : std::uint8_t {
  kNone,      ///< "off".
  kScalar,    ///< Wave::scalars from `index` on.
  kVector,    ///< Wave::vectors from `index` on.
  kConstant,  ///< `bits`; as a 64-bit operand sign-extended.
};

struct Operand {
  OperandKind kind = OperandKind::kNone;
  std::uint8_t dwords = 1;
  bool negate = false, absolute = false;  ///< Of floating-point sources; absolute first.
  std::uint16_t index = 0;
  std::uint32_t bits = 0;
};

/// Which lane of its row of 16 a DPP source reads.
enum class RowRead : std::uint8_t { kSame, kRotateRight, kQuadPermute, kMirror, kHalfMirror };

/// The part of a register that an SDWA operand is.
struct SubDword {
  std::uint8_t shift = 0;
  std::uint32_t mask = 0xffffffff;
};

enum class SubDwordRest : std::uint8_t { kZero, kPreserve };

struct Modifiers {
  std::int32_t offset = 0;
  std::array<std::uint8_t, 2> offsets{};  ///< Of the ds_*2 instructions, in elements.
  // Bit i is about source i; op_sel's bit 3 or, with two sources, bit 2 about the destination.
  std::uint8_t op_sel = 0, op_sel_hi = 7, neg_lo = 0, neg_hi = 0;
  std::uint8_t truth_table = 0;
  RowRead row_read = RowRead::kSame;
  std::uint8_t row_amount = 0;  ///< Lanes to rotate, or a quad permutation of 4 x 2 bits.
  bool is_sdwa = false;
  SubDword destination, source0, source1;
  SubDwordRest rest = SubDwordRest::kZero;
};

enum class InstructionClass : std::uint8_t { kScalar, kVectorAlu, kLds, kVectorMemory };

using Handler = void (*)(Wave& wave, const Instruction& instruction);

struct Instruction {
  Handler execute = nullptr;
  std::array<Operand, 6> operands{};
  std::uint8_t operand_count = 0;
  std::uint8_t dwords = 1;  ///< Of the encoding.
  InstructionClass instruction_class = InstructionClass::kScalar;
  Modifiers modifiers;
};

}  // namespace sinter::sim
