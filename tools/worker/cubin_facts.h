// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads what a cubin says about one of its kernels.

#include <cstddef>
#include <span>
#include <string_view>

#include "base/result.h"
#include "codegen/code_object.h"

namespace sinter {

/// The facts of kernel `entry`. Spills are not in the file (see nvrtc_log.h); `instruction_count` is the size of the
/// kernel's section in 16-byte instructions, so padding at its end counts. Knows what CUDA 12 and 13 write.
/// Errors: kInvalidRequest: not a cubin, damaged, no such kernel, or an architecture before sm_75. Thread-safe.
Result<CodeFacts> read_cubin_facts(std::span<const std::byte> code, std::string_view entry);

}  // namespace sinter
