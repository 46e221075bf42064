// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/worker_process.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sinter {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// A worker that hung up is mostly about to end; its own end says more than being killed.
constexpr milliseconds kGraceAfterHangUp{200};

static_assert(protocol::kWorkerFd == ChildProcess::kSocketFd);

Error cannot_start(const std::string& program, std::string_view why) {
  return make_error(ErrorCode::kCompilerUnavailable, fmt::format("the compile worker {} cannot start: {}", program,
                                                                 why));
}

/// The worker holds this file open and does nothing with it. Without one its stay is not limited.
std::optional<LockFile> open_warm_file(const std::string& path) {
  if (path.empty()) {
    return std::nullopt;
  }
  auto file = LockFile::open(path);
  if (!file || !file->move_above(ChildProcess::kExtraFd)) {
    return std::nullopt;
  }
  return std::move(*file);
}

int to_timeout_ms(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::int64_t{24} * 3600 * 1000));
}

}  // namespace

WorkerProcess::WorkerProcess(std::string program, std::unique_ptr<ChildProcess> child,
                             std::optional<LockFile> warm_file)
    : program_(std::move(program)), child_(std::move(child)), warm_file_(std::move(warm_file)) {}

WorkerProcess::~WorkerProcess() { end(State::kDied); }

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::start(const WorkerCommand& command, const CompileWatch& watch) {
  auto warm_file = open_warm_file(command.warm_file);
  auto child = ChildProcess::start({.program = command.program,
                                    .arguments = command.arguments,
                                    .environment = command.environment,
                                    .memory_limit_bytes = command.memory_limit_bytes,
                                    .extra_descriptor = warm_file ? warm_file->descriptor() : -1});
  if (!child) {
    return cannot_start(command.program, child.error().message);
  }
  std::unique_ptr<WorkerProcess> worker(
      new WorkerProcess(command.program, std::move(*child), std::move(warm_file)));
  SINTER_TRY_VOID(worker->read_hello(command.start_limit, watch));
  return worker;
}

Result<std::vector<std::byte>> WorkerProcess::read_frame(Clock::time_point deadline, const CompileWatch& watch) {
  // Until it speaks, or hangs up, or the deadline: what read_frame() says then.
  for (;;) {
    const Clock::time_point next = std::min(deadline, Clock::now() + kProgressInterval);
    pollfd entry{child_->socket(), POLLIN, 0};
    const int ready = ::poll(&entry, 1, to_timeout_ms(next));
    if (ready > 0 || (ready < 0 && errno != EINTR) || Clock::now() >= deadline) {
      return protocol::read_frame(child_->socket(), to_timeout_ms(deadline));
    }
    watch.tell_progress();
    if (watch.is_stopped()) {
      return make_error(ErrorCode::kTimeout, "it was stopped, since nobody waits for it any more");
    }
  }
}

Result<void> WorkerProcess::read_hello(milliseconds limit, const CompileWatch& watch) {
  const auto frame = read_frame(Clock::now() + limit, watch);
  if (!frame) {
    const bool timed_out = frame.error().code == ErrorCode::kTimeout;
    end(timed_out ? State::kTimedOut : child_->has_hung_up() ? State::kDied : State::kGarbage);
    Error error = cannot_start(program_, timed_out && !watch.is_stopped() ? fmt::format("it said nothing for {} s", limit.count() / 1000)
                                         : state_ == State::kDied ? "it " + end_text_
                                                                  : frame.error().message);
    error.log = child_->take_stderr();
    if (!error.log.empty()) {
      error.message += fmt::format(": {:.300}", error.log);
    }
    return error;
  }
  auto hello = protocol::decode_hello(*frame);
  if (!hello) {
    end(State::kGarbage);
    return cannot_start(program_, hello.error().message);
  }
  if (hello->version != protocol::kVersion) {
    end(State::kGarbage);
    return cannot_start(program_, fmt::format("it speaks version {} of the protocol and this library {}: they are of "
                                              "different releases, install them together",
                                              hello->version, protocol::kVersion));
  }
  hello_ = std::move(*hello);
  return {};
}

Result<std::vector<std::byte>> WorkerProcess::exchange(const std::vector<std::byte>& request, milliseconds limit,
                                                       const CompileWatch& watch) {
  const auto deadline = Clock::now() + limit;
  const auto sent = protocol::write_frame(child_->socket(), request, to_timeout_ms(deadline));
  auto answer = sent ? read_frame(deadline, watch)
                     : Result<std::vector<std::byte>>(sent.error());
  if (answer) {
    return answer;
  }
  if (answer.error().code == ErrorCode::kTimeout) {
    end(State::kTimedOut);
    return make_error(ErrorCode::kTimeout,
                      watch.is_stopped() ? "the compile worker was stopped, since nobody waits for it any more"
                                         : fmt::format("the compile worker did not answer within {} ms and was stopped; "
                                                       "SINTER_COMPILE_TIMEOUT_S allows more",
                                                       limit.count()));
  }
  if (child_->has_hung_up()) {
    end(State::kDied);
    return failure(end_text_);
  }
  end(State::kGarbage);
  return failure(fmt::format("sent what is no answer and was stopped: {}", answer.error().message));
}

bool WorkerProcess::is_usable() const {
  char byte = 0;
  return state_ == State::kReady && ::recv(child_->socket(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool WorkerProcess::may_stay_warm(std::int64_t places) {
  if (state_ != State::kReady) {
    return false;
  }
  if (!warm_file_) {
    return true;  // it has its place, or none is needed
  }
  const auto locked = warm_file_->try_lock_one_of(0, places);
  if (locked && !*locked) {
    return false;
  }
  warm_file_->hand_over();
  warm_file_.reset();
  return true;
}

void WorkerProcess::end(State why) {
  if (state_ != State::kReady) {
    return;
  }
  state_ = why;
  const bool is_ending = why == State::kDied && child_->has_hung_up();
  const ChildEnding& ending = child_->end(is_ending ? kGraceAfterHangUp : milliseconds(0));
  end_text_ = ending.text;
  was_killed_ = ending.killed_by_others;
}

Error WorkerProcess::failure(std::string_view what) const {
  return make_error(ErrorCode::kInternal, fmt::format("the compile worker {} {}", program_, what));
}

}  // namespace sinter
