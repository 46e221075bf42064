// SPDX-License-Identifier: Apache-2.0
#include "tools/worker_llvm/disassembler.h"

#include <fmt/format.h>
#include <llvm/ADT/ArrayRef.h>
#include <llvm/ADT/StringExtras.h>
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
#include <llvm/Support/raw_ostream.h>
#include <llvm/TargetParser/Triple.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

namespace sinter {
namespace {

/// LLVM's objects for one target; each refers to those before it.
class Decoder {
 public:
  static Result<std::unique_ptr<Decoder>> create(const DisassemblyTarget& target) {
    std::string problem;
    llvm::Triple triple(target.triple);
    const llvm::Target* backend = llvm::TargetRegistry::lookupTarget(triple, problem);
    if (backend == nullptr) {
      return make_error(ErrorCode::kInternal, problem);
    }
    std::unique_ptr<Decoder> decoder(new Decoder);
    decoder->registers_.reset(backend->createMCRegInfo(triple));
    decoder->asm_info_.reset(backend->createMCAsmInfo(*decoder->registers_, triple, decoder->options_));
    decoder->subtarget_.reset(backend->createMCSubtargetInfo(triple, target.cpu, ""));
    decoder->instructions_.reset(backend->createMCInstrInfo());
    decoder->context_ = std::make_unique<llvm::MCContext>(triple, decoder->asm_info_.get(), decoder->registers_.get(),
                                                          decoder->subtarget_.get());
    decoder->disassembler_.reset(backend->createMCDisassembler(*decoder->subtarget_, *decoder->context_));
    const unsigned variant = triple.isX86() ? 1 : 0;  // Intel's syntax, as in its manuals
    decoder->printer_.reset(backend->createMCInstPrinter(triple, variant, *decoder->asm_info_,
                                                         *decoder->instructions_, *decoder->registers_));
    if (decoder->disassembler_ == nullptr || decoder->printer_ == nullptr) {
      return make_error(ErrorCode::kInternal, fmt::format("LLVM has no disassembler for {}", target.triple));
    }
    decoder->printer_->setPrintBranchImmAsAddress(true);
    decoder->printer_->setPrintImmHex(true);
    return decoder;
  }

  /// Decodes the instruction at the start of `code`; its size in bytes, 0 if there is none.
  std::uint64_t decode(llvm::ArrayRef<std::uint8_t> code, std::uint64_t address, std::string& text) {
    llvm::MCInst instruction;
    std::uint64_t size = 0;
    // A "soft fail" is an encoding whose result the manuals leave open: no compiler emits one.
    if (disassembler_->getInstruction(instruction, size, code, address, llvm::nulls()) !=
        llvm::MCDisassembler::Success) {
      return 0;
    }
    std::string printed;
    llvm::raw_string_ostream stream(printed);
    printer_->printInst(&instruction, address, "", *subtarget_, stream);
    text = one_line(printed);
    return size;
  }

 private:
  Decoder() = default;

  /// The printers separate by tabs, and LLVM prints some prefixes on a line of their own.
  static std::string one_line(std::string_view printed) {
    std::string text;
    for (const char c : printed) {
      const bool is_space = c == ' ' || c == '\t' || c == '\n';
      if (!is_space) {
        text += c;
      } else if (!text.empty() && text.back() != ' ') {
        text += ' ';
      }
    }
    while (!text.empty() && text.back() == ' ') {
      text.pop_back();
    }
    return text;
  }

  llvm::MCTargetOptions options_;
  std::unique_ptr<llvm::MCRegisterInfo> registers_;
  std::unique_ptr<llvm::MCAsmInfo> asm_info_;
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget_;
  std::unique_ptr<llvm::MCInstrInfo> instructions_;
  std::unique_ptr<llvm::MCContext> context_;
  std::unique_ptr<llvm::MCDisassembler> disassembler_;
  std::unique_ptr<llvm::MCInstPrinter> printer_;
};

}  // namespace

Result<std::vector<Instruction>> disassemble(const DisassemblyTarget& target, std::span<const std::byte> code,
                                             std::uint64_t address) {
  SINTER_TRY(const std::unique_ptr<Decoder> decoder, Decoder::create(target));
  llvm::ArrayRef<std::uint8_t> rest(reinterpret_cast<const std::uint8_t*>(code.data()), code.size());
  std::vector<Instruction> instructions;
  while (!rest.empty()) {
    Instruction instruction;
    instruction.address = address;
    const std::uint64_t size = decoder->decode(rest, address, instruction.text);
    if (size == 0 || size > rest.size()) {
      return make_error(ErrorCode::kInvalidRequest,
                        fmt::format("the bytes at {:#x} are no instruction of {} {}", address, target.triple,
                                    target.cpu));
    }
    instructions.push_back(std::move(instruction));
    rest = rest.drop_front(static_cast<std::size_t>(size));
    address += size;
  }
  return instructions;
}

std::string to_text(std::span<const Instruction> instructions) {
  std::string text;
  for (const Instruction& instruction : instructions) {
    fmt::format_to(std::back_inserter(text), "{:012x}: {}\n", instruction.address, instruction.text);
  }
  return text;
}

}  // namespace sinter
