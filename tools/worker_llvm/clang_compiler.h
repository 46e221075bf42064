// SPDX-License-Identifier: Apache-2.0
#pragma once

// clang as a library: source and headers in memory to an ELF object or assembly text in memory.

#include <string>

#include "base/result.h"
#include "base/worker_protocol.h"

namespace sinter {

enum class ClangOutput {
  kObject,    ///< Relocatable ELF.
  kAssembly,  ///< Text; for NVIDIA that is PTX.
};

/// clang's result; its warnings are added to `log`.
///
/// The compile sees an in-memory file system with the request's headers and nothing else, no environment variable and
/// no option but the request's. Not thread-safe. May end in LLVM's fatal error handler: see CrashGuard.
/// Errors: kCompileFailed.
Result<std::string> run_clang(const protocol::CompileRequest& request, ClangOutput output, std::string& log);

/// "Debian clang version 22.1.8 (...)".
std::string clang_full_version();
/// Where the dynamic linker found clang.
std::string clang_library_path();

}  // namespace sinter
