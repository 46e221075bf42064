// SPDX-License-Identifier: Apache-2.0
#pragma once

// One compile worker: a child process that speaks base/worker_protocol.h on its descriptor 3.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/child_process.h"
#include "base/result.h"
#include "base/worker_protocol.h"
#include "runtime/compile/compiler.h"
#include "runtime/compile/lock_file.h"

namespace sinter {

/// What to start and within which limits.
struct WorkerCommand {
  std::string program;  ///< Absolute path.
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  ///< "NAME=value"; the whole of it.
  std::chrono::milliseconds start_limit{60'000};  ///< Until its hello, which includes a test compile.
  std::int64_t memory_limit_bytes = 0;            ///< Of data it may allocate (RLIMIT_DATA); 0: no limit.
  std::string warm_file;                          ///< See NodeSlots::warm_file().
};

/// A running worker: a ChildProcess whose extra descriptor is the file of its warm place. One thread at a time.
class WorkerProcess {
 public:
  enum class State {
    kReady,
    kDied,      ///< It ended or hung up by itself.
    kTimedOut,  ///< It took too long and was killed.
    kGarbage,   ///< It sent what is no answer and was killed.
  };

  /// Starts the program and waits for its hello.
  /// Errors: kCompilerUnavailable with what the program wrote to stderr.
  static Result<std::unique_ptr<WorkerProcess>> start(const WorkerCommand& command, const CompileWatch& watch = {});
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  const protocol::Hello& hello() const { return hello_; }
  State state() const { return state_; }
  /// Whether it ended by a SIGKILL that was not ours.
  bool was_killed() const { return was_killed_; }

  /// Sends one frame and returns the next one that comes. After an error the process is gone and state() says why.
  /// Errors: kTimeout; kInternal saying how it ended.
  Result<std::vector<std::byte>> exchange(const std::vector<std::byte>& request, std::chrono::milliseconds limit,
                                          const CompileWatch& watch = {});

  /// Ends a worker whose answer could not be read.
  void reject_answer() { end(State::kGarbage); }

  /// Whether the next request has a reader: false if it left because it was idle, or speaks unasked. Never blocks.
  bool is_usable() const;

  /// Asks whether it may wait for more work, as one of at most `places` workers of the node that do. The place is
  /// locked once and held by the worker itself until it ends, whatever becomes of this process.
  bool may_stay_warm(std::int64_t places);

  /// What it wrote to stderr since the last call, at most the last 64 KiB.
  std::string take_stderr() { return child_->take_stderr(); }

 private:
  WorkerProcess(std::string program, std::unique_ptr<ChildProcess> child, std::optional<LockFile> warm_file);

  Result<void> read_hello(std::chrono::milliseconds limit, const CompileWatch& watch);
  /// The next frame; tells of progress while none comes.
  Result<std::vector<std::byte>> read_frame(std::chrono::steady_clock::time_point deadline, const CompileWatch& watch);
  /// Kills and reaps the process, if that has not happened yet, and remembers why.
  void end(State why);
  Error failure(std::string_view what) const;

  std::string program_;
  std::unique_ptr<ChildProcess> child_;
  std::optional<LockFile> warm_file_;  // Open until the worker has its place in it.
  State state_ = State::kReady;
  bool was_killed_ = false;
  std::string end_text_;  ///< "was killed by signal 11 (Segmentation fault)".
  protocol::Hello hello_;
};

}  // namespace sinter
