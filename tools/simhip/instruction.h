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
/// Scalars that cannot be written: the windows of LDS and scratch among flat addresses. Numbers of ours, in pairs.
inline constexpr std::uint16_t kSharedBase = 128, kSharedLimit = 130, kPrivateBase = 132, kPrivateLimit = 134;
inline constexpr std::uint16_t kScalarCount = 136;
/// Accumulation register a0 in Wave::vectors.
inline constexpr std::uint16_t kAccumulators = 256;

enum class OperandKind : std::uint8_t {
  kNone,      ///< "off".
  kScalar,    ///< Wave::scalars from `index` on.
  kVector,    ///< Wave::vectors from `index` on.
  kConstant,  ///< `bits`, and of a 64-bit operand `high`.
};

struct Operand {
  OperandKind kind = OperandKind::kNone;
  std::uint8_t dwords = 1;
  bool negate = false, absolute = false;  ///< Of floating-point sources; absolute first.
  bool is_half = false;                   ///< Its sign is bit 15.
  std::uint16_t index = 0;
  std::uint32_t bits = 0, high = 0;
};

/// Which lane a DPP source reads.
enum class LaneRead : std::uint8_t {
  kSame,
  kQuadPermute,
  // In a row of 16 lanes:
  kRowShiftLeft,
  kRowShiftRight,
  kRowRotateRight,
  kRowMirror,
  kRowHalfMirror,
  kRowLane,       ///< row_newbcast.
  // In the wave, and from one row to the next:
  kWaveShiftLeft,
  kWaveRotateLeft,
  kWaveShiftRight,
  kWaveRotateRight,
  kRowBroadcast15,
  kRowBroadcast31,
};

struct LaneSelection {
  bool is_used = false;
  LaneRead read = LaneRead::kSame;
  std::uint8_t amount = 0;  ///< Lanes, or a quad permutation of 4 x 2 bits.
  std::uint8_t row_mask = 0xf, bank_mask = 0xf;
  bool zero_from_nowhere = false;  ///< bound_ctrl: where there is no such lane, 0 is read; else nothing is written.
};

/// The part of a register that an SDWA operand is.
struct SubDword {
  std::uint8_t shift = 0;
  std::uint32_t mask = 0xffffffff;
  bool is_signed = false;
};

enum class SubDwordRest : std::uint8_t { kZero, kSignExtend, kPreserve };

/// What becomes of a floating-point result; scaled first.
struct OutputChange {
  bool is_used = false;
  bool clamps = false;          ///< To 0 ... 1.
  std::int8_t scale_log2 = 0;   ///< mul:2, mul:4, div:2.
};

/// Of buffer instructions.
struct BufferForm {
  bool has_offset = false, has_index = false;  ///< offen, idxen.
  bool to_lds = false;
};

struct Modifiers {
  std::int32_t offset = 0;
  std::array<std::uint8_t, 2> offsets{};  ///< Of the ds_*2 instructions, in elements.
  // Bit i is about source i; op_sel's bit 3 or, with two sources, bit 2 about the destination.
  std::uint8_t op_sel = 0, op_sel_hi = 7, neg_lo = 0, neg_hi = 0;
  std::uint8_t truth_table = 0;
  std::uint8_t cbsz = 0, abid = 0, blgp = 0;  ///< Of matrix instructions.
  bool returns_old = false;                   ///< An atomic's glc or sc0.
  bool is_sdwa = false;
  bool sets_exec = false;  ///< v_cmpx.
  LaneSelection lanes;
  SubDword destination, source0, source1;
  SubDwordRest rest = SubDwordRest::kZero;
  OutputChange output;
  BufferForm buffer;
};

enum class InstructionClass : std::uint8_t { kScalar, kVectorAlu, kLds, kVectorMemory };

using Handler = void (*)(Wave& wave, const Instruction& instruction);

struct Instruction {
  Handler execute = nullptr;
  std::array<Operand, 6> operands{};
  std::uint8_t operand_count = 0;
  std::uint8_t dwords = 1;        ///< Of the encoding.
  std::uint8_t first_source = 1;  ///< Which operand is source 0, the one that DPP and SDWA change.
  InstructionClass instruction_class = InstructionClass::kScalar;
  bool is_special = false;        ///< Sources or results are not whole registers: DPP, SDWA, halves, `output`.
  Modifiers modifiers;
};

}  // namespace sinter::sim
