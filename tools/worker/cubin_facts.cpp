// SPDX-License-Identifier: Apache-2.0
#include "tools/worker/cubin_facts.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "tools/worker/elf_reader.h"

namespace sinter {
namespace {

// NVIDIA documents none of these. The names are those that cuobjdump -elf prints; the numbers and the layout were read
// off what NVRTC 12.4, 12.9, 13.0 and 13.3 write for sm_80 to sm_100a, against the words of ptxas -v for the same code.

constexpr std::uint16_t kMachineCuda = 190;
/// Cubins of earlier ones are laid out differently, and Sinter has no use for them.
constexpr std::uint32_t kFirstArch = 75;
/// The ABI version from which e_flags has the architecture's number in its second byte instead of the first.
constexpr std::uint8_t kAbiWithWideArch = 8;
constexpr std::uint32_t kFlagAcceleratedOld = 0x800;  // "sm_90a", before kAbiWithWideArch
constexpr std::uint32_t kFlagAccelerated = 0x8;       // the same since; CUDA 13 says it in .nv.compat only
constexpr std::uint8_t kCompatAccelerated = 0x09;

constexpr std::uint8_t kInfoMaxThreads = 0x05;       // three u32: __launch_bounds__
constexpr std::uint8_t kInfoRequiredThreads = 0x10;  // three u32: .reqntid
constexpr std::uint8_t kInfoFrameSize = 0x11;        // symbol, bytes
constexpr std::uint8_t kInfoMinStackSize = 0x12;     // symbol, bytes: the frame and those of all callees
constexpr std::uint8_t kInfoParam = 0x17;            // u32, u16: number, u16: offset, ...
constexpr std::uint8_t kInfoParamBytes = 0x19;       // u16: where the last parameter ends
constexpr std::uint8_t kInfoRegisterCount = 0x2f;    // symbol, count

/// From sm_90 on the first bytes of each block's shared memory belong to the system. ptxas counts them in a kernel's
/// section; its -v output and the driver's attributes do not.
constexpr std::uint32_t kFirstArchWithReservedShared = 90;
constexpr std::uint64_t kReservedSharedBytes = 1024;

constexpr std::int64_t kInstructionBytes = 16;  // since sm_70
constexpr std::int64_t kWarpSize = 32;          // every NVIDIA architecture

Error unreadable(std::string_view why) {
  return make_error(ErrorCode::kInvalidRequest, fmt::format("unreadable cubin: {}", why));
}

/// One attribute of an .nv.info or .nv.compat section.
struct Attribute {
  std::uint8_t code;
  std::uint16_t inline_value;          ///< Of the short formats.
  std::span<const std::byte> payload;  ///< Of the long one.

  std::optional<std::int64_t> word(std::size_t index) const {
    const auto value = load<std::uint32_t>(payload, index * sizeof(std::uint32_t));
    return value ? std::optional<std::int64_t>(*value) : std::nullopt;
  }
};

/// Calls `visit` for each attribute. A list that runs over its section ends there.
template <class Visit>
void for_each_attribute(const ElfReader::Section* section, Visit visit) {
  constexpr std::uint8_t kLongFormat = 4;  // a u16 length and that many bytes; the others hold 16 bits in place
  if (section == nullptr) {
    return;
  }
  std::span<const std::byte> rest = section->bytes;
  while (rest.size() >= 4) {
    const auto format = std::to_integer<std::uint8_t>(rest[0]);
    const auto code = std::to_integer<std::uint8_t>(rest[1]);
    const std::uint16_t value = *load<std::uint16_t>(rest, 2);
    rest = rest.subspan(4);
    if (format != kLongFormat) {
      visit(Attribute{code, value, {}});
      continue;
    }
    const std::size_t size = std::min<std::size_t>(value, rest.size());
    visit(Attribute{code, 0, rest.first(size)});
    rest = rest.subspan(size);
  }
}

bool is_accelerated(const ElfReader& elf) {
  if (elf.abi_version() < kAbiWithWideArch) {
    return (elf.flags() & kFlagAcceleratedOld) != 0;
  }
  bool accelerated = (elf.flags() & kFlagAccelerated) != 0;
  for_each_attribute(elf.find_section(".nv.compat"), [&](const Attribute& attribute) {
    accelerated |= attribute.code == kCompatAccelerated && (attribute.inline_value & 0xff) == 1;
  });
  return accelerated;
}

/// 90 for sm_90 and sm_90a.
std::uint32_t arch_number(const ElfReader& elf) {
  return (elf.flags() >> (elf.abi_version() < kAbiWithWideArch ? 0 : 8)) & 0xff;
}

std::optional<std::int64_t> block_threads(const Attribute& attribute) {
  const auto x = attribute.word(0), y = attribute.word(1), z = attribute.word(2);
  // More than 2^20 in one direction is no block: it would only overflow the product.
  constexpr std::int64_t kLimit = 1 << 20;
  if (!x || !y || !z || *x > kLimit || *y > kLimit || *z > kLimit) {
    return std::nullopt;
  }
  return *x * *y * *z;
}

/// What the file's own .nv.info says of the kernel with this symbol index.
void read_module_info(const ElfReader& elf, std::int64_t symbol, CodeFacts& facts) {
  for_each_attribute(elf.find_section(".nv.info"), [&](const Attribute& attribute) {
    const auto value = attribute.word(1);
    if (attribute.word(0) != symbol || !value) {
      return;
    }
    if (attribute.code == kInfoRegisterCount) {
      facts.registers = *value;
    } else if (attribute.code == kInfoFrameSize || attribute.code == kInfoMinStackSize) {
      facts.scratch_bytes = std::max(facts.scratch_bytes, *value);
    }
  });
}

void read_kernel_info(const ElfReader::Section& info, CodeFacts& facts) {
  // A kernel without parameters has no attributes for them. A first one that is aligned to more than the parameters'
  // place in constant memory begins behind a gap.
  std::int64_t end = 0;
  std::optional<std::int64_t> first;
  for_each_attribute(&info, [&](const Attribute& attribute) {
    if (attribute.code == kInfoParamBytes) {
      end = attribute.inline_value;
    } else if (attribute.code == kInfoParam && attribute.word(1)) {
      const std::int64_t offset = *attribute.word(1) >> 16;
      first = std::min(first.value_or(offset), offset);
    } else if (attribute.code == kInfoMaxThreads || attribute.code == kInfoRequiredThreads) {
      facts.max_threads_per_block = block_threads(attribute).value_or(facts.max_threads_per_block);
    }
  });
  facts.args_bytes = std::max<std::int64_t>(end - first.value_or(0), 0);
}

Result<std::int64_t> read_static_shared_bytes(const ElfReader& elf, std::string_view entry) {
  const auto* section = elf.find_section(fmt::format(".nv.shared.{}", entry));
  if (section == nullptr) {
    return std::int64_t{0};
  }
  // A section without bytes may claim any size; no block has this much.
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 32;
  if (section->size >= kLimit) {
    return unreadable(fmt::format("its section {} is {} bytes long", section->name, section->size));
  }
  const bool reserves = arch_number(elf) >= kFirstArchWithReservedShared && section->size >= kReservedSharedBytes;
  return static_cast<std::int64_t>(section->size - (reserves ? kReservedSharedBytes : 0));
}

}  // namespace

Result<CodeFacts> read_cubin_facts(std::span<const std::byte> code, std::string_view entry) {
  SINTER_TRY(const ElfReader elf, ElfReader::open(code));
  if (elf.machine() != kMachineCuda) {
    return unreadable(fmt::format("its ELF machine is {}, not {} (CUDA)", elf.machine(), kMachineCuda));
  }
  const auto symbol = elf.find_symbol(entry);
  const auto* text = elf.find_section(fmt::format(".text.{}", entry));
  const auto* info = elf.find_section(fmt::format(".nv.info.{}", entry));
  if (!symbol || text == nullptr || info == nullptr) {
    return unreadable(fmt::format("it has no kernel '{}'", entry));
  }
  const std::uint32_t arch = arch_number(elf);
  if (arch < kFirstArch) {
    return unreadable(fmt::format("it is for sm_{}; sm_{} and later are read", arch, kFirstArch));
  }
  CodeFacts facts;
  facts.target = fmt::format("sm_{}{}", arch, is_accelerated(elf) ? "a" : "");
  facts.entry = entry;
  facts.wave_size = kWarpSize;
  facts.setvskip_count = 0;  // an instruction of another vendor
  facts.instruction_count = static_cast<std::int64_t>(text->bytes.size()) / kInstructionBytes;
  SINTER_TRY(facts.static_shared_bytes, read_static_shared_bytes(elf, entry));
  read_module_info(elf, *symbol, facts);
  read_kernel_info(*info, facts);
  return facts;
}

}  // namespace sinter
