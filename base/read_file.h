// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace sinter {

/// The whole of a regular file. Errors: kInvalidRequest naming the path and why, also for one beyond `max_bytes`.
Result<std::string> read_text_file(const std::string& path, std::uint64_t max_bytes = 64u << 20);

}  // namespace sinter
