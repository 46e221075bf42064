// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace sinter {

/// Two lower-case digits a byte.
inline std::string hex_of(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) {
    hex.push_back(kDigits[std::to_integer<unsigned>(byte >> 4)]);
    hex.push_back(kDigits[std::to_integer<unsigned>(byte & std::byte{15})]);
  }
  return hex;
}

}  // namespace sinter
