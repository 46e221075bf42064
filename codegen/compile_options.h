// SPDX-License-Identifier: Apache-2.0
#pragma once

// The options that shape a kernel's code, decided here, in the host process, where the cache key is made. Workers pass
// them on as they are.

#include <string>
#include <string_view>
#include <vector>

#include "codegen/arch.h"

namespace sinter {

/// Every option that `backend` ("llvm", "nvrtc", "hiprtc") needs to compile a kernel for `arch`: for llvm, arguments of
/// `clang -cc1` up to the language; for the others, the options of their compile call. No path is among them.
/// Empty if the backend cannot compile for this vendor. Thread-safe.
std::vector<std::string> default_options(std::string_view backend, const Arch& arch);

}  // namespace sinter
