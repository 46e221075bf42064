// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every compile worker's main() does: say hello on the socket, answer requests one after another, leave when the
// socket closes or nothing came for a while.

#include "base/worker_protocol.h"

namespace sinter {

/// The compilers of one worker process. Used from one thread.
class Worker {
 public:
  virtual ~Worker() = default;
  /// Called once, before any request. Probes the compilers, so it may take as long as a small compile.
  virtual protocol::Hello hello() = 0;
  /// `milliseconds` of the reply is filled in by the caller.
  virtual protocol::CompileReply compile(const protocol::CompileRequest& request) = 0;
  virtual protocol::InspectReply inspect(const protocol::InspectRequest& request) = 0;
  /// True once a compiler crashed here and was caught: its reply is still sent, then the process ends, because the
  /// state it left behind is not to be trusted.
  virtual bool is_damaged() const = 0;
};

/// Why serve() returned.
enum class ServeEnd {
  kPeerClosed,  ///< The runtime is gone or has no more work.
  kIdle,        ///< No request for `idle_seconds`.
  kDamaged,     ///< Worker::is_damaged().
  kBroken,      ///< The connection failed or carried something that is no frame.
};

/// Serves `worker` on the socket `fd`. A frame that is no known request is answered with an error reply.
ServeEnd serve(int fd, int idle_seconds, Worker& worker);

/// A worker's main(): reads `--idle-seconds N` (default 60) and serves on protocol::kWorkerFd; `--hello` prints the
/// hello as JSON instead. Returns the exit status: 0, 1 for a broken or damaged end, 2 for a wrong command line or when
/// it was started by hand.
int worker_main(int argc, char** argv, Worker& worker);

}  // namespace sinter
