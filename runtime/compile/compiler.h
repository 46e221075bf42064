// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is asked of a compiler, whichever it is and wherever it runs.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
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

/// What became of one try of a worker at a job.
enum class AttemptOutcome : std::uint8_t {
  kOk,
  kRefused,      ///< The compiler said no.
  kCrashed,      ///< The worker died or left by itself.
  kKilled,       ///< Somebody killed the worker: a person, or the system for want of memory.
  kTimeout,      ///< It took too long and was killed.
  kGarbage,      ///< It answered what cannot be used and was killed.
  kUnavailable,  ///< No worker could be started, or it has not the compiler.
};
std::string_view attempt_outcome_name(AttemptOutcome outcome);  ///< "ok", "refused", "crashed", ...

struct CompileAttempt {
  AttemptOutcome outcome = AttemptOutcome::kUnavailable;
  double milliseconds = 0;     ///< From the request to the answer.
  std::size_t code_bytes = 0;  ///< 0 unless kOk.
};

/// Who wants to know how a compile goes on, and may want it to end. Called in the thread that compiles; all may be empty.
struct CompileWatch {
  std::function<void()> progress;  ///< About four times a second while anything is waited for.
  std::function<void(const CompileAttempt&)> attempted;
  const std::atomic<bool>* stop = nullptr;  ///< Once true, nothing is waited for any more.

  void tell_progress() const {
    if (progress) {
      progress();
    }
  }
  bool is_stopped() const { return stop != nullptr && stop->load(std::memory_order_acquire); }
};

/// Between two calls of CompileWatch::progress.
inline constexpr std::chrono::milliseconds kProgressInterval{250};

/// The compilers of this machine that answered.
struct CompilerReport {
  std::vector<protocol::BackendInfo> backends;
  std::string problems;  ///< One line for each that did not: what was looked for, where, and the way out.
};

}  // namespace sinter
