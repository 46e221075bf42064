// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the protocols between Sinter's processes share in writing: messages are maps in CBOR.

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace sinter {

/// Bytes as a value of a message.
nlohmann::json cbor_binary(const std::vector<std::byte>& bytes);

/// The message as the bytes of a frame. Thread-safe, like all here.
std::vector<std::byte> cbor_frame(const nlohmann::json& message);

}  // namespace sinter
