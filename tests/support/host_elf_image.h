// SPDX-License-Identifier: Apache-2.0
#pragma once

// A minimal x86-64 shared object made by hand, each part of which a test can spoil.

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace sinter::testing {

/// File offsets equal addresses: headers and tables at 0, code at 0x1000, dynamic section and data at 0x2000.
struct HostElfImage {
  static constexpr std::uint64_t kCode = 0x1000, kDynamic = 0x2000, kData = 0x2800, kEnd = 0x3000;
  static constexpr std::uint64_t kSymbols = 0x400, kNames = 0x500, kHash = 0x600, kRelocations = 0x700;

  std::string entry = "kernel";
  std::vector<unsigned char> code;
  std::vector<Elf64_Dyn> extra_dynamic;
  std::vector<Elf64_Rela> relocations;
  std::vector<Elf64_Phdr> extra_segments;
  std::uint32_t code_flags = PF_R | PF_X;
  std::uint32_t stack_flags = PF_R | PF_W;
  std::uint64_t data_bytes = kEnd - kDynamic;
  bool has_stack_header = true;

  std::vector<std::byte> bytes() const {
    std::vector<std::byte> file(kEnd);
    const auto put = [&](std::uint64_t offset, const void* from, std::size_t size) {
      if (size != 0) {
        std::memcpy(file.data() + offset, from, size);
      }
    };
    std::vector<Elf64_Phdr> segments = {
        segment(PT_LOAD, PF_R, 0, 0x1000), segment(PT_LOAD, code_flags, kCode, 0x1000),
        segment(PT_LOAD, PF_R | PF_W, kDynamic, data_bytes), segment(PT_DYNAMIC, PF_R | PF_W, kDynamic, 0x800)};
    if (has_stack_header) {
      segments.push_back(segment(PT_GNU_STACK, stack_flags, 0, 0));
    }
    segments.insert(segments.end(), extra_segments.begin(), extra_segments.end());

    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_DYN;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_ehsize = sizeof header;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = static_cast<Elf64_Half>(segments.size());
    put(0, &header, sizeof header);
    put(sizeof header, segments.data(), segments.size() * sizeof(Elf64_Phdr));

    Elf64_Sym symbol{};
    symbol.st_name = 1;
    symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
    symbol.st_shndx = 1;
    symbol.st_value = kCode;
    symbol.st_size = code.size();
    put(kSymbols + sizeof symbol, &symbol, sizeof symbol);
    put(kNames + 1, entry.c_str(), entry.size() + 1);
    const std::uint32_t hash[] = {1, 2, 1, 0, 0};  // one bucket, two symbols: the null symbol and the entry
    put(kHash, hash, sizeof hash);
    put(kRelocations, relocations.data(), relocations.size() * sizeof(Elf64_Rela));
    put(kCode, code.data(), code.size());

    std::vector<Elf64_Dyn> dynamic = {tag(DT_SYMTAB, kSymbols), tag(DT_SYMENT, sizeof(Elf64_Sym)),
                                      tag(DT_STRTAB, kNames),   tag(DT_STRSZ, entry.size() + 2),
                                      tag(DT_HASH, kHash)};
    if (!relocations.empty()) {
      dynamic.push_back(tag(DT_RELA, kRelocations));
      dynamic.push_back(tag(DT_RELASZ, relocations.size() * sizeof(Elf64_Rela)));
      dynamic.push_back(tag(DT_RELAENT, sizeof(Elf64_Rela)));
    }
    dynamic.insert(dynamic.end(), extra_dynamic.begin(), extra_dynamic.end());
    put(kDynamic, dynamic.data(), dynamic.size() * sizeof(Elf64_Dyn));  // the zeros behind are DT_NULL
    return file;
  }

  static Elf64_Phdr segment(std::uint32_t type, std::uint32_t flags, std::uint64_t address, std::uint64_t size) {
    Elf64_Phdr header{};
    header.p_type = type;
    header.p_flags = flags;
    header.p_offset = header.p_vaddr = header.p_paddr = address;
    header.p_filesz = header.p_memsz = size;
    header.p_align = type == PT_LOAD ? 0x1000 : 1;
    return header;
  }

  static Elf64_Dyn tag(Elf64_Sxword name, std::uint64_t value) {
    Elf64_Dyn entry{};
    entry.d_tag = name;
    entry.d_un.d_val = value;
    return entry;
  }
};

/// A kernel whose args are `std::uint32_t* calls`: calls[block.index] += 1.
inline HostElfImage counting_kernel() {
  HostElfImage image;
  image.code = {0x48, 0x8b, 0x07,        // mov (%rdi), %rax
                0x8b, 0x0e,              // mov (%rsi), %ecx
                0xf0, 0xff, 0x04, 0x88,  // lock incl (%rax,%rcx,4)
                0xc3};                   // ret
  return image;
}

/// A kernel whose args are `std::uint32_t* out`: *out = value.
inline HostElfImage storing_kernel(unsigned char value) {
  HostElfImage image;
  image.code = {0x48, 0x8b, 0x07,                    // mov (%rdi), %rax
                0xc7, 0x00, value, 0x00, 0x00, 0x00,  // movl $value, (%rax)
                0xc3};                               // ret
  return image;
}

}  // namespace sinter::testing
