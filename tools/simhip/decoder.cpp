// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/decoder.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <llvm/ADT/ArrayRef.h>
#include <llvm/MC/MCAsmInfo.h>
#include <llvm/MC/MCContext.h>
#include <llvm/MC/MCDisassembler/MCDisassembler.h>
#include <llvm/MC/MCInst.h>
#include <llvm/MC/MCInstPrinter.h>
#include <llvm/MC/MCInstrInfo.h>
#include <llvm/MC/MCRegisterInfo.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/MCTargetOptions.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/TargetParser/Triple.h>

#include "tools/simhip/opcode.h"
#include "tools/simhip/operand_text.h"
#include "tools/simhip/wave.h"

namespace sinter::sim {

namespace {

constexpr std::size_t kDwordBytes = 4;
constexpr std::size_t kLongestBytes = 20;  // MIMG's; ours are at most 12

struct Known {
  const Opcode* opcode = nullptr;
  InstructionClass instruction_class = InstructionClass::kScalar;
};

using KnownByName = std::unordered_map<std::string, Known>;

KnownByName known_opcodes() {
  using enum InstructionClass;
  const std::pair<std::span<const Opcode>, InstructionClass> groups[] = {{scalar_opcodes(), kScalar},
                                                                         {scalar_control_opcodes(), kScalar},
                                                                         {vector_opcodes(), kVectorAlu},
                                                                         {float_opcodes(), kVectorAlu},
                                                                         {half_opcodes(), kVectorAlu},
                                                                         {double_opcodes(), kVectorAlu},
                                                                         {convert_opcodes(), kVectorAlu},
                                                                         {compare_opcodes(), kVectorAlu},
                                                                         {packed_opcodes(), kVectorAlu},
                                                                         {packed_half_opcodes(), kVectorAlu},
                                                                         {matrix_opcodes(), kVectorAlu},
                                                                         {scaled_matrix_opcodes(), kVectorAlu},
                                                                         {sparse_matrix_opcodes(), kVectorAlu},
                                                                         {scaled_convert_opcodes(), kVectorAlu},
                                                                         {lds_opcodes(), kLds},
                                                                         {memory_opcodes(), kVectorMemory},
                                                                         {atomic_opcodes(), kVectorMemory}};
  KnownByName known;
  for (const auto& [opcodes, instruction_class] : groups) {
    for (const Opcode& opcode : opcodes) {
      const bool is_lds = opcode.name.starts_with("ds_");
      known[std::string(opcode.name)] = {&opcode, is_lds ? kLds : instruction_class};
    }
  }
  return known;
}

/// Where an unknown instruction is reached. The interpreter adds its text and why it is unknown.
void fault_unknown(Wave& wave, const Instruction&) {
  wave.stop(FaultKind::kIllegalCode, "the instruction is not known to the simulator");
}

/// LLVM's disassembler of one arch; each part refers to those before it.
class Disassembler {
 public:
  static Result<std::unique_ptr<Disassembler>> create(const std::string& arch) {
    LLVMInitializeAMDGPUTargetInfo();
    LLVMInitializeAMDGPUTarget();
    LLVMInitializeAMDGPUTargetMC();
    LLVMInitializeAMDGPUDisassembler();
    const llvm::Triple triple("amdgcn-amd-amdhsa");
    std::string problem;
    const llvm::Target* backend = llvm::TargetRegistry::lookupTarget(triple, problem);
    if (backend == nullptr) {
      return make_error(ErrorCode::kUnsupported, problem);
    }
    auto made = std::make_unique<Disassembler>();
    made->registers_.reset(backend->createMCRegInfo(triple));
    made->asm_info_.reset(backend->createMCAsmInfo(*made->registers_, triple, made->options_));
    made->subtarget_.reset(backend->createMCSubtargetInfo(triple, arch, ""));
    made->instructions_.reset(backend->createMCInstrInfo());
    made->context_ = std::make_unique<llvm::MCContext>(triple, made->asm_info_.get(), made->registers_.get(),
                                                       made->subtarget_.get());
    made->disassembler_.reset(backend->createMCDisassembler(*made->subtarget_, *made->context_));
    made->printer_.reset(
        backend->createMCInstPrinter(triple, 0, *made->asm_info_, *made->instructions_, *made->registers_));
    if (made->disassembler_ == nullptr || made->printer_ == nullptr) {
      return make_error(ErrorCode::kUnsupported, fmt::format("LLVM has no disassembler for {}", arch));
    }
    return made;
  }

  /// The size in bytes, text and facts of the first instruction; 0 if there is none.
  std::size_t decode(std::span<const std::byte> code, std::string& text, InstructionFacts& facts) {
    llvm::MCInst instruction;
    std::uint64_t size = 0;
    const llvm::ArrayRef<std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(code.data()),
                                             std::min(code.size(), kLongestBytes));
    if (disassembler_->getInstruction(instruction, size, bytes, 0, llvm::nulls()) !=
        llvm::MCDisassembler::Success) {
      return 0;
    }
    std::string printed;
    llvm::raw_string_ostream stream(printed);
    printer_->printInst(&instruction, 0, "", *subtarget_, stream);
    std::ranges::replace(printed, '\t', ' ');
    const std::size_t begin = printed.find_first_not_of(' ');
    const std::size_t end = printed.find_last_not_of(' ');
    text = begin == std::string::npos ? std::string() : printed.substr(begin, end - begin + 1);
    if (constexpr std::string_view kSwizzle = "ds_swizzle_b32"; text.starts_with(kSwizzle)) {
      // The pattern as a number: its names are many.
      std::uint16_t pattern = 0;
      std::memcpy(&pattern, code.data(), sizeof pattern);
      text = fmt::format("{} offset:{}", text.substr(0, text.find(" offset")), pattern);
    }
    facts = facts_of(instruction, *instructions_, *registers_, text, std::string_view(subtarget_->getCPU()));
    return static_cast<std::size_t>(size);
  }

 private:
  llvm::MCTargetOptions options_;
  std::unique_ptr<llvm::MCRegisterInfo> registers_;
  std::unique_ptr<llvm::MCAsmInfo> asm_info_;
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget_;
  std::unique_ptr<llvm::MCInstrInfo> instructions_;
  std::unique_ptr<llvm::MCContext> context_;
  std::unique_ptr<llvm::MCDisassembler> disassembler_;
  std::unique_ptr<llvm::MCInstPrinter> printer_;
};

/// Whether a text has a word, which modifiers without a value are.
bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const bool ends = at + word.size() == text.size() || text[at + word.size()] == ' ';
    if (at != 0 && text[at - 1] == ' ' && ends) {
      return true;
    }
  }
  return false;
}

/// The row of an instruction. Where a modifier makes it another one, that has a row of its own.
const Known* find_known(std::string_view name, std::string_view rest, const KnownByName& known) {
  static constexpr std::pair<std::string_view, std::string_view> kVariants[] = {
      {"clamp", " clamp"}, {"glc", " rtn"}, {"sc0", " rtn"}, {"lds", " lds"}};
  for (const auto& [word, suffix] : kVariants) {
    if (has_word(rest, word)) {
      if (const auto found = known.find(std::string(name) + std::string(suffix)); found != known.end()) {
        return &found->second;
      }
    }
  }
  const auto found = known.find(std::string(name));
  return found != known.end() ? &found->second : nullptr;
}

/// v_cmpx has v_cmp's row.
std::string row_name(std::string_view name) {
  constexpr std::string_view kSetsExec = "v_cmpx_";
  return name.starts_with(kSetsExec) ? "v_cmp_" + std::string(name.substr(kSetsExec.size())) : std::string(name);
}

Result<void> bind_text(std::string_view text, const KnownByName& known, Instruction& instruction) {
  std::string_view name = text.substr(0, text.find(' '));
  const std::string_view rest = text.substr(std::min(text.size(), name.size() + 1));
  Encoding encoding = Encoding::kPlain;
  static constexpr std::pair<std::string_view, Encoding> kSuffixes[] = {
      {"_e32", Encoding::kPlain}, {"_e64", Encoding::kPlain}, {"_dpp", Encoding::kDpp}, {"_sdwa", Encoding::kSdwa}};
  for (const auto& [suffix, meaning] : kSuffixes) {
    if (name.ends_with(suffix)) {
      name.remove_suffix(suffix.size());
      encoding = meaning;
      break;
    }
  }
  const Known* const found = find_known(row_name(name), rest, known);
  if (found == nullptr) {
    return make_error(ErrorCode::kUnsupported, fmt::format("no instruction \"{}\" is known to the simulator", name));
  }
  const Opcode& opcode = *found->opcode;
  if (encoding != Encoding::kPlain && (opcode.modifiers & kLaneForms) == 0) {
    return make_error(ErrorCode::kUnsupported, "this form of the instruction is not known to the simulator");
  }
  SINTER_TRY_VOID(read_operands(rest, opcode, encoding, instruction));
  instruction.modifiers.sets_exec = name.starts_with("v_cmpx_");
  instruction.execute = opcode.execute;
  instruction.instruction_class = found->instruction_class;
  return {};
}

}  // namespace

struct InstructionDecoder::Parts {
  std::unique_ptr<Disassembler> disassembler;
  KnownByName known;
};

InstructionDecoder::InstructionDecoder(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
InstructionDecoder::InstructionDecoder(InstructionDecoder&&) noexcept = default;
InstructionDecoder::~InstructionDecoder() = default;

Result<InstructionDecoder> InstructionDecoder::create(const std::string& arch) {
  auto parts = std::make_unique<Parts>();
  SINTER_TRY(parts->disassembler, Disassembler::create(arch));
  parts->known = known_opcodes();
  return InstructionDecoder(std::move(parts));
}

DecodedInstruction InstructionDecoder::decode(std::span<const std::byte> code) const {
  DecodedInstruction decoded;
  decoded.instruction.execute = fault_unknown;
  decoded.bytes = parts_->disassembler->decode(code, decoded.text, decoded.facts);
  if (decoded.bytes == 0) {
    decoded.problem = "LLVM knows no instruction of these bits";
    return decoded;
  }
  const Result<void> bound = bind_text(decoded.text, parts_->known, decoded.instruction);
  if (!bound) {
    decoded.instruction.execute = fault_unknown;
    decoded.problem = bound.error().message;
  }
  decoded.instruction.dwords = static_cast<std::uint8_t>(decoded.bytes / kDwordBytes);
  return decoded;
}

Result<DecodedText> decode_text(const std::string& arch, std::span<const std::byte> code, std::uint64_t address) {
  SINTER_TRY(const InstructionDecoder decoder, InstructionDecoder::create(arch));
  const std::size_t dwords = code.size() / kDwordBytes;
  DecodedText decoded;
  decoded.address = address;
  // One more than there is: running off the end is reaching an unknown instruction.
  Instruction unknown;
  unknown.execute = fault_unknown;
  decoded.instructions.assign(dwords + 1, unknown);
  decoded.facts.assign(dwords + 1, {});
  decoded.texts.assign(dwords + 1, "(no instruction)");
  decoded.problems.assign(dwords + 1, "control left the instructions");
  for (std::size_t at = 0; at < dwords;) {
    DecodedInstruction one = decoder.decode(code.subspan(at * kDwordBytes));
    decoded.problems[at] = std::move(one.problem);
    if (one.bytes == 0) {
      ++at;
      continue;
    }
    decoded.instructions[at] = one.instruction;
    decoded.facts[at] = one.facts;
    decoded.texts[at] = std::move(one.text);
    at += one.instruction.dwords;
  }
  return decoded;
}

}  // namespace sinter::sim
