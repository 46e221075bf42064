// SPDX-License-Identifier: Apache-2.0
#pragma once

// The parts of a 64-bit little-endian ELF file that the readers of facts need. Every offset and length in the file is
// checked against its size: arbitrary bytes give an error, never a read outside of them.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace sinter {

/// The value of type T that starts at `offset` (little-endian), or nullopt if it is not wholly inside.
template <class T>
std::optional<T> load(std::span<const std::byte> bytes, std::uint64_t offset) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (offset > bytes.size() || sizeof(T) > bytes.size() - offset) {
    return std::nullopt;
  }
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// A view of an ELF file. The bytes must outlive it. Thread-safe.
class ElfReader {
 public:
  struct Section {
    std::string_view name;
    std::uint32_t type = 0;
    std::uint64_t address = 0;
    std::uint64_t size = 0;            ///< Of a section without bytes (SHT_NOBITS) too.
    std::span<const std::byte> bytes;  ///< Empty for SHT_NOBITS.
  };

  struct Symbol {
    std::string_view name;
    std::uint16_t section = 0;  ///< 0: undefined.
    std::uint64_t value = 0;
    std::uint64_t size = 0;
  };

  /// Errors: kInvalidRequest, if this is not such a file or lies about its layout.
  static Result<ElfReader> open(std::span<const std::byte> file);

  std::uint16_t machine() const { return machine_; }
  std::uint8_t os_abi() const { return os_abi_; }
  std::uint8_t abi_version() const { return abi_version_; }
  std::uint32_t flags() const { return flags_; }

  std::span<const Section> sections() const { return sections_; }
  /// Null if there is none.
  const Section* find_section(std::string_view name) const;

  /// The static symbol table, or the dynamic one where it was stripped. By index; [0] is the null symbol.
  std::span<const Symbol> symbols() const { return symbols_; }
  /// The index of the defined symbol `name`.
  std::optional<std::uint32_t> find_symbol(std::string_view name) const;

  /// `size` bytes at a virtual address, if one section holds them all.
  std::optional<std::span<const std::byte>> bytes_at(std::uint64_t address, std::uint64_t size) const;

 private:
  Result<void> read_sections(std::span<const std::byte> file);
  Result<void> read_symbols(std::span<const std::byte> file);

  std::uint16_t machine_ = 0;
  std::uint8_t os_abi_ = 0;
  std::uint8_t abi_version_ = 0;
  std::uint32_t flags_ = 0;
  std::vector<Section> sections_;
  std::vector<Symbol> symbols_;
};

}  // namespace sinter
