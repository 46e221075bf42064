// SPDX-License-Identifier: Apache-2.0
#include "tools/worker/hsaco_facts.h"

#include <elf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/worker/elf_reader.h"
#include "tools/worker/msgpack_shape.h"

namespace sinter {
namespace {

using Json = nlohmann::json;

// Source of the numbers: LLVM's "User Guide for AMDGPU Backend" (ELF Code Object, Code Object Metadata, Kernel
// Descriptor) and llvm/BinaryFormat/ELF.h.
constexpr std::uint16_t kMachineAmdGpu = 224;
constexpr std::uint32_t kMetadataNote = 32;  // NT_AMDGPU_METADATA
/// Code object version N has ABI version N - 2.
constexpr int kAbiVersionOffset = 2;
/// Earlier ones spell features and the target differently.
constexpr int kOldestVersion = 4;

/// EF_AMDGPU_MACH of the archs that Sinter or hiprtc 5.2 may produce.
constexpr std::pair<std::uint32_t, std::string_view> kMachs[] = {
    {0x2c, "gfx900"},  {0x2f, "gfx906"},  {0x30, "gfx908"},  {0x3f, "gfx90a"}, {0x4c, "gfx942"},
    {0x4f, "gfx950"},  {0x36, "gfx1030"}, {0x41, "gfx1100"}, {0x4e, "gfx1201"},
};

/// Two bits each of e_flags, since code object version 4.
constexpr std::array<std::string_view, 4> kFeatureWords = {"unsupported", "any", "off", "on"};

Error unreadable(std::string_view why) {
  return make_error(ErrorCode::kInvalidRequest, fmt::format("unreadable AMD code object: {}", why));
}

std::string read_features(const ElfReader& elf) {
  constexpr unsigned kXnackShift = 8, kSrameccShift = 10;
  return fmt::format("xnack={} sramecc={}", kFeatureWords[(elf.flags() >> kXnackShift) & 3],
                     kFeatureWords[(elf.flags() >> kSrameccShift) & 3]);
}

/// The content of the metadata note: a sequence of (name size, content size, type, name, content), each padded to 4.
std::optional<std::span<const std::byte>> find_metadata(const ElfReader& elf) {
  const auto padded = [](std::uint64_t size) { return (size + 3) / 4 * 4; };
  for (const ElfReader::Section& section : elf.sections()) {
    if (section.type != SHT_NOTE) {
      continue;
    }
    std::uint64_t at = 0;
    while (const auto note = load<Elf64_Nhdr>(section.bytes, at)) {
      const std::uint64_t content = at + sizeof(Elf64_Nhdr) + padded(note->n_namesz);
      if (content > section.bytes.size() || note->n_descsz > section.bytes.size() - content) {
        break;
      }
      if (note->n_type == kMetadataNote) {
        return section.bytes.subspan(static_cast<std::size_t>(content), note->n_descsz);
      }
      at = content + padded(note->n_descsz);
    }
  }
  return std::nullopt;
}

Result<Json> parse_metadata(std::span<const std::byte> note) {
  SINTER_TRY_VOID(check_msgpack_shape(note));
  const auto* begin = reinterpret_cast<const std::uint8_t*>(note.data());
  Json metadata = Json::from_msgpack(begin, begin + note.size(), /*strict=*/true, /*allow_exceptions=*/false);
  if (!metadata.is_object()) {
    return unreadable("its metadata is not a map");
  }
  return metadata;
}

/// The text or number of a key, or nothing if it is absent or of another kind.
std::string text_of(const Json& map, const char* key) {
  const auto it = map.find(key);
  return it != map.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::int64_t number_of(const Json& map, const char* key, std::int64_t fallback = kUnknown) {
  const auto it = map.find(key);
  return it != map.end() && it->is_number_unsigned() && it->get<std::uint64_t>() < (std::uint64_t{1} << 32)
             ? static_cast<std::int64_t>(it->get<std::uint64_t>())
             : fallback;
}

const Json* find_kernel(const Json& metadata, std::string_view entry) {
  const auto kernels = metadata.find("amdhsa.kernels");
  if (kernels == metadata.end() || !kernels->is_array()) {
    return nullptr;
  }
  for (const Json& kernel : *kernels) {
    if (kernel.is_object() && text_of(kernel, ".name") == entry) {
      return &kernel;
    }
  }
  return nullptr;
}

/// For messages; a file may claim any number.
std::string kernel_names(const Json& metadata) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> names;
  if (const auto kernels = metadata.find("amdhsa.kernels"); kernels != metadata.end() && kernels->is_array()) {
    for (const Json& kernel : *kernels) {
      names.push_back(kernel.is_object() ? text_of(kernel, ".name") : std::string());
    }
  }
  const std::size_t more = names.size() > kShown ? names.size() - kShown : 0;
  names.resize(names.size() - more);
  return names.empty() ? "none" : fmt::format("'{}'{}", fmt::join(names, "', '"), more > 0 ? fmt::format(" and {} more", more) : "");
}

/// End of the last argument that the source declared; the compiler adds hidden ones behind them.
std::int64_t explicit_args_bytes(const Json& kernel) {
  std::int64_t end = 0;
  const auto args = kernel.find(".args");
  if (args == kernel.end() || !args->is_array()) {
    return end;
  }
  for (const Json& arg : *args) {
    if (arg.is_object() && !text_of(arg, ".value_kind").starts_with("hidden_")) {
      end = std::max(end, number_of(arg, ".offset", 0) + number_of(arg, ".size", 0));
    }
  }
  return end;
}

/// The arch by the header, which the loader goes by; the metadata must say the same.
Result<std::string> read_target(const ElfReader& elf, const Json& metadata) {
  constexpr std::uint32_t kMachMask = 0xff;
  // "amdgcn-amd-amdhsa--gfx90a:sramecc+:xnack-"; code object version 3 has none.
  std::string claimed = text_of(metadata, "amdhsa.target");
  claimed = claimed.substr(claimed.find("--") == std::string::npos ? 0 : claimed.find("--") + 2);
  claimed = claimed.substr(0, claimed.find(':'));
  for (const auto& [mach, name] : kMachs) {
    if (mach == (elf.flags() & kMachMask)) {
      if (!claimed.empty() && claimed != name) {
        return unreadable(fmt::format("its header says {} and its metadata {}", name, claimed));
      }
      return std::string(name);
    }
  }
  return unreadable(fmt::format("its header has the unknown machine {:#x} (its metadata says '{}')",
                                elf.flags() & kMachMask, claimed));
}

/// LDS and scratch are taken from the descriptor: it is what the hardware gets.
Result<void> read_descriptor(const ElfReader& elf, std::string_view entry, const Json& kernel, CodeFacts& facts) {
  constexpr std::uint64_t kDescriptorBytes = 64, kGroupSegmentOffset = 0, kPrivateSegmentOffset = 4;
  const auto symbol = elf.find_symbol(fmt::format("{}.kd", entry));
  const auto descriptor =
      symbol ? elf.bytes_at(elf.symbols()[*symbol].value, kDescriptorBytes) : std::nullopt;
  if (!descriptor) {
    return unreadable(fmt::format("it has no kernel descriptor '{}.kd'", entry));
  }
  facts.static_shared_bytes = *load<std::uint32_t>(*descriptor, kGroupSegmentOffset);
  facts.scratch_bytes = *load<std::uint32_t>(*descriptor, kPrivateSegmentOffset);
  if (facts.static_shared_bytes != number_of(kernel, ".group_segment_fixed_size") ||
      facts.scratch_bytes != number_of(kernel, ".private_segment_fixed_size")) {
    return unreadable(fmt::format("descriptor and metadata of '{}' disagree about LDS or scratch", entry));
  }
  return {};
}

}  // namespace

Result<CodeFacts> read_hsaco_facts(std::span<const std::byte> code, std::string_view entry) {
  SINTER_TRY(const ElfReader elf, ElfReader::open(code));
  if (elf.machine() != kMachineAmdGpu) {
    return unreadable(fmt::format("its ELF machine is {}, not {} (AMDGPU)", elf.machine(), kMachineAmdGpu));
  }
  const int version = elf.abi_version() + kAbiVersionOffset;
  if (version < kOldestVersion) {
    return unreadable(fmt::format("its code object version is {}; {} and later are read", version, kOldestVersion));
  }
  const auto note = find_metadata(elf);
  if (!note) {
    return unreadable("it has no metadata note");
  }
  SINTER_TRY(const Json metadata, parse_metadata(*note));
  const Json* kernel = find_kernel(metadata, entry);
  if (kernel == nullptr) {
    return unreadable(fmt::format("it has no kernel '{}'; it has {}", entry, kernel_names(metadata)));
  }
  CodeFacts facts;
  SINTER_TRY(facts.target, read_target(elf, metadata));
  facts.features = read_features(elf);
  facts.entry = entry;
  facts.registers = number_of(*kernel, ".vgpr_count");
  facts.accumulation_registers = number_of(*kernel, ".agpr_count", 0);
  facts.scalar_registers = number_of(*kernel, ".sgpr_count");
  facts.spilled_registers = number_of(*kernel, ".vgpr_spill_count", 0);
  facts.args_bytes = explicit_args_bytes(*kernel);
  facts.max_threads_per_block = number_of(*kernel, ".max_flat_workgroup_size");
  facts.wave_size = number_of(*kernel, ".wavefront_size");
  facts.code_object_version = version;
  SINTER_TRY_VOID(read_descriptor(elf, entry, *kernel, facts));
  return facts;
}

}  // namespace sinter
