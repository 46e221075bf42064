// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/instruction_facts.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

#include <fmt/format.h>
#include <llvm/MC/MCInst.h>
#include <llvm/MC/MCInstrInfo.h>
#include <llvm/MC/MCRegisterInfo.h>

namespace sinter::sim {

namespace {

struct NamedRegister {
  std::string_view name;
  std::uint16_t index;
  std::uint8_t count;
};

constexpr NamedRegister kNamed[] = {
    {"VCC", kVcc, 2}, {"VCC_LO", kVcc, 1}, {"VCC_HI", kVcc + 1, 1}, {"M0", kM0, 1}, {"M0_gfxpre11", kM0, 1},
};

/// "VGPR4_VGPR5", "AGPR0", "SGPR2_SGPR3". Nothing for registers that are not checked: EXEC, SCC, MODE.
std::optional<RegisterRange> range_of(std::string_view name) {
  for (const NamedRegister& named : kNamed) {
    if (name == named.name) {
      return RegisterRange{RegisterFile::kScalar, named.count, named.index};
    }
  }
  const bool is_scalar = name.starts_with("SGPR"), is_accumulator = name.starts_with("AGPR");
  if (!is_scalar && !is_accumulator && !name.starts_with("VGPR")) {
    return std::nullopt;
  }
  unsigned first = 0;
  std::from_chars(name.data() + 4, name.data() + name.size(), first);
  const auto parts = 1 + std::ranges::count(name, '_') - (name.ends_with("_LO16") || name.ends_with("_HI16") ? 1 : 0);
  return RegisterRange{is_scalar ? RegisterFile::kScalar : RegisterFile::kVector, static_cast<std::uint8_t>(parts),
                       static_cast<std::uint16_t>(first + (is_accumulator ? kAccumulators : 0))};
}

/// The register of a pair that v_pk_fma_f32 and its like read for both halves of the result, where it is one: LLVM has
/// op_sel and op_sel_hi in bits 2 and 3 of the modifiers that stand before a source.
RegisterRange selected(const RegisterRange& pair, std::int64_t modifiers) {
  const auto low = static_cast<std::uint16_t>(modifiers >> 2 & 1),
             high = static_cast<std::uint16_t>(modifiers >> 3 & 1);
  return low == high ? RegisterRange{pair.file, 1, static_cast<std::uint16_t>(pair.begin + low)} : pair;
}

void add(std::array<RegisterRange, InstructionFacts::kMost>& to, std::uint8_t& count, std::string_view name) {
  if (const auto range = range_of(name); range && count < to.size()) {
    to[count++] = *range;
  }
}

bool starts_with_any(std::string_view text, std::span<const std::string_view> beginnings) {
  return std::ranges::any_of(beginnings, [text](std::string_view beginning) { return text.starts_with(beginning); });
}

InFlight in_flight_of(std::string_view text) {
  static constexpr std::string_view kVector[] = {"global_", "buffer_load", "buffer_store", "buffer_atomic", "scratch_"};
  static constexpr std::string_view kScalar[] = {"s_load_", "s_buffer_load_", "s_memtime", "s_memrealtime"};
  if (starts_with_any(text, kVector)) {
    return InFlight::kVectorMemory;
  }
  if (text.starts_with("flat_")) {
    return InFlight::kFlat;
  }
  if (text.starts_with("ds_")) {
    return InFlight::kLds;
  }
  return starts_with_any(text, kScalar) ? InFlight::kScalarMemory : InFlight::kNothing;
}

InstructionKind kind_of(std::string_view text) {
  static constexpr std::string_view kCopies[] = {"v_mov_b", "v_accvgpr_", "s_mov_b", "v_pk_mov_"};
  static constexpr std::string_view kTranscendentals[] = {"v_rcp_", "v_rsq_", "v_sqrt_", "v_exp_",
                                                          "v_log_", "v_sin_", "v_cos_"};
  static constexpr std::string_view kLaneAccesses[] = {"v_readlane", "v_writelane", "v_readfirstlane"};
  if (text.starts_with("v_mfma_") || text.starts_with("v_smfmac_")) {
    return InstructionKind::kMatrix;
  }
  if (starts_with_any(text, kCopies) && text.find("_dpp") == std::string_view::npos &&
      text.find("_sdwa") == std::string_view::npos) {
    return InstructionKind::kCopy;
  }
  if (starts_with_any(text, kTranscendentals)) {
    return InstructionKind::kTranscendental;
  }
  if (starts_with_any(text, kLaneAccesses)) {
    return InstructionKind::kLaneAccess;
  }
  if (text.starts_with("v_div_fmas")) {
    return InstructionKind::kDivisionFused;
  }
  if (text.starts_with("global_load_lds_") ||
      ((text.starts_with("buffer_load_") || text.starts_with("global_load_")) && text.ends_with(" lds"))) {
    return InstructionKind::kLdsLoad;
  }
  return text.starts_with("s_waitcnt ") ? InstructionKind::kWaitCount : InstructionKind::kOther;
}

/// Wait states until another instruction may read or write a matrix instruction's result. gfx90a: 5, 11 or 19 after 2,
/// 8 or 16 passes; later three more than passes, which are half as many. The fewest where forms differ. From the tables
/// of required NOPs of AMD's CDNA ISA documents, as LLVM's hazard recognizer has them.
std::uint8_t matrix_states_of(std::string_view text, std::string_view arch) {
  const bool is_large = text.find("_32x32x") != std::string_view::npos;
  const bool is_middle = text.find("_16x16x") != std::string_view::npos;
  const bool is_wide = text.find("f64") != std::string_view::npos || text.find("smfmac") != std::string_view::npos;
  if (is_wide) {
    return 0;  // their own numbers are not modelled
  }
  if (arch == "gfx90a") {
    return is_large ? 19 : is_middle ? 11 : 5;
  }
  return is_large ? 11 : is_middle ? 7 : 5;
}

}  // namespace

std::string name_of(const RegisterRange& range) {
  for (const NamedRegister& named : kNamed) {
    if (range.file == RegisterFile::kScalar && range.begin == named.index && range.count == named.count) {
      std::string name(named.name);
      std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
      return name;
    }
  }
  const bool is_accumulator = range.file == RegisterFile::kVector && range.begin >= kAccumulators;
  const char file = range.file == RegisterFile::kScalar ? 's' : is_accumulator ? 'a' : 'v';
  const unsigned first = range.begin - (is_accumulator ? kAccumulators : 0U);
  return range.count == 1 ? fmt::format("{}{}", file, first)
                          : fmt::format("{}[{}:{}]", file, first, first + range.count - 1U);
}

InstructionFacts facts_of(const llvm::MCInst& instruction, const llvm::MCInstrInfo& instructions,
                          const llvm::MCRegisterInfo& registers, std::string_view text, std::string_view arch) {
  const llvm::MCInstrDesc& description = instructions.get(instruction.getOpcode());
  InstructionFacts facts;
  const bool has_packed_floats = text.starts_with("v_pk_") && text.find("_f32") != std::string_view::npos;
  for (unsigned i = 0; i < instruction.getNumOperands(); ++i) {
    const llvm::MCOperand& operand = instruction.getOperand(i);
    if (operand.isReg() && operand.getReg().isValid()) {
      const std::string_view name = registers.getName(operand.getReg());
      i < description.getNumDefs() ? add(facts.writes, facts.write_count, name)
                                   : add(facts.reads, facts.read_count, name);
      const bool is_selected = i != 0 && i >= description.getNumDefs() && instruction.getOperand(i - 1).isImm() &&
                               has_packed_floats && facts.read_count != 0 &&
                               facts.reads[facts.read_count - 1U].count == 2;
      if (is_selected) {
        RegisterRange& last = facts.reads[facts.read_count - 1U];
        last = selected(last, instruction.getOperand(i - 1).getImm());
      }
    }
  }
  for (const llvm::MCPhysReg implicit : description.implicit_uses()) {
    // LLVM's tables have M0 for all of LDS; from gfx9 on only loads into it read M0.
    const std::string_view name = registers.getName(implicit);
    if (!text.starts_with("ds_") || !name.starts_with("M0")) {
      add(facts.reads, facts.read_count, name);
    }
  }
  for (const llvm::MCPhysReg implicit : description.implicit_defs()) {
    add(facts.writes, facts.write_count, registers.getName(implicit));
  }
  facts.in_flight = in_flight_of(text);
  facts.kind = kind_of(text);
  facts.is_dpp = text.find("_dpp ") != std::string_view::npos;
  // What a destination keeps in lanes that are not written, which may be nothing that was ever wanted.
  const bool keeps_first = facts.is_dpp && facts.read_count != 0 && facts.write_count != 0 &&
                           facts.reads[0].file == facts.writes[0].file && facts.reads[0].begin == facts.writes[0].begin;
  const bool keeps_last = text.starts_with("v_writelane") && facts.read_count != 0;
  if (keeps_first) {
    std::shift_left(facts.reads.begin(), facts.reads.end(), 1);
  }
  if (keeps_first || (keeps_last && facts.reads[facts.read_count - 1U].file == RegisterFile::kVector)) {
    --facts.read_count;
  }
  const bool has_immediate = instruction.getNumOperands() == 1 && instruction.getOperand(0).isImm();
  if (has_immediate && text.starts_with("s_nop ")) {
    facts.wait_states = static_cast<std::uint8_t>(instruction.getOperand(0).getImm() + 1);
  }
  if (has_immediate && facts.kind == InstructionKind::kWaitCount) {
    facts.immediate = static_cast<std::uint16_t>(instruction.getOperand(0).getImm());
  }
  if (facts.kind == InstructionKind::kMatrix) {
    facts.matrix_states = matrix_states_of(text, arch);
  }
  return facts;
}

}  // namespace sinter::sim
