// SPDX-License-Identifier: Apache-2.0
#pragma once

// lld as a library: one relocatable object in memory to a shared object in memory.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codegen/arch.h"

namespace sinter {

/// `object` linked for AMD GPUs or the host, without other inputs: an undefined symbol is an error. lld's words are
/// added to `log`. Not thread-safe: lld has one state per process. A crash of lld becomes LLVM's fatal error: see
/// CrashGuard. Errors: kCompileFailed; kInternal when no descriptors are to be had.
Result<std::vector<std::byte>> link_elf(Vendor vendor, std::string_view object, std::string& log);

}  // namespace sinter
