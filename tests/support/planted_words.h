// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where instructions are in an AMD code object, so that tests can take them away or change them.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace sinter::testing {

/// Instructions by the bits of their first word that `mask` has.
struct WordPattern {
  std::uint32_t mask = 0, value = 0;
};

inline constexpr std::uint32_t kNop = 0xbf800000;  ///< s_nop 0
inline constexpr WordPattern kWait = {0xffff0000, 0xbf8c0000}, kBarrier = {0xffffffff, 0xbf8a0000};

/// Places of such words in a code object's text, which the ELF header and section headers delimit.
inline std::vector<std::size_t> places_of(const std::vector<std::byte>& code, WordPattern pattern) {
  const auto read = [&code](std::size_t at, auto value) {
    std::memcpy(&value, code.data() + at, sizeof value);
    return value;
  };
  const auto headers = static_cast<std::size_t>(read(0x28, std::uint64_t{}));
  const auto count = read(0x3c, std::uint16_t{});
  std::vector<std::size_t> places;
  for (std::size_t section = 0; section < count; ++section) {
    const std::size_t at = headers + section * 64;
    if ((read(at + 8, std::uint64_t{}) & 4) == 0) {
      continue;  // not executable
    }
    const auto begin = static_cast<std::size_t>(read(at + 0x18, std::uint64_t{}));
    const auto bytes = static_cast<std::size_t>(read(at + 0x20, std::uint64_t{}));
    for (std::size_t place = begin; place < begin + bytes; place += 4) {
      if ((read(place, std::uint32_t{}) & pattern.mask) == pattern.value) {
        places.push_back(place);
      }
    }
  }
  return places;
}

/// The code with another word at a place.
inline std::vector<std::byte> with_word(std::vector<std::byte> code, std::size_t place, std::uint32_t word) {
  std::memcpy(code.data() + place, &word, sizeof word);
  return code;
}

}  // namespace sinter::testing
