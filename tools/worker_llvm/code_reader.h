// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads a linked code object back: what the file says about its kernel, and what disassembling the kernel shows.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codegen/code_object.h"

namespace sinter {

struct CodeReading {
  CodeFacts facts;
  std::string disassembly;  ///< Of the entry alone; PTX as it is.
};

/// Facts and disassembly of kernel `entry`. The bytes may be anything.
///
/// A host shared object must also be self-contained: loading it may neither need another library nor run code.
/// Errors: kInvalidRequest: not such a file, damaged, no such kernel, not decodable, not self-contained;
/// kUnsupported: a format that needs another worker (cubin).
Result<CodeReading> read_code(CodeFormat format, std::span<const std::byte> code, std::string_view entry);

}  // namespace sinter
