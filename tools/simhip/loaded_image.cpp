// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/loaded_image.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace sinter::sim {

namespace {

constexpr std::uint64_t kAlignment = 4096;
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 32;  // a damaged header may say anything

Error damaged(std::string_view what) {
  return make_error(ErrorCode::kInvalidRequest, fmt::format("not a whole code object: {}", what));
}

template <class T>
Result<T> value_of(llvm::Expected<T> expected) {
  if (!expected) {
    return damaged(llvm::toString(expected.takeError()));
  }
  return std::move(*expected);
}

}  // namespace

void LoadedImage::FreeMemory::operator()(std::byte* memory) const noexcept { std::free(memory); }

Result<void> LoadedImage::copy_segments(const ElfFile& file) {
  SINTER_TRY(const auto headers, value_of(file.getELFFile().program_headers()));
  for (const auto& header : headers) {
    if (header.p_type == llvm::ELF::PT_LOAD) {
      bytes_ = std::max<std::uint64_t>(bytes_, header.p_vaddr + header.p_memsz);
    }
  }
  if (bytes_ > kMostBytes) {
    return damaged(fmt::format("its segments end at {:#x}", bytes_));
  }
  bytes_ = (bytes_ + kAlignment) / kAlignment * kAlignment;
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, bytes_)));
  if (memory_ == nullptr) {
    return damaged("there is no memory for it");
  }
  std::memset(memory_.get(), 0, bytes_);
  const std::uint64_t file_bytes = file.getELFFile().getBufSize();
  for (const auto& header : headers) {
    if (header.p_type != llvm::ELF::PT_LOAD) {
      continue;
    }
    if (header.p_offset > file_bytes || header.p_filesz > file_bytes - header.p_offset ||
        header.p_filesz > header.p_memsz) {
      return damaged("a segment is outside of the file");
    }
    std::memcpy(memory_.get() + header.p_vaddr, file.getELFFile().base() + header.p_offset, header.p_filesz);
    const std::uint64_t begin = bias() + header.p_vaddr;
    ranges_.push_back({begin, begin + header.p_memsz, (header.p_flags & llvm::ELF::PF_W) != 0, 0});
  }
  return {};
}

Result<void> LoadedImage::relocate(const ElfFile& file) {
  const llvm::object::ELFObjectFileBase& base = file;
  for (const auto& section : base.dynamic_relocation_sections()) {
    for (const llvm::object::RelocationRef& relocation : section.relocations()) {
      const std::uint64_t at = relocation.getOffset();
      if (at > bytes_ || bytes_ - at < sizeof(std::uint64_t)) {
        return damaged("a relocation is outside of the segments");
      }
      const llvm::object::ELFRelocationRef detail(relocation);
      SINTER_TRY(const std::int64_t addend, value_of(detail.getAddend()));
      std::uint64_t value = bias() + static_cast<std::uint64_t>(addend);
      if (relocation.getType() != llvm::ELF::R_AMDGPU_RELATIVE64) {
        const auto symbol = relocation.getSymbol();
        if (symbol == file.symbol_end() || relocation.getType() != llvm::ELF::R_AMDGPU_ABS64) {
          return damaged(fmt::format("relocation {} is not known to the simulator", relocation.getType()));
        }
        SINTER_TRY(const std::uint64_t address, value_of(symbol->getAddress()));
        value += address;
      }
      std::memcpy(memory_.get() + at, &value, sizeof value);
    }
  }
  return {};
}

Result<void> LoadedImage::list_variables(const ElfFile& file) {
  for (const llvm::object::ELFSymbolRef symbol : file.getDynamicSymbolIterators()) {
    SINTER_TRY(const llvm::StringRef name, value_of(symbol.getName()));
    SINTER_TRY(const std::uint64_t address, value_of(symbol.getAddress()));
    if (symbol.getELFType() == llvm::ELF::STT_OBJECT && !name.ends_with(".kd")) {
      variables_.push_back({name.str(), bias() + address, symbol.getSize()});
    }
  }
  return {};
}

Result<LoadedImage> LoadedImage::load(const ElfFile& file) {
  LoadedImage image;
  SINTER_TRY_VOID(image.copy_segments(file));
  SINTER_TRY_VOID(image.relocate(file));
  SINTER_TRY_VOID(image.list_variables(file));
  return image;
}

const LoadedVariable* LoadedImage::find(std::string_view name) const {
  const auto found = std::ranges::find(variables_, name, &LoadedVariable::name);
  return found != variables_.end() ? &*found : nullptr;
}

}  // namespace sinter::sim
