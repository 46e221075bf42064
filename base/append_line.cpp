// SPDX-License-Identifier: Apache-2.0
#include "base/append_line.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <ctime>

#include "base/descriptor.h"

namespace sinter {

int append_line(const std::string& path, std::string_view line) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644));
  if (!file.is_open()) {
    return errno;
  }
  return append_line(file.get(), line);
}

int append_line(int descriptor, std::string_view line) {
  sigset_t broken_pipe, pending, before;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
  sigpending(&pending);
  const ssize_t written = ::write(descriptor, line.data(), line.size());
  const int error = written < 0 ? errno : static_cast<std::size_t>(written) == line.size() ? 0 : ENOSPC;
  if (error == EPIPE && sigismember(&pending, SIGPIPE) == 0) {
    // The signal that this write raised is pending in this thread; one that came before is its owner's.
    const timespec at_once{};
    while (sigtimedwait(&broken_pipe, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error;
}

}  // namespace sinter
