// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/host_elf.h"

#include <elf.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sinter {

namespace {

// A kernel with its constants is some 100 KiB. The loader would reserve whatever a header asks for.
constexpr std::uint64_t kMaxImageBytes = 256u << 20;

// Of x86-64, the least that a loader maps.
constexpr std::uint64_t kPageBytes = 4096;

std::uint64_t page_of(std::uint64_t address) { return address / kPageBytes * kPageBytes; }
/// REQUIRES: no overflow, of which the limit on images makes sure.
std::uint64_t page_end(std::uint64_t address) { return page_of(address + kPageBytes - 1); }

Error refuse(std::string_view what) {
  return make_error(ErrorCode::kUnsupported, fmt::format("host code object refused: {}", what));
}

class ElfFile {
 public:
  explicit ElfFile(std::span<const std::byte> bytes) : bytes_(bytes) {}

  Result<void> check() {
    SINTER_TRY_VOID(read_header());
    SINTER_TRY_VOID(check_segments());
    SINTER_TRY_VOID(check_what_loader_touches());
    SINTER_TRY_VOID(check_dynamic());
    return check_relocations();
  }

 private:
  // Copies, since nothing in the file needs to be aligned.
  template <class T>
  std::optional<T> at(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) {
      return std::nullopt;
    }
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }

  Result<void> read_header() {
    const auto header = at<Elf64_Ehdr>(0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
      return refuse("it is not an ELF file");
    }
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_machine != EM_X86_64 || header->e_type != ET_DYN) {
      return refuse(fmt::format("it is not an x86-64 shared object (class {}, machine {}, type {})",
                                header->e_ident[EI_CLASS], header->e_machine, header->e_type));
    }
    header_table_ = header->e_phoff;
    if (header->e_phentsize != sizeof(Elf64_Phdr)) {
      return refuse(fmt::format("its program headers are {} bytes each", header->e_phentsize));
    }
    for (std::uint64_t i = 0; i < header->e_phnum; ++i) {
      const auto segment = at<Elf64_Phdr>(header->e_phoff + i * sizeof(Elf64_Phdr));
      if (header->e_phoff > bytes_.size() || !segment) {
        return refuse(fmt::format("program header {} lies outside of the file", i));
      }
      segments_.push_back(*segment);
    }
    return {};
  }

  Result<void> check_segments() {
    std::uint64_t image_end = 0;
    bool stack_seen = false;
    for (const Elf64_Phdr& segment : segments_) {
      switch (segment.p_type) {
        case PT_LOAD: {
          SINTER_TRY_VOID(check_load(segment, image_end));
          image_end = segment.p_vaddr + segment.p_memsz;
          break;
        }
        case PT_DYNAMIC:
          if (dynamic_) {
            return refuse("it has two dynamic sections");
          }
          dynamic_ = segment;
          break;
        case PT_GNU_STACK:
          stack_seen = true;
          if ((segment.p_flags & PF_X) != 0) {
            return refuse("it asks for an executable stack");
          }
          break;
        case PT_NULL:
        case PT_NOTE:
        case PT_PHDR:
        case PT_GNU_EH_FRAME:
        case PT_GNU_PROPERTY:
        case PT_GNU_RELRO:
          break;
        default:
          return refuse(fmt::format("it has a segment of type {:#x}", segment.p_type));
      }
    }
    if (!stack_seen) {
      return refuse("it does not say that its stack is not executable (no PT_GNU_STACK)");
    }
    return {};
  }

  // Segments ascend and share no page: the loader maps whole pages, and so a later segment over a part of an earlier one
  // otherwise, which is then not what was checked.
  Result<void> check_load(const Elf64_Phdr& segment, std::uint64_t image_end) const {
    if (segment.p_memsz > kMaxImageBytes || segment.p_vaddr > kMaxImageBytes) {
      return refuse(fmt::format("a segment at {:#x} is {} bytes long; the limit is {}", segment.p_vaddr,
                                segment.p_memsz, kMaxImageBytes));
    }
    if (segment.p_filesz > segment.p_memsz || segment.p_offset > bytes_.size() ||
        segment.p_filesz > bytes_.size() - segment.p_offset) {
      return refuse(fmt::format("the segment at {:#x} is cut off: the file has {} bytes", segment.p_vaddr,
                                bytes_.size()));
    }
    if (segment.p_align < kPageBytes || segment.p_align % kPageBytes != 0 ||
        segment.p_vaddr % kPageBytes != segment.p_offset % kPageBytes) {
      return refuse(fmt::format("the segment at {:#x} (offset {:#x}, alignment {}) does not lie on pages of {} bytes",
                                segment.p_vaddr, segment.p_offset, segment.p_align, kPageBytes));
    }
    if (page_of(segment.p_vaddr) < page_end(image_end)) {
      return refuse(fmt::format("the segment at {:#x} overlaps the one before or shares a page with it",
                                segment.p_vaddr));
    }
    if ((segment.p_flags & PF_W) != 0 && (segment.p_flags & PF_X) != 0) {
      return refuse(fmt::format("the segment at {:#x} is both writable and executable", segment.p_vaddr));
    }
    return {};
  }

  // The loader and the unwinder read notes and tables, and make a part read-only, at addresses which they do not check.
  Result<void> check_what_loader_touches() const {
    for (const Elf64_Phdr& segment : segments_) {
      const auto offset = file_offset(segment.p_vaddr, segment.p_memsz);
      bool is_inside = true;
      switch (segment.p_type) {
        case PT_NOTE:
        case PT_GNU_EH_FRAME:
        case PT_GNU_PROPERTY: is_inside = offset.has_value(); break;
        case PT_PHDR: is_inside = offset == header_table_; break;
        case PT_GNU_RELRO: is_inside = is_in_writable_pages(segment.p_vaddr, segment.p_memsz); break;
        default: break;
      }
      if (!is_inside) {
        return refuse(fmt::format("its segment of type {:#x} at {:#x} is not where a loaded segment has it",
                                  segment.p_type, segment.p_vaddr));
      }
    }
    return {};
  }

  Result<void> check_dynamic() {
    if (!dynamic_) {
      return refuse("it has no dynamic section");
    }
    if (!file_offset(dynamic_->p_vaddr, dynamic_->p_memsz)) {
      return refuse("its dynamic section is not in a loaded segment");
    }
    for (std::uint64_t i = 0; i < dynamic_->p_memsz / sizeof(Elf64_Dyn); ++i) {
      // Read where the loader reads: at the virtual address, not at p_offset, which need not agree.
      const auto offset = file_offset(dynamic_->p_vaddr + i * sizeof(Elf64_Dyn), sizeof(Elf64_Dyn));
      const auto entry = offset ? at<Elf64_Dyn>(*offset) : std::nullopt;
      if (!entry) {
        return refuse("its dynamic section is cut off");
      }
      if (entry->d_tag == DT_NULL) {
        return {};
      }
      SINTER_TRY_VOID(check_entry(*entry));
    }
    return refuse("its dynamic section has no end");
  }

  // Only what a self-contained object needs. Everything else (text or packed relocations, versions, audit libraries,
  // ...) is refused by not being here.
  Result<void> check_entry(const Elf64_Dyn& entry) {
    const std::uint64_t value = entry.d_un.d_val;
    switch (entry.d_tag) {
      case DT_RELA: return set_once(rela_address_, value, "DT_RELA");
      case DT_RELASZ: return set_once(rela_bytes_, value, "DT_RELASZ");
      case DT_SYMTAB:
      case DT_STRTAB:
      case DT_HASH:
      case DT_GNU_HASH:
        if (!file_offset(value, 1)) {
          return refuse(fmt::format("the table of dynamic tag {:#x} is not in a loaded segment", entry.d_tag));
        }
        return {};
      case DT_RELAENT:
        if (value != sizeof(Elf64_Rela)) {
          return refuse(fmt::format("its relocations are {} bytes each", value));
        }
        return {};
      case DT_FLAGS:
        if ((value & ~std::uint64_t{DF_SYMBOLIC | DF_BIND_NOW}) != 0) {
          return refuse(fmt::format("its DT_FLAGS are {:#x}", value));
        }
        return {};
      case DT_FLAGS_1:
        // DF_1_NODELETE among the others would keep it after dlclose.
        if ((value & ~std::uint64_t{DF_1_NOW}) != 0) {
          return refuse(fmt::format("its DT_FLAGS_1 are {:#x}", value));
        }
        return {};
      case DT_STRSZ:
      case DT_SYMENT:
      case DT_SONAME:
      case DT_RELACOUNT:
      case DT_SYMBOLIC:
      case DT_BIND_NOW:
      case DT_DEBUG:
        return {};
      case DT_NEEDED: return refuse("it needs another library (DT_NEEDED)");
      case DT_INIT:
      case DT_INIT_ARRAY:
      case DT_PREINIT_ARRAY: return refuse("it has constructors, which would run when it is opened");
      case DT_FINI:
      case DT_FINI_ARRAY: return refuse("it has destructors, which would run when it is closed");
      case DT_JMPREL: return refuse("it imports functions (DT_JMPREL)");
      default: return refuse(fmt::format("it has dynamic tag {:#x}", entry.d_tag));
    }
  }

  // With relative relocations alone no name is looked up, so an undefined symbol cannot matter and no resolver runs.
  Result<void> check_relocations() const {
    const std::uint64_t bytes = rela_bytes_.value_or(0);
    if (bytes > bytes_.size() || (bytes != 0 && !rela_address_)) {
      return refuse(fmt::format("its relocations ({} bytes) are not in the file", bytes));
    }
    for (std::uint64_t i = 0; i < bytes / sizeof(Elf64_Rela); ++i) {
      const auto offset = file_offset(*rela_address_ + i * sizeof(Elf64_Rela), sizeof(Elf64_Rela));
      const auto relocation = offset ? at<Elf64_Rela>(*offset) : std::nullopt;
      if (!relocation) {
        return refuse(fmt::format("relocation {} is not in a loaded segment", i));
      }
      const std::uint64_t type = ELF64_R_TYPE(relocation->r_info);
      if (type != R_X86_64_RELATIVE) {
        return refuse(fmt::format("relocation {} is of type {}: it imports a symbol or runs a resolver", i, type));
      }
      if (!is_writable(relocation->r_offset, sizeof(std::uint64_t))) {
        return refuse(fmt::format("relocation {} writes to {:#x}, which is not writable", i, relocation->r_offset));
      }
    }
    return {};
  }

  static Result<void> set_once(std::optional<std::uint64_t>& field, std::uint64_t value, std::string_view name) {
    if (field) {
      return refuse(fmt::format("it has {} twice", name));
    }
    field = value;
    return {};
  }

  // Where [address, address + size) of the image is in the file; nullopt unless one segment has all of it there.
  std::optional<std::uint64_t> file_offset(std::uint64_t address, std::uint64_t size) const {
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type == PT_LOAD && address >= segment.p_vaddr && address - segment.p_vaddr <= segment.p_filesz &&
          size <= segment.p_filesz - (address - segment.p_vaddr)) {
        return segment.p_offset + (address - segment.p_vaddr);
      }
    }
    return std::nullopt;
  }

  bool is_writable(std::uint64_t address, std::uint64_t size) const {
    return std::any_of(segments_.begin(), segments_.end(), [&](const Elf64_Phdr& segment) {
      return segment.p_type == PT_LOAD && (segment.p_flags & PF_W) != 0 && address >= segment.p_vaddr &&
             address - segment.p_vaddr <= segment.p_memsz && size <= segment.p_memsz - (address - segment.p_vaddr);
    });
  }

  // The same of the pages around: linkers let what is to be read-only end with its last page.
  bool is_in_writable_pages(std::uint64_t address, std::uint64_t size) const {
    return std::any_of(segments_.begin(), segments_.end(), [&](const Elf64_Phdr& segment) {
      const std::uint64_t end = page_end(segment.p_vaddr + segment.p_memsz);
      return segment.p_type == PT_LOAD && (segment.p_flags & PF_W) != 0 && address >= segment.p_vaddr &&
             address <= end && size <= end - address;
    });
  }

  std::span<const std::byte> bytes_;
  std::uint64_t header_table_ = 0;  // Offset of the program headers.
  std::vector<Elf64_Phdr> segments_;
  std::optional<Elf64_Phdr> dynamic_;
  std::optional<std::uint64_t> rela_address_, rela_bytes_;
};

}  // namespace

Result<void> check_host_code(std::span<const std::byte> code) { return ElfFile(code).check(); }

}  // namespace sinter
