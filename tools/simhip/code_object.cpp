// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/code_object.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <llvm/BinaryFormat/MsgPackDocument.h>
#include <llvm/DebugInfo/DWARF/DWARFContext.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Support/AMDHSAKernelDescriptor.h>
#include <llvm/Support/MemoryBufferRef.h>

namespace sinter::sim {

namespace {

using Descriptor = llvm::amdhsa::kernel_descriptor_t;

constexpr std::string_view kDescriptorSuffix = ".kd";
constexpr unsigned kNotesWithMetadata = 32;  // NT_AMDGPU_METADATA

Error damaged(llvm::Error error) {
  return make_error(ErrorCode::kInvalidRequest, "not a whole code object: " + llvm::toString(std::move(error)));
}

template <class T>
Result<T> value_of(llvm::Expected<T> expected) {
  if (!expected) {
    return damaged(expected.takeError());
  }
  return std::move(*expected);
}

struct Section {
  std::uint64_t address = 0;
  std::span<const std::byte> bytes;
};

Result<Section> section_of(const llvm::object::SectionRef& section) {
  SINTER_TRY(const llvm::StringRef contents, value_of(section.getContents()));
  return Section{section.getAddress(), {reinterpret_cast<const std::byte*>(contents.data()), contents.size()}};
}

Result<Section> find_text(const ElfFile& file) {
  for (const llvm::object::SectionRef& section : file.sections()) {
    if (section.isText()) {
      return section_of(section);
    }
  }
  return make_error(ErrorCode::kInvalidRequest, "not a whole code object: there is no text section");
}

unsigned bits(std::uint32_t value, unsigned from, unsigned count) { return value >> from & ((1U << count) - 1); }

/// What the simulator does not provide.
std::string find_problem(const Descriptor& descriptor) {
  if (bits(descriptor.kernel_code_properties, 10, 1) != 0) {
    return "it is for waves of 32 lanes";
  }
  const unsigned narrow_subnormals = bits(descriptor.compute_pgm_rsrc1, 16, 2);
  const unsigned wide_subnormals = bits(descriptor.compute_pgm_rsrc1, 18, 2);
  if (bits(descriptor.compute_pgm_rsrc1, 12, 4) != 0 || wide_subnormals != 3 ||
      (narrow_subnormals != 0 && narrow_subnormals != 3)) {
    return "its float mode is not rounding to nearest with subnormals";
  }
  return {};
}

/// Registers that hold something when a wave starts, in the order that the ABI has.
GivenScalars given_scalars(const Descriptor& descriptor) {
  const unsigned properties = descriptor.kernel_code_properties;
  GivenScalars given;
  struct Asked {
    std::optional<std::uint16_t>* where;
    std::uint16_t registers;
  };
  const Asked asked[] = {{&given.scratch_descriptor, 4}, {&given.packet, 2},       {&given.queue, 2},
                         {&given.arguments, 2},          {&given.dispatch_number, 2}, {&given.flat_scratch, 2},
                         {&given.scratch_bytes, 1}};
  std::uint16_t next = 0;
  for (unsigned number = 0; number < std::size(asked); ++number) {
    if (bits(properties, number, 1) != 0) {
      *asked[number].where = next;
      next = static_cast<std::uint16_t>(next + asked[number].registers);
    }
  }
  given.preloaded = next;
  given.preloaded_dwords = static_cast<std::uint16_t>(bits(descriptor.kernarg_preload, 0, 7));
  given.preloaded_from = static_cast<std::uint16_t>(bits(descriptor.kernarg_preload, 7, 9));
  next = given.groups = static_cast<std::uint16_t>(bits(descriptor.compute_pgm_rsrc2, 1, 5));
  for (unsigned axis = 0; axis < 3; ++axis) {
    given.has_group[axis] = bits(descriptor.compute_pgm_rsrc2, 7 + axis, 1) != 0;
    next = static_cast<std::uint16_t>(next + (given.has_group[axis] ? 1 : 0));
  }
  next = static_cast<std::uint16_t>(next + bits(descriptor.compute_pgm_rsrc2, 10, 1));
  if (bits(descriptor.compute_pgm_rsrc2, 0, 1) != 0) {
    given.scratch_offset = next;
  }
  return given;
}

// A kernel with preloaded arguments begins with code for devices that do not preload.
constexpr std::uint64_t kBytesWithoutPreload = 256;

KernelCode describe(std::string_view name, const Descriptor& descriptor, std::uint64_t address, const Section& text) {
  KernelCode kernel;
  kernel.name = name;
  const std::uint64_t skipped = descriptor.kernarg_preload != 0 ? kBytesWithoutPreload : 0;
  const std::uint64_t entry = address + static_cast<std::uint64_t>(descriptor.kernel_code_entry_byte_offset) + skipped;
  const std::uint64_t offset = entry - text.address;
  kernel.problem = find_problem(descriptor);
  if (entry < text.address || offset >= text.bytes.size() || offset % 4 != 0) {
    kernel.problem = "its entry is outside of the text";
  } else {
    kernel.entry = static_cast<std::uint32_t>(offset / 4);
  }
  kernel.lds_bytes = descriptor.group_segment_fixed_size;
  kernel.scratch_bytes = descriptor.private_segment_fixed_size;
  kernel.has_dynamic_stack = bits(descriptor.kernel_code_properties, 11, 1) != 0;
  kernel.flushes_subnormals = bits(descriptor.compute_pgm_rsrc1, 16, 2) == 0;
  kernel.argument_bytes = descriptor.kernarg_size;
  kernel.vector_registers = (bits(descriptor.compute_pgm_rsrc1, 0, 6) + 1) * 8;  // in eights from gfx90a on
  kernel.max_threads = 1024;
  kernel.scalars = given_scalars(descriptor);
  return kernel;
}

/// The kernels by their descriptors' symbols.
Result<std::vector<KernelCode>> read_kernels(const ElfFile& file, const Section& text) {
  std::vector<KernelCode> kernels;
  for (const llvm::object::ELFSymbolRef symbol : file.getDynamicSymbolIterators()) {
    SINTER_TRY(const llvm::StringRef name, value_of(symbol.getName()));
    if (!std::string_view(name).ends_with(kDescriptorSuffix)) {
      continue;
    }
    SINTER_TRY(const std::uint64_t address, value_of(symbol.getAddress()));
    SINTER_TRY(const auto section_iterator, value_of(symbol.getSection()));
    if (section_iterator == file.section_end()) {
      continue;
    }
    SINTER_TRY(const Section section, section_of(*section_iterator));
    Descriptor descriptor;
    if (address < section.address || address - section.address > section.bytes.size() ||
        section.bytes.size() - (address - section.address) < sizeof descriptor) {
      return make_error(ErrorCode::kInvalidRequest,
                        fmt::format("{} is outside of its section", std::string_view(name)));
    }
    std::memcpy(&descriptor, section.bytes.data() + (address - section.address), sizeof descriptor);
    kernels.push_back(
        describe(std::string_view(name).substr(0, name.size() - kDescriptorSuffix.size()), descriptor, address, text));
  }
  return kernels;
}

std::uint32_t number_of(llvm::msgpack::DocNode& node) {
  return node.getKind() == llvm::msgpack::Type::UInt ? static_cast<std::uint32_t>(node.getUInt()) : 0;
}

std::vector<KernelArgument> arguments_of(llvm::msgpack::MapDocNode& kernel) {
  std::vector<KernelArgument> arguments;
  llvm::msgpack::DocNode& list = kernel[".args"];
  if (!list.isArray()) {
    return arguments;
  }
  for (llvm::msgpack::DocNode& entry : list.getArray()) {
    if (entry.isMap() && entry.getMap()[".value_kind"].isString()) {
      llvm::msgpack::MapDocNode& fields = entry.getMap();
      arguments.push_back(
          {number_of(fields[".offset"]), number_of(fields[".size"]), fields[".value_kind"].getString().str()});
    }
  }
  return arguments;
}

/// Takes from a note's metadata what descriptors do not have.
void add_metadata(llvm::StringRef metadata, std::vector<KernelCode>& kernels) {
  llvm::msgpack::Document document;
  if (!document.readFromBlob(metadata, false) || !document.getRoot().isMap()) {
    return;
  }
  llvm::msgpack::DocNode& list = document.getRoot().getMap()["amdhsa.kernels"];
  if (!list.isArray()) {
    return;
  }
  for (llvm::msgpack::DocNode& entry : list.getArray()) {
    if (!entry.isMap()) {
      continue;
    }
    llvm::msgpack::DocNode& name = entry.getMap()[".name"];
    llvm::msgpack::DocNode& threads = entry.getMap()[".max_flat_workgroup_size"];
    const auto kernel = std::ranges::find_if(kernels, [&name](const KernelCode& candidate) {
      return name.isString() && candidate.name == std::string_view(name.getString());
    });
    if (kernel != kernels.end()) {
      kernel->arguments = arguments_of(entry.getMap());
    }
    if (kernel != kernels.end() && threads.getKind() == llvm::msgpack::Type::UInt) {
      kernel->max_threads = static_cast<std::uint32_t>(threads.getUInt());
    }
  }
}

Result<void> read_notes(const ElfFile& file, std::vector<KernelCode>& kernels) {
  const auto& elf = file.getELFFile();
  SINTER_TRY(const auto headers, value_of(elf.program_headers()));
  for (const auto& header : headers) {
    if (header.p_type != llvm::ELF::PT_NOTE) {
      continue;
    }
    llvm::Error error = llvm::Error::success();
    for (const auto& note : elf.notes(header, error)) {
      if (note.getName() == "AMDGPU" && note.getType() == kNotesWithMetadata) {
        add_metadata(note.getDescAsStringRef(4), kernels);
      }
    }
    if (error) {
      return damaged(std::move(error));
    }
  }
  return {};
}

}  // namespace

const KernelCode* LoadedCode::find(std::string_view name) const {
  const auto found = std::ranges::find(kernels, name, &KernelCode::name);
  return found != kernels.end() ? &*found : nullptr;
}

std::string LoadedCode::source_line(std::uint64_t address) const {
  const llvm::StringRef bytes(reinterpret_cast<const char*>(file.data()), file.size());
  auto object = ElfFile::create(llvm::MemoryBufferRef(bytes, "code object"));
  if (!object) {
    llvm::consumeError(object.takeError());
    return {};
  }
  const std::unique_ptr<llvm::DWARFContext> lines = llvm::DWARFContext::create(*object);
  const auto line = lines->getLineInfoForAddress({address, llvm::object::SectionedAddress::UndefSection});
  return line && line->Line != 0 ? fmt::format("{}:{}", line->FileName, line->Line) : std::string();
}

std::span<const std::byte> image_at(const void* image) {
  llvm::ELF::Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof header);
  if (!header.checkMagic() || header.getFileClass() != llvm::ELF::ELFCLASS64 ||
      header.e_machine != llvm::ELF::EM_AMDGPU) {
    return {};
  }
  const std::uint64_t bytes = header.e_shoff + std::uint64_t{header.e_shnum} * header.e_shentsize;
  return {static_cast<const std::byte*>(image), static_cast<std::size_t>(bytes)};
}

Result<LoadedCode> load_code(std::span<const std::byte> image) {
  const llvm::StringRef bytes(reinterpret_cast<const char*>(image.data()), image.size());
  SINTER_TRY(const ElfFile file, value_of(ElfFile::create(llvm::MemoryBufferRef(bytes, "code object"))));
  LoadedCode code;
  code.arch = file.tryGetCPUName().value_or("").str();
  SINTER_TRY(const Section text, find_text(file));
  SINTER_TRY(code.text, decode_text(code.arch, text.bytes, text.address));
  SINTER_TRY(code.kernels, read_kernels(file, text));
  SINTER_TRY_VOID(read_notes(file, code.kernels));
  SINTER_TRY(code.image, LoadedImage::load(file));
  code.file.assign(image.begin(), image.end());
  return code;
}

}  // namespace sinter::sim
