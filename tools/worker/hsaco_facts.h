// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads what an AMD code object says about one of its kernels, without LLVM: the ELF header, the metadata note and the
// kernel descriptor that the hardware itself reads.

#include <cstddef>
#include <span>
#include <string_view>

#include "base/result.h"
#include "codegen/code_object.h"

namespace sinter {

/// The facts of kernel `entry`, for code object version 4 and later. What only disassembly shows (setvskip_count,
/// instruction_count, matrix_instructions) stays unknown: sinter-worker-llvm has it.
/// Errors: kInvalidRequest: not such a file, damaged, no such kernel, or header, note and descriptor disagree.
/// Thread-safe.
Result<CodeFacts> read_hsaco_facts(std::span<const std::byte> code, std::string_view entry);

}  // namespace sinter
