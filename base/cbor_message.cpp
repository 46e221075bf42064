// SPDX-License-Identifier: Apache-2.0
#include "base/cbor_message.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

namespace sinter {

using Json = nlohmann::json;

Json cbor_binary(const std::vector<std::byte>& bytes) {
  Json::binary_t::container_type out(bytes.size());
  std::transform(bytes.begin(), bytes.end(), out.begin(), [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
  return Json::binary(std::move(out));
}

std::vector<std::byte> cbor_frame(const Json& message) {
  const std::vector<std::uint8_t> cbor = Json::to_cbor(message);
  std::vector<std::byte> frame(cbor.size());
  std::transform(cbor.begin(), cbor.end(), frame.begin(), [](std::uint8_t b) { return std::byte{b}; });
  return frame;
}

}  // namespace sinter
