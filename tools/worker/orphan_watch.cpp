// SPDX-License-Identifier: Apache-2.0
#include "tools/worker/orphan_watch.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <thread>

namespace sinter {
namespace {

void wait_for_end(int fd) {
  pollfd entry{fd, POLLRDHUP, 0};  // not POLLIN: what is read is the main thread's
  while (::poll(&entry, 1, -1) >= 0 || errno == EINTR) {
    if ((entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) {
      ::_exit(0);
    }
    if ((entry.revents & POLLNVAL) != 0) {
      return;
    }
  }
}

}  // namespace

void end_with_peer(int fd) {
  // The thread inherits a mask without signals: a compiler's crash is to be handled by the thread that crashed.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread(wait_for_end, fd).detach();
  } catch (const std::system_error&) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace sinter
