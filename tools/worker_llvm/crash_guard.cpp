// SPDX-License-Identifier: Apache-2.0
#include "tools/worker_llvm/crash_guard.h"

#include <fmt/format.h>
#include <llvm/Support/CrashRecoveryContext.h>
#include <llvm/Support/ErrorHandling.h>

#include <utility>

namespace sinter {
namespace {

/// What the clang driver returns after a crash of its compiler (sysexits.h: EX_SOFTWARE).
constexpr int kFatalExit = 70;

void keep_message_and_leave(void* message, const char* reason, bool /*wants_crash_report*/) {
  *static_cast<std::string*>(message) = reason;
  if (llvm::CrashRecoveryContext* context = llvm::CrashRecoveryContext::GetCurrent()) {
    context->HandleExit(kFatalExit);
  }
}

}  // namespace

CrashGuard::CrashGuard() {
  llvm::CrashRecoveryContext::Enable();
  llvm::install_fatal_error_handler(keep_message_and_leave, &fatal_message_);
}

CrashGuard::~CrashGuard() {
  llvm::remove_fatal_error_handler();
  llvm::CrashRecoveryContext::Disable();
}

Result<void> CrashGuard::run(llvm::function_ref<void()> action) {
  fatal_message_.clear();
  llvm::CrashRecoveryContext context;
  if (context.RunSafely(action)) {
    return {};
  }
  if (!fatal_message_.empty()) {
    return make_error(ErrorCode::kCompileFailed, fmt::format("LLVM gave up: {}", std::exchange(fatal_message_, {})));
  }
  // LLVM's code of a caught signal is 128 plus its number, as in a shell.
  return make_error(ErrorCode::kCompileFailed, fmt::format("LLVM crashed: signal {}", context.RetCode - 128));
}

}  // namespace sinter
