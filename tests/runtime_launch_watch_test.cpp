// SPDX-License-Identifier: Apache-2.0

// The launch log on a named pipe.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <string>

#include "base/append_line.h"
#include "base/descriptor.h"
#include "runtime/launch_watch.h"
#include "tests/support/temporary_directory.h"

using namespace sinter;

namespace {

struct Pipe {
  TemporaryDirectory directory;
  std::string path = std::string(directory.path()) + "/pipe";
  Descriptor reader;

  Pipe() {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    reader = Descriptor(::open(path.c_str(), O_RDONLY | O_NONBLOCK));
    REQUIRE(reader.is_open());
  }
  std::string read() const {
    char bytes[4096];
    const ssize_t count = ::read(reader.get(), bytes, sizeof bytes);
    return {bytes, static_cast<std::size_t>(count > 0 ? count : 0)};
  }
};

/// How a child ends in which a broken pipe has its usual effect: its exit status, or minus the signal.
template <class Body>
int ending_of(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGPIPE, SIG_DFL);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

TEST_CASE("launches go on when the reader of a launch log that is a named pipe leaves") {
  Pipe pipe;
  Settings settings;
  settings.launch_log = pipe.path;
  const auto watch = LaunchWatch::create(settings, [](const std::string& problem) { FAIL(problem); });
  REQUIRE(watch != nullptr);
  const LaunchShape shape;
  watch->log("host", "a_kernel", shape, nullptr, true);
  CHECK_THAT(pipe.read(), Catch::Contains("\"spec\": \"a_kernel\""));
  pipe.reader = Descriptor();
  CHECK(ending_of([&] {
    watch->log("host", "a_kernel", shape, nullptr, true);
    watch->log("host", "a_kernel", shape, nullptr, true);
    return 0;
  }) == 0);
}

TEST_CASE("a line to a pipe that nobody reads leaves the thread's signals as they were") {
  Pipe pipe;
  const Descriptor writer(::open(pipe.path.c_str(), O_WRONLY | O_NONBLOCK));
  pipe.reader = Descriptor();
  const auto blocked_and_pending = [] {
    sigset_t mask, pending;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    ::sigpending(&pending);
    return 2 * sigismember(&mask, SIGPIPE) + sigismember(&pending, SIGPIPE);
  };
  CHECK(ending_of([&] { return append_line(writer.get(), "a line\n"); }) == EPIPE);
  CHECK(ending_of([&] {
    (void)append_line(writer.get(), "a line\n");
    return blocked_and_pending();
  }) == 0);
  CHECK(ending_of([&] {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    (void)append_line(writer.get(), "a line\n");
    return blocked_and_pending();
  }) == 2);
}
