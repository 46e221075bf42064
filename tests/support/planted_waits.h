// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where an AMD code object waits, so that tests can take waits away.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace sinter::testing {

/// s_waitcnt of any counters, and s_nop 0.
inline constexpr std::uint32_t kWaitOpcode = 0xbf8c0000, kNop = 0xbf800000, kOpcodeMask = 0xffff0000;

/// Places of the waits in a code object's text, which the ELF header and section headers delimit.
inline std::vector<std::size_t> waits_in(const std::vector<std::byte>& code) {
  const auto read = [&code](std::size_t at, auto value) {
    std::memcpy(&value, code.data() + at, sizeof value);
    return value;
  };
  const auto headers = static_cast<std::size_t>(read(0x28, std::uint64_t{}));
  const auto count = read(0x3c, std::uint16_t{});
  std::vector<std::size_t> waits;
  for (std::size_t section = 0; section < count; ++section) {
    const std::size_t at = headers + section * 64;
    if ((read(at + 8, std::uint64_t{}) & 4) == 0) {
      continue;  // not executable
    }
    const auto begin = static_cast<std::size_t>(read(at + 0x18, std::uint64_t{}));
    const auto bytes = static_cast<std::size_t>(read(at + 0x20, std::uint64_t{}));
    for (std::size_t place = begin; place < begin + bytes; place += 4) {
      if ((read(place, std::uint32_t{}) & kOpcodeMask) == kWaitOpcode) {
        waits.push_back(place);
      }
    }
  }
  return waits;
}

}  // namespace sinter::testing
