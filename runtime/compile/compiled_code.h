// SPDX-License-Identifier: Apache-2.0
#pragma once

// CompiledCode: what a request for a kernel's code gets, and where it came from.

#include <cstdint>
#include <memory>
#include <string_view>

#include "cache/cache_key.h"
#include "codegen/code_object.h"

namespace sinter {

/// Where a code object came from.
enum class CodeOrigin : std::uint8_t { kMemory, kLocal, kBundle, kRemote, kCompiled };
std::string_view code_origin_name(CodeOrigin origin);  ///< "memory", "disk", "bundle", "remote", "compiled".

struct CompiledCode {
  std::shared_ptr<const CodeObject> code;
  CodeOrigin origin = CodeOrigin::kCompiled;
  CacheKey key;  ///< What it is filed under.
};

}  // namespace sinter
