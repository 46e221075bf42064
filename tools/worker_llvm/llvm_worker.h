// SPDX-License-Identifier: Apache-2.0
#pragma once

// The "llvm" backend: clang, lld and LLVM's disassembler behind the worker protocol.

#include <llvm/ADT/STLFunctionalExtras.h>

#include "tools/worker/worker_loop.h"
#include "tools/worker_llvm/crash_guard.h"

namespace sinter {

class LlvmWorker final : public Worker {
 public:
  LlvmWorker();

  protocol::Hello hello() override;
  protocol::CompileReply compile(const protocol::CompileRequest& request) override;
  protocol::InspectReply inspect(const protocol::InspectRequest& request) override;
  bool is_damaged() const override { return damaged_; }

 private:
  /// Runs `action`; a crash in it damages the worker.
  Result<void> run_guarded(llvm::function_ref<Result<void>()> action);

  CrashGuard guard_;
  bool damaged_ = false;
};

}  // namespace sinter
