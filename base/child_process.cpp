// SPDX-License-Identifier: Apache-2.0
#include "base/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
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
#include <string_view>
#include <thread>
#include <utility>

namespace sinter {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kStderrBytes = 64u << 10;
/// No file of a child is near this size; it bounds what one can write to its stderr.
constexpr rlim_t kFileLimitBytes = rlim_t{256} << 20;

Error call_failed(std::string_view call, int error) {
  return make_error(ErrorCode::kInternal, fmt::format("{}: {}", call, std::strerror(error)));
}

/// What the child's side of the spawn does, in order.
class SpawnPlan {
 public:
  /// `extra` may be -1.
  SpawnPlan(int socket, int stderr_file, int extra) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_adddup2(&actions_, stderr_file, STDERR_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, socket, ChildProcess::kSocketFd);
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (extra >= 0) {
      // After the others, one of which may have had this number.
      ::posix_spawn_file_actions_adddup2(&actions_, extra, ChildProcess::kExtraFd);
    }
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, extra >= 0 ? ChildProcess::kExtraFd + 1 : ChildProcess::kExtraFd);
    // Not the host's directory: a child must not keep a file system busy.
    ::posix_spawn_file_actions_addchdir_np(&actions_, "/");

    ::posix_spawnattr_init(&attributes_);
    // Signals that the host ignores or blocks would stay so in the child.
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
  int spawn(const ChildCommand& command, pid_t* pid) const {
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

/// A descriptor above the child's, so that the spawn's dup2 onto those does not overwrite it.
Descriptor move_above_childs(Descriptor low) {
  return Descriptor(low.is_open() ? ::fcntl(low.get(), F_DUPFD_CLOEXEC, ChildProcess::kExtraFd + 1) : -1);
}

/// A file in memory that takes the child's stderr: unlike a pipe it never blocks and needs no reader.
Descriptor make_stderr_file() {
  Descriptor file = move_above_childs(Descriptor(::memfd_create("sinter-child-stderr", MFD_CLOEXEC)));
  if (file.is_open() && ::fcntl(file.get(), F_SETFL, O_APPEND) != 0) {
    return Descriptor();
  }
  return file;
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

void give_time_to_end(pid_t pid, milliseconds grace) {
  constexpr milliseconds kLook{2};
  for (milliseconds waited{0}; waited < grace && !has_ended(pid); waited += kLook) {
    std::this_thread::sleep_for(kLook);
  }
}

/// Kills `pid` with its process group and reaps it; returns how it ended, which is its own way if it was faster.
/// The host may reap children by itself (a SIGCHLD handler, or SIG_IGN): then the number is not ours to signal.
ChildEnding kill_and_reap(pid_t pid) {
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

}  // namespace

ChildProcess::ChildProcess(pid_t pid, Descriptor socket, Descriptor stderr_file)
    : pid_(pid), socket_(std::move(socket)), stderr_file_(std::move(stderr_file)) {}

ChildProcess::~ChildProcess() { end(milliseconds(0)); }

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(const ChildCommand& command) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return call_failed("socketpair", errno);
  }
  Descriptor ours(pair[0]);
  Descriptor theirs = move_above_childs(Descriptor(pair[1]));
  if (!theirs.is_open()) {
    return call_failed("fcntl", errno);
  }
  Descriptor stderr_file = make_stderr_file();
  if (!stderr_file.is_open()) {
    return call_failed("memfd_create", errno);
  }
  pid_t pid = -1;
  const SpawnPlan plan(theirs.get(), stderr_file.get(), command.extra_descriptor);
  if (const int problem = plan.spawn(command, &pid); problem != 0) {
    return make_error(ErrorCode::kInternal, std::strerror(problem));
  }
  // The child's end must be open in the child alone, or its death would not close the connection: `theirs` closes here.
  std::unique_ptr<ChildProcess> child(new ChildProcess(pid, std::move(ours), std::move(stderr_file)));
  if (const int problem = limit_resources(pid, command.memory_limit_bytes); problem != 0) {
    return call_failed("prlimit", problem);
  }
  return child;
}

bool ChildProcess::has_hung_up() const {
  char byte = 0;
  const ssize_t peeked = ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return peeked == 0 || (peeked < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

const ChildEnding& ChildProcess::end(milliseconds grace) {
  if (!ending_) {
    give_time_to_end(pid_, grace);
    ending_ = kill_and_reap(pid_);
    socket_ = Descriptor();
  }
  return *ending_;
}

std::string ChildProcess::take_stderr() {
  struct stat file {};
  if (::fstat(stderr_file_.get(), &file) != 0 || file.st_size <= 0) {
    return {};
  }
  std::string text(std::min(static_cast<std::size_t>(file.st_size), kStderrBytes), '\0');
  const ssize_t size = ::pread(stderr_file_.get(), text.data(), text.size(),
                               file.st_size - static_cast<off_t>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  // It is opened for appending, so the child goes on at the new end. A failure only means to see a text twice.
  [[maybe_unused]] const int ignored = ::ftruncate(stderr_file_.get(), 0);
  return text;
}

}  // namespace sinter
