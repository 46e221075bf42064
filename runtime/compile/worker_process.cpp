// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/worker_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "base/descriptor.h"

namespace sinter {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kStderrBytes = 64u << 10;
/// No file of a compile is near this size; it bounds what a worker can write to its stderr.
constexpr rlim_t kFileLimitBytes = rlim_t{256} << 20;

Error cannot_start(const std::string& program, std::string_view why) {
  return make_error(ErrorCode::kCompilerUnavailable, fmt::format("the compile worker {} cannot start: {}", program,
                                                                 why));
}

/// The worker holds the file of its warm place open under this number, and does nothing with it.
constexpr int kWarmFd = protocol::kWorkerFd + 1;

/// What the child's side of the spawn does, in order.
class SpawnPlan {
 public:
  /// `warm_file` may be -1.
  SpawnPlan(int socket, int stderr_file, int warm_file) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_adddup2(&actions_, stderr_file, STDERR_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, socket, protocol::kWorkerFd);
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (warm_file >= 0) {
      // After the others, one of which may have had this number.
      ::posix_spawn_file_actions_adddup2(&actions_, warm_file, kWarmFd);
    }
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, warm_file >= 0 ? kWarmFd + 1 : kWarmFd);
    // Not the host's directory: a worker must not keep a file system busy.
    ::posix_spawn_file_actions_addchdir_np(&actions_, "/");

    ::posix_spawnattr_init(&attributes_);
    // Signals that the host ignores or blocks would stay so in the worker.
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_,
                               POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  /// 0 or an errno.
  int spawn(const WorkerCommand& command, pid_t* pid) const {
    std::vector<char*> arguments{const_cast<char*>(command.program.c_str())};
    for (const std::string& argument : command.arguments) {
      arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    std::vector<char*> environment;
    for (const std::string& variable : command.environment) {
      environment.push_back(const_cast<char*>(variable.c_str()));
    }
    environment.push_back(nullptr);
    return ::posix_spawn(pid, command.program.c_str(), &actions_, &attributes_, arguments.data(), environment.data());
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

/// A socketpair whose descriptors are above the worker's: the spawn's dup2 onto 3 must not overwrite one of them.
Result<std::pair<Descriptor, Descriptor>> make_sockets(const std::string& program) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return cannot_start(program, fmt::format("socketpair: {}", std::strerror(errno)));
  }
  Descriptor ours(pair[0]), low(pair[1]);
  Descriptor theirs(::fcntl(low.get(), F_DUPFD_CLOEXEC, protocol::kWorkerFd + 1));
  if (theirs.get() < 0) {
    return cannot_start(program, fmt::format("fcntl: {}", std::strerror(errno)));
  }
  return std::pair(std::move(ours), std::move(theirs));
}

/// A file in memory that takes the worker's stderr: unlike a pipe it never blocks and needs no reader.
Result<Descriptor> make_stderr_file(const std::string& program) {
  Descriptor low(::memfd_create("sinter-worker-stderr", MFD_CLOEXEC));
  Descriptor file(low.get() < 0 ? -1 : ::fcntl(low.get(), F_DUPFD_CLOEXEC, protocol::kWorkerFd + 1));
  if (file.get() < 0 || ::fcntl(file.get(), F_SETFL, O_APPEND) != 0) {
    return cannot_start(program, fmt::format("memfd_create: {}", std::strerror(errno)));
  }
  return file;
}

/// Above the worker's descriptors, like the others. Without one the worker's stay is not limited.
std::optional<LockFile> open_warm_file(const std::string& path) {
  if (path.empty()) {
    return std::nullopt;
  }
  auto file = LockFile::open(path);
  if (!file || !file->move_above(kWarmFd)) {
    return std::nullopt;
  }
  return std::move(*file);
}

/// From outside, so that the limits hold whatever the program does. 0 or an errno.
int limit_resources(pid_t pid, std::int64_t memory_bytes) {
  const auto set = [pid](__rlimit_resource resource, rlim_t value) {
    const rlimit limit{value, value};
    return ::prlimit(pid, resource, &limit, nullptr) == 0 || errno == ESRCH ? 0 : errno;
  };
  int problem = set(RLIMIT_CORE, 0);
  problem = problem != 0 ? problem : set(RLIMIT_FSIZE, kFileLimitBytes);
  if (problem == 0 && memory_bytes > 0) {
    // Data, not address space: GPU libraries reserve far more addresses than they ever use.
    problem = set(RLIMIT_DATA, static_cast<rlim_t>(memory_bytes));
  }
  return problem;
}

std::string describe_status(int status) {
  if (WIFEXITED(status)) {
    return fmt::format("ended with exit status {}", WEXITSTATUS(status));
  }
  return fmt::format("was killed by signal {} ({})", WTERMSIG(status), ::sigdescr_np(WTERMSIG(status)));
}

/// True if the process has ended and nobody has reaped it yet.
bool has_ended(pid_t pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

/// A worker that hung up is mostly about to end; its own end says more than being killed.
void give_time_to_end(pid_t pid) {
  for (int i = 0; i < 100 && !has_ended(pid); ++i) {
    std::this_thread::sleep_for(milliseconds(2));
  }
}

struct Ending {
  std::string text;
  bool killed_by_others = false;
};

/// Kills `pid` with its process group and reaps it; returns how it ended, which is its own way if it was faster.
/// The host may reap children by itself (a SIGCHLD handler, or SIG_IGN): then the number is not ours to signal.
Ending kill_and_reap(pid_t pid) {
  const bool ended_before = has_ended(pid);
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
    ::kill(-pid, SIGKILL);
  }
  int status = 0;
  pid_t reaped = 0;
  do {
    reaped = ::waitpid(pid, &status, 0);
  } while (reaped < 0 && errno == EINTR);
  if (reaped != pid) {
    return {"ended (its exit status went to a handler of the host)"};
  }
  return {describe_status(status), ended_before && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL};
}

int to_timeout_ms(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::int64_t{24} * 3600 * 1000));
}

}  // namespace

WorkerProcess::WorkerProcess(std::string program, pid_t pid, int socket, int stderr_file,
                             std::optional<LockFile> warm_file)
    : program_(std::move(program)),
      pid_(pid),
      socket_(socket),
      stderr_file_(stderr_file),
      warm_file_(std::move(warm_file)) {}

WorkerProcess::~WorkerProcess() {
  end(State::kDied);
  ::close(stderr_file_);
}

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::start(const WorkerCommand& command, const CompileWatch& watch) {
  SINTER_TRY(auto sockets, make_sockets(command.program));
  SINTER_TRY(Descriptor stderr_file, make_stderr_file(command.program));
  auto warm_file = open_warm_file(command.warm_file);
  pid_t pid = -1;
  const SpawnPlan plan(sockets.second.get(), stderr_file.get(), warm_file ? warm_file->descriptor() : -1);
  if (const int problem = plan.spawn(command, &pid); problem != 0) {
    return cannot_start(command.program, std::strerror(problem));
  }
  std::unique_ptr<WorkerProcess> worker(
      new WorkerProcess(command.program, pid, sockets.first.release(), stderr_file.release(), std::move(warm_file)));
  // The worker's end must be open in the worker alone, or its death would not close the connection.
  ::close(sockets.second.release());
  if (const int problem = limit_resources(pid, command.memory_limit_bytes); problem != 0) {
    return cannot_start(command.program, fmt::format("prlimit: {}", std::strerror(problem)));
  }
  SINTER_TRY_VOID(worker->read_hello(command.start_limit, watch));
  return worker;
}

Result<std::vector<std::byte>> WorkerProcess::read_frame(Clock::time_point deadline, const CompileWatch& watch) {
  // Until it speaks, or hangs up, or the deadline: what read_frame() says then.
  for (;;) {
    const Clock::time_point next = std::min(deadline, Clock::now() + kProgressInterval);
    pollfd entry{socket_, POLLIN, 0};
    const int ready = ::poll(&entry, 1, to_timeout_ms(next));
    if (ready > 0 || (ready < 0 && errno != EINTR) || Clock::now() >= deadline) {
      return protocol::read_frame(socket_, to_timeout_ms(deadline));
    }
    watch.tell_progress();
  }
}

Result<void> WorkerProcess::read_hello(milliseconds limit, const CompileWatch& watch) {
  const auto frame = read_frame(Clock::now() + limit, watch);
  if (!frame) {
    const bool timed_out = frame.error().code == ErrorCode::kTimeout;
    end(timed_out ? State::kTimedOut : peer_has_hung_up() ? State::kDied : State::kGarbage);
    Error error = cannot_start(program_, timed_out ? fmt::format("it said nothing for {} s", limit.count() / 1000)
                                         : state_ == State::kDied ? "it " + end_text_
                                                                  : frame.error().message);
    error.log = take_stderr();
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
  const auto sent = protocol::write_frame(socket_, request, to_timeout_ms(deadline));
  auto answer = sent ? read_frame(deadline, watch)
                     : Result<std::vector<std::byte>>(sent.error());
  if (answer) {
    return answer;
  }
  if (answer.error().code == ErrorCode::kTimeout) {
    end(State::kTimedOut);
    return make_error(ErrorCode::kTimeout,
                      fmt::format("the compile worker did not answer within {} ms and was stopped", limit.count()));
  }
  if (peer_has_hung_up()) {
    end(State::kDied);
    return failure(end_text_);
  }
  end(State::kGarbage);
  return failure(fmt::format("sent what is no answer and was stopped: {}", answer.error().message));
}

bool WorkerProcess::is_usable() const {
  char byte = 0;
  return state_ == State::kReady && ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
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

bool WorkerProcess::peer_has_hung_up() const {
  char byte = 0;
  const ssize_t peeked = ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return peeked == 0 || (peeked < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

std::string WorkerProcess::take_stderr() {
  struct stat file {};
  if (::fstat(stderr_file_, &file) != 0 || file.st_size <= 0) {
    return {};
  }
  std::string text(std::min(static_cast<std::size_t>(file.st_size), kStderrBytes), '\0');
  const ssize_t size = ::pread(stderr_file_, text.data(), text.size(),
                               file.st_size - static_cast<off_t>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  // It is opened for appending, so the worker goes on at the new end. A failure only means to see a text twice.
  [[maybe_unused]] const int ignored = ::ftruncate(stderr_file_, 0);
  return text;
}

void WorkerProcess::end(State why) {
  if (state_ != State::kReady) {
    return;
  }
  state_ = why;
  if (why == State::kDied && peer_has_hung_up()) {
    give_time_to_end(pid_);
  }
  Ending ending = kill_and_reap(pid_);
  end_text_ = std::move(ending.text);
  was_killed_ = ending.killed_by_others;
  ::close(socket_);
}

Error WorkerProcess::failure(std::string_view what) const {
  return make_error(ErrorCode::kInternal, fmt::format("the compile worker {} {}", program_, what));
}

}  // namespace sinter
