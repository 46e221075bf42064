// SPDX-License-Identifier: Apache-2.0
#include "tools/worker/elf_reader.h"

#include <elf.h>
#include <fmt/format.h>

namespace sinter {
namespace {

Error malformed(std::string_view why) {
  return make_error(ErrorCode::kInvalidRequest, fmt::format("malformed ELF file: {}", why));
}

std::optional<std::span<const std::byte>> slice(std::span<const std::byte> bytes, std::uint64_t offset,
                                                std::uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) {
    return std::nullopt;
  }
  return bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
}

/// The zero-terminated text at `offset` of a string table.
std::optional<std::string_view> text_at(std::span<const std::byte> table, std::uint64_t offset) {
  if (offset >= table.size()) {
    return std::nullopt;
  }
  const std::string_view rest(reinterpret_cast<const char*>(table.data()) + offset, table.size() - offset);
  const std::size_t end = rest.find('\0');
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  return rest.substr(0, end);
}

}  // namespace

Result<ElfReader> ElfReader::open(std::span<const std::byte> file) {
  const auto header = load<Elf64_Ehdr>(file, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
    return malformed("it has no ELF header");
  }
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB) {
    return malformed("it is not 64-bit little-endian");
  }
  ElfReader elf;
  elf.machine_ = header->e_machine;
  elf.os_abi_ = header->e_ident[EI_OSABI];
  elf.abi_version_ = header->e_ident[EI_ABIVERSION];
  elf.flags_ = header->e_flags;
  SINTER_TRY_VOID(elf.read_sections(file));
  SINTER_TRY_VOID(elf.read_symbols(file));
  return elf;
}

Result<void> ElfReader::read_sections(std::span<const std::byte> file) {
  const auto header = *load<Elf64_Ehdr>(file, 0);
  const std::uint64_t table_size = std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr);
  const auto table = slice(file, header.e_shoff, table_size);
  if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum == 0 || !table) {
    return malformed("its section table is not in the file");
  }
  const auto header_at = [&](std::uint64_t index) { return load<Elf64_Shdr>(*table, index * sizeof(Elf64_Shdr)); };

  const auto names_header = header_at(header.e_shstrndx);
  const auto names = names_header ? slice(file, names_header->sh_offset, names_header->sh_size) : std::nullopt;
  if (!names) {
    return malformed("its section names are not in the file");
  }
  sections_.reserve(header.e_shnum);
  for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
    const auto entry = *header_at(i);
    const auto name = text_at(*names, entry.sh_name);
    const bool has_bytes = entry.sh_type != SHT_NOBITS && entry.sh_type != SHT_NULL;
    const auto bytes = has_bytes ? slice(file, entry.sh_offset, entry.sh_size) : std::span<const std::byte>{};
    if (!name || !bytes) {
      return malformed(fmt::format("section {} is not in the file", i));
    }
    sections_.push_back({*name, entry.sh_type, entry.sh_addr, entry.sh_size, *bytes});
  }
  return {};
}

Result<void> ElfReader::read_symbols(std::span<const std::byte> file) {
  const auto header = *load<Elf64_Ehdr>(file, 0);
  const auto find_type = [&](std::uint32_t type) -> std::optional<std::uint64_t> {
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      if (sections_[i].type == type) {
        return i;
      }
    }
    return std::nullopt;
  };
  auto table = find_type(SHT_SYMTAB);
  if (!table) {
    table = find_type(SHT_DYNSYM);
  }
  if (!table) {
    return {};
  }
  const auto entry = *load<Elf64_Shdr>(file, header.e_shoff + *table * sizeof(Elf64_Shdr));
  if (entry.sh_link >= sections_.size()) {
    return malformed("its symbol names are not in the file");
  }
  const auto names = sections_[entry.sh_link].bytes;
  const auto bytes = sections_[*table].bytes;
  symbols_.reserve(bytes.size() / sizeof(Elf64_Sym));
  for (std::uint64_t at = 0; at + sizeof(Elf64_Sym) <= bytes.size(); at += sizeof(Elf64_Sym)) {
    const auto symbol = *load<Elf64_Sym>(bytes, at);
    const auto name = text_at(names, symbol.st_name);
    if (!name) {
      return malformed(fmt::format("the name of symbol {} is not in the file", symbols_.size()));
    }
    symbols_.push_back({*name, symbol.st_shndx, symbol.st_value, symbol.st_size});
  }
  return {};
}

const ElfReader::Section* ElfReader::find_section(std::string_view name) const {
  for (const Section& section : sections_) {
    if (section.name == name) {
      return &section;
    }
  }
  return nullptr;
}

std::optional<std::uint32_t> ElfReader::find_symbol(std::string_view name) const {
  for (std::size_t i = 0; i < symbols_.size(); ++i) {
    if (symbols_[i].section != SHN_UNDEF && symbols_[i].name == name) {
      return static_cast<std::uint32_t>(i);
    }
  }
  return std::nullopt;
}

std::optional<std::span<const std::byte>> ElfReader::bytes_at(std::uint64_t address, std::uint64_t size) const {
  for (const Section& section : sections_) {
    if (address >= section.address && address - section.address < section.bytes.size()) {
      return slice(section.bytes, address - section.address, size);
    }
  }
  return std::nullopt;
}

}  // namespace sinter
