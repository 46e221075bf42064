// SPDX-License-Identifier: Apache-2.0
#pragma once

// Looks at CBOR before the JSON library parses it: that parser recurses for nested values and for texts of indefinite
// length, and makes 16 bytes of each item, so a hostile message could exhaust stack or memory there.

#include <cstddef>
#include <span>

#include "base/result.h"

namespace sinter {

/// Passes one value that fills `bytes` and has the shape of a worker's message: no deep nesting, not too many items, no
/// length beyond the end, no indefinite length, no tag. Builds nothing. Errors: kInternal. Thread-safe.
Result<void> check_cbor_shape(std::span<const std::byte> bytes);

}  // namespace sinter
