// SPDX-License-Identifier: Apache-2.0
#pragma once

// Looks at MessagePack before the JSON library parses it: that parser recurses, and reserves what a length announces.

#include <cstddef>
#include <span>

#include "base/result.h"

namespace sinter {

/// Passes one value that fills `bytes` and is nested no deeper than a code object's metadata (with room to spare).
/// Errors: kInvalidRequest. Thread-safe.
Result<void> check_msgpack_shape(std::span<const std::byte> bytes);

}  // namespace sinter
