// SPDX-License-Identifier: Apache-2.0

// The ELF reader under the readers of facts: whatever it hands out lies in the file, and look-ups agree with its lists.

#include "tests/fuzz/fuzz.h"
#include "tools/worker/elf_reader.h"

using namespace sinter;

namespace {

bool is_within(std::span<const std::byte> file, const void* begin, std::size_t size) {
  const auto* first = static_cast<const std::byte*>(begin);
  return size == 0 || (first >= file.data() && first + size <= file.data() + file.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = fuzz::bytes_of(data, size);
  const auto elf = ElfReader::open(file);
  if (!elf) {
    fuzz::check_refusal(elf.error(), {ErrorCode::kInvalidRequest});
    return 0;
  }
  for (const ElfReader::Section& section : elf->sections()) {
    SINTER_CHECK(is_within(file, section.name.data(), section.name.size()), "a section's name outside of the file");
    SINTER_CHECK(is_within(file, section.bytes.data(), section.bytes.size()), "a section outside of the file");
    const auto* found = elf->find_section(section.name);
    SINTER_CHECK(found != nullptr && found->name == section.name, "a section that is not found");
    if (!section.bytes.empty()) {
      const auto bytes = elf->bytes_at(section.address, 1);
      SINTER_CHECK(bytes && bytes->size() == 1 && is_within(file, bytes->data(), 1), "bytes at an address");
    }
  }
  // A look-up by name walks the table, so a few of them do.
  for (std::size_t i = 0; i < std::min<std::size_t>(elf->symbols().size(), 64); ++i) {
    const ElfReader::Symbol& symbol = elf->symbols()[i];
    SINTER_CHECK(is_within(file, symbol.name.data(), symbol.name.size()), "a symbol's name outside of the file");
    const auto index = elf->find_symbol(symbol.name);
    SINTER_CHECK(symbol.section == 0 || (index && *index <= i), "a symbol that is not found");
    const auto bytes = elf->bytes_at(symbol.value, symbol.size);
    SINTER_CHECK(!bytes || (bytes->size() == symbol.size && is_within(file, bytes->data(), bytes->size())),
                 "a symbol's bytes outside of the file");
  }
  return 0;
}
