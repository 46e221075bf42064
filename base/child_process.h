// SPDX-License-Identifier: Apache-2.0
#pragma once

// ChildProcess: a helper program of Sinter's, started so that it shares nothing with its host but one socket. What it
// says there is its protocol's business; this is how it starts, is limited, and ends.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"

namespace sinter {

struct ChildCommand {
  std::string program;  ///< Absolute path.
  std::vector<std::string> arguments = {};
  std::vector<std::string> environment = {};  ///< "NAME=value"; the whole of it.
  std::int64_t memory_limit_bytes = 0;        ///< Of data it may allocate (RLIMIT_DATA); 0: no limit.
  /// Becomes ChildProcess::kExtraFd in the child; -1: none. REQUIRES: a number above that.
  int extra_descriptor = -1;
};

/// How a child ended.
struct ChildEnding {
  std::string text;              ///< "was killed by signal 11 (Segmentation fault)".
  bool killed_by_others = false;  ///< By a SIGKILL that was not ours.
};

/// A running child. It has its own process group, no terminal, no environment but what is given here, no descriptor but
/// its socket (and the extra one), and runs in "/". The process is ended and reaped at the latest with this object. One
/// thread at a time.
class ChildProcess {
 public:
  /// The child's end of the socketpair, and the descriptor that it may get beside it.
  static constexpr int kSocketFd = 3;
  static constexpr int kExtraFd = 4;

  /// Errors: kInternal with the call that failed; without the program's name, which the caller's message has.
  static Result<std::unique_ptr<ChildProcess>> start(const ChildCommand& command);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  int socket() const { return socket_.get(); }
  /// Whether the child closed its end of the socket. Never blocks.
  bool has_hung_up() const;

  /// Gives the child `grace` to end by itself, kills it with its process group if it does not, reaps it and closes the
  /// socket. A second call only gives the same answer.
  const ChildEnding& end(std::chrono::milliseconds grace);

  /// What it wrote to stderr since the last call, at most the last 64 KiB.
  std::string take_stderr();

 private:
  ChildProcess(pid_t pid, Descriptor socket, Descriptor stderr_file);

  pid_t pid_;
  Descriptor socket_;
  Descriptor stderr_file_;
  std::optional<ChildEnding> ending_;
};

}  // namespace sinter
