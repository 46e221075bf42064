// SPDX-License-Identifier: Apache-2.0
#include "base/lingering_thread.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <memory>
#include <mutex>
#include <semaphore>

using namespace sinter;

namespace {

/// A thread that runs until it is told to end, and who owns it.
struct Owner {
  bool start() {
    const std::lock_guard lock(mutex);
    return thread.start([this] {
      ++starts;
      end.acquire();
      const std::lock_guard hold(mutex);
      thread.leave();
    });
  }
  std::mutex mutex;
  std::binary_semaphore end{0};
  int starts = 0;
  LingeringThread thread;
};

}  // namespace

TEST_CASE("a lingering thread is started once while it runs, and again when it has left", "[base][threads]") {
  Owner owner;
  CHECK(owner.start());
  CHECK(owner.start());
  owner.end.release();
  owner.thread.join();
  CHECK(owner.starts == 1);
  CHECK(owner.start());
  owner.end.release();
  owner.thread.join();
  CHECK(owner.starts == 2);
}

TEST_CASE("a lingering thread takes none of the host's signals", "[base][threads]") {
  std::mutex mutex;
  LingeringThread thread;
  sigset_t mask;
  sigemptyset(&mask);
  const auto body = [&] {
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    const std::lock_guard lock(mutex);
    thread.leave();
  };
  {
    const std::lock_guard lock(mutex);
    REQUIRE(thread.start(body));
  }
  thread.join();
  CHECK(sigismember(&mask, SIGTERM) == 1);
  CHECK(sigismember(&mask, SIGUSR1) == 1);
}

TEST_CASE("a forked child destroys a lingering thread of its parent without waiting for it", "[base][threads]") {
  auto owner = std::make_unique<Owner>();
  REQUIRE(owner->start());
  const pid_t child = fork();
  if (child == 0) {
    alarm(30);  // Only a failure comes to this.
    const bool is_inherited = owner->thread.is_inherited();
    owner->thread.~LingeringThread();
    _exit(is_inherited ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  owner->end.release();
  owner->thread.join();
}
