// SPDX-License-Identifier: Apache-2.0
#pragma once

// Keeps a compile that hits LLVM's report_fatal_error, or crashes, from taking its error message with it.

#include <string>

#include <llvm/ADT/STLFunctionalExtras.h>

#include "base/result.h"

namespace sinter {

/// While it lives, LLVM's fatal errors and fatal signals inside run() end that call alone. At most one at a time in a
/// process, and used from one thread: LLVM keeps handlers per process.
class CrashGuard {
 public:
  CrashGuard();
  ~CrashGuard();
  CrashGuard(const CrashGuard&) = delete;
  CrashGuard& operator=(const CrashGuard&) = delete;

  /// Calls `action`. Errors: kCompileFailed with LLVM's message or the signal; the stack was abandoned without running
  /// destructors, so the process should end soon.
  Result<void> run(llvm::function_ref<void()> action);

 private:
  std::string fatal_message_;
};

}  // namespace sinter
