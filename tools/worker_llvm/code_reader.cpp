// SPDX-License-Identifier: Apache-2.0
#include "tools/worker_llvm/code_reader.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "tools/worker/elf_reader.h"
#include "tools/worker/hsaco_facts.h"
#include "tools/worker/ptx_facts.h"
#include "tools/worker_llvm/disassembler.h"

namespace sinter {
namespace {

Error unreadable(std::string_view why) {
  return make_error(ErrorCode::kInvalidRequest, fmt::format("unreadable code object: {}", why));
}

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; });
}

/// Distinct mnemonics with one of the prefixes, sorted.
std::vector<std::string> mnemonics_with(std::span<const Instruction> instructions,
                                        std::initializer_list<std::string_view> prefixes) {
  std::vector<std::string> names;
  for (const Instruction& instruction : instructions) {
    if (starts_with_any(instruction.mnemonic(), prefixes)) {
      names.emplace_back(instruction.mnemonic());
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

/// A function's machine code.
struct Function {
  std::uint64_t address = 0;
  std::span<const std::byte> code;
};

Result<Function> find_function(const ElfReader& elf, std::string_view name) {
  const auto index = elf.find_symbol(name);
  if (!index) {
    return unreadable(fmt::format("it does not define '{}'", name));
  }
  const ElfReader::Symbol& symbol = elf.symbols()[*index];
  const auto code = elf.bytes_at(symbol.value, symbol.size);
  if (!code || code->empty()) {
    return unreadable(fmt::format("the code of '{}', {} bytes at {:#x}, is not in the file", name, symbol.size,
                                  symbol.value));
  }
  return Function{symbol.value, *code};
}

/// From an address to the end of the section that holds it.
std::span<const std::byte> rest_of_section(const ElfReader& elf, std::uint64_t address) {
  for (const ElfReader::Section& section : elf.sections()) {
    if (address >= section.address && address - section.address < section.bytes.size()) {
      return section.bytes.subspan(static_cast<std::size_t>(address - section.address));
    }
  }
  return {};
}

// --- AMD -----------------------------------------------------------------------------------------------------------

// Source of the descriptor's layout and encodings: LLVM's "User Guide for AMDGPU Backend", Kernel Descriptor.
constexpr std::uint64_t kDescriptorBytes = 64;
constexpr std::uint64_t kEntryOffsetAt = 16;
constexpr std::uint64_t kRsrc3At = 44;
constexpr std::uint64_t kRsrc1At = 48;
constexpr std::uint32_t kSixBits = 0x3f;

/// Vector registers that the descriptor asks the hardware for. gfx9 only: elsewhere it depends on the wave size.
std::optional<std::int64_t> allocated_registers(std::string_view target, std::uint32_t rsrc1) {
  if (target.substr(0, 4) != "gfx9") {
    return std::nullopt;
  }
  const bool unified = starts_with_any(target, {"gfx90a", "gfx94", "gfx95"});
  return std::int64_t{(rsrc1 & kSixBits) + 1} * (unified ? 8 : 4);
}

/// The kernel's code must start where the descriptor sends the hardware, and the registers it asks for must be those
/// that the metadata counts: a reader of names and notes alone can be told anything.
Result<void> check_descriptor(const ElfReader& elf, const Function& kernel, const CodeFacts& facts) {
  const auto index = elf.find_symbol(facts.entry + ".kd");
  const std::uint64_t address = index ? elf.symbols()[*index].value : 0;
  const auto descriptor = index ? elf.bytes_at(address, kDescriptorBytes) : std::nullopt;
  if (!descriptor) {
    return unreadable(fmt::format("it has no kernel descriptor '{}.kd'", facts.entry));
  }
  const std::uint64_t start = address + *load<std::uint64_t>(*descriptor, kEntryOffsetAt);
  if (start != kernel.address) {
    return unreadable(fmt::format("the descriptor of '{}' starts it at {:#x}, its symbol is at {:#x}", facts.entry,
                                  start, kernel.address));
  }
  const auto allocated = allocated_registers(facts.target, *load<std::uint32_t>(*descriptor, kRsrc1At));
  if (allocated && *allocated < facts.registers) {
    return unreadable(fmt::format("the descriptor of '{}' allocates {} vector registers, its metadata counts {}",
                                  facts.entry, *allocated, facts.registers));
  }
  if (facts.accumulation_registers > 0 && allocated && starts_with_any(facts.target, {"gfx90a", "gfx94", "gfx95"})) {
    const std::int64_t offset = std::int64_t{(*load<std::uint32_t>(*descriptor, kRsrc3At) & kSixBits) + 1} * 4;
    if (offset + facts.accumulation_registers > *allocated) {
      return unreadable(fmt::format("the descriptor of '{}' puts {} accumulation registers behind the first {} of {}",
                                    facts.entry, facts.accumulation_registers, offset, *allocated));
    }
  }
  return {};
}

/// Assemblers do not give a symbol a size unless they are told to (AITER's kernels have none): then everything behind it
/// is read, which finds at least what the kernel has.
Result<Function> find_kernel_code(const ElfReader& elf, std::string_view name) {
  const auto index = elf.find_symbol(name);
  if (index && elf.symbols()[*index].size == 0) {
    const std::uint64_t address = elf.symbols()[*index].value;
    if (const auto code = rest_of_section(elf, address); !code.empty()) {
      return Function{address, code};
    }
  }
  return find_function(elf, name);
}

Result<CodeReading> read_amd(std::span<const std::byte> code, std::string_view entry) {
  CodeReading reading;
  SINTER_TRY(reading.facts, read_hsaco_facts(code, entry));
  SINTER_TRY(const ElfReader elf, ElfReader::open(code));
  SINTER_TRY(const Function kernel, find_kernel_code(elf, entry));
  SINTER_TRY_VOID(check_descriptor(elf, kernel, reading.facts));
  SINTER_TRY(const std::vector<Instruction> instructions,
             disassemble({"amdgcn-amd-amdhsa", reading.facts.target}, kernel.code, kernel.address));
  reading.facts.instruction_count = static_cast<std::int64_t>(instructions.size());
  reading.facts.setvskip_count = std::count_if(instructions.begin(), instructions.end(), [](const Instruction& i) {
    return i.mnemonic() == "s_setvskip";
  });
  reading.facts.matrix_instructions = mnemonics_with(instructions, {"v_mfma_", "v_smfmac_", "v_wmma_", "v_swmmac_"});
  reading.disassembly = to_text(instructions);
  return reading;
}

// --- host ----------------------------------------------------------------------------------------------------------

/// Loading must not run code: no constructor or destructor, in any of the ways to ask for one.
Result<void> check_dynamic_entry(const Elf64_Dyn& entry) {
  constexpr std::array<Elf64_Sxword, 6> kRunsCode = {DT_INIT,       DT_FINI,          DT_INIT_ARRAY,
                                                     DT_FINI_ARRAY, DT_PREINIT_ARRAY, DT_TEXTREL};
  if (entry.d_tag == DT_NEEDED || entry.d_tag == DT_AUXILIARY || entry.d_tag == DT_FILTER) {
    return unreadable("it needs another library");
  }
  if (std::find(kRunsCode.begin(), kRunsCode.end(), entry.d_tag) != kRunsCode.end()) {
    return unreadable(fmt::format("loading it would run or rewrite code (dynamic tag {})", entry.d_tag));
  }
  return {};
}

/// Only the addition of the load address: others bind imports, and R_X86_64_IRELATIVE calls a function while loading.
Result<void> check_relocation(const Elf64_Rela& relocation) {
  const auto type = ELF64_R_TYPE(relocation.r_info);
  if (type != R_X86_64_RELATIVE) {
    return unreadable(fmt::format("it has a relocation of type {} at {:#x}", type, relocation.r_offset));
  }
  return {};
}

Result<void> check_section(const ElfReader::Section& section) {
  switch (section.type) {
    case SHT_DYNAMIC:
      for (std::uint64_t at = 0; const auto entry = load<Elf64_Dyn>(section.bytes, at); at += sizeof(Elf64_Dyn)) {
        SINTER_TRY_VOID(check_dynamic_entry(*entry));
      }
      return {};
    case SHT_RELA:
      for (std::uint64_t at = 0; const auto entry = load<Elf64_Rela>(section.bytes, at); at += sizeof(Elf64_Rela)) {
        SINTER_TRY_VOID(check_relocation(*entry));
      }
      return {};
    case SHT_REL:
    case SHT_INIT_ARRAY:
    case SHT_FINI_ARRAY:
    case SHT_PREINIT_ARRAY:
      return unreadable(fmt::format("it has the section '{}'", section.name));
    default:
      return {};
  }
}

Result<void> check_self_contained(const ElfReader& elf) {
  for (const ElfReader::Section& section : elf.sections()) {
    SINTER_TRY_VOID(check_section(section));
  }
  for (std::size_t i = 1; i < elf.symbols().size(); ++i) {
    if (elf.symbols()[i].section == SHN_UNDEF) {
      return unreadable(fmt::format("it imports '{}'", elf.symbols()[i].name));
    }
  }
  return {};
}

Result<CodeReading> read_host(std::span<const std::byte> code, std::string_view entry) {
  SINTER_TRY(const ElfReader elf, ElfReader::open(code));
  if (elf.machine() != EM_X86_64 || load<Elf64_Ehdr>(code, 0)->e_type != ET_DYN) {
    return unreadable(fmt::format("it is no x86-64 shared object (ELF machine {})", elf.machine()));
  }
  SINTER_TRY_VOID(check_self_contained(elf));
  SINTER_TRY(const Function function, find_function(elf, entry));
  SINTER_TRY(const std::vector<Instruction> instructions,
             disassemble({"x86_64-pc-linux-gnu", ""}, function.code, function.address));
  CodeReading reading;
  reading.facts.target = "x86-64";
  reading.facts.entry = entry;
  reading.facts.instruction_count = static_cast<std::int64_t>(instructions.size());
  reading.facts.matrix_instructions =
      mnemonics_with(instructions, {"vdpbf16ps", "vfmadd", "vpdpbusd", "vpdpwssd", "tdp"});
  reading.disassembly = to_text(instructions);
  return reading;
}

}  // namespace

Result<CodeReading> read_code(CodeFormat format, std::span<const std::byte> code, std::string_view entry) {
  switch (format) {
    case CodeFormat::kHsaco: return read_amd(code, entry);
    case CodeFormat::kSharedObject: return read_host(code, entry);
    case CodeFormat::kPtx: {
      CodeReading reading;
      SINTER_TRY(reading.facts, read_ptx_facts(code, entry));
      reading.disassembly = as_text(code);
      return reading;
    }
    case CodeFormat::kCubin: break;
  }
  return make_error(ErrorCode::kUnsupported, "this worker reads hsaco, so and ptx; cubins are read by sinter-worker");
}

}  // namespace sinter
