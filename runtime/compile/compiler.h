// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is asked of a compiler, whichever it is and wherever it runs.

#include <string>
#include <vector>

#include "base/worker_protocol.h"
#include "codegen/arch.h"

namespace sinter {

/// One kernel to compile. Complete: the compiler reads no file and no environment for it.
struct CompileJob {
  std::string backend;  ///< "llvm", "nvrtc", "hiprtc".
  const Arch* arch = nullptr;
  std::string entry;  ///< The kernel's symbol, which is the spec's name.
  std::string source;
  std::vector<protocol::NamedText> headers;  ///< By the names that `source` includes them with.
  std::vector<std::string> options;          ///< Every option that shapes the code.
};

/// The compilers of this machine that answered.
struct CompilerReport {
  std::vector<protocol::BackendInfo> backends;
  std::string problems;  ///< One line for each that did not: what was looked for, where, and the way out.
};

}  // namespace sinter
