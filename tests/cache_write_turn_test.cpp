// SPDX-License-Identifier: Apache-2.0
#include "cache/write_turn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <future>
#include <string>
#include <thread>

#include "tests/support/temporary_directory.h"

using namespace sinter;
using Clock = WriteTurn::Clock;

namespace {

Clock::time_point in(std::chrono::milliseconds time) { return Clock::now() + time; }
constexpr std::chrono::milliseconds kLong{60'000};

/// A child that takes the turn and keeps it until it is killed.
pid_t start_holder(const std::string& file) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    WriteTurn turn(file);
    turn.take(in(kLong));
    const char held = turn.is_held() ? 'y' : 'n';
    if (write(ends[1], &held, 1) != 1) _exit(1);
    for (;;) pause();
  }
  char held = 0;
  REQUIRE(read(ends[0], &held, 1) == 1);
  REQUIRE(held == 'y');
  close(ends[0]);
  close(ends[1]);
  return child;
}

/// Waiting is a lock behind the first byte.
void wait_for_somebody_in_line(const std::string& file) {
  const Descriptor descriptor(open(file.c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(descriptor.is_open());
  struct flock line {};
  do {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    line = {};
    line.l_type = F_WRLCK;
    line.l_whence = SEEK_SET;
    line.l_start = 1;
    REQUIRE(fcntl(descriptor.get(), F_OFD_GETLK, &line) == 0);
  } while (line.l_type == F_UNLCK);
}

void end_child(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

}  // namespace

TEST_CASE("a writer waits while another one has its turn", "[cache][threads]") {
  TemporaryDirectory directory;
  WriteTurn first(directory.path() + "/lock");
  WriteTurn second(directory.path() + "/lock");
  first.take(in(kLong));
  REQUIRE(first.is_held());
  second.take(Clock::now());
  CHECK_FALSE(second.is_held());
  first.give_back();
  second.take(in(kLong));
  CHECK(second.is_held());
}

TEST_CASE("a writer that comes back goes behind one that waits", "[cache][threads]") {
  TemporaryDirectory directory;
  const std::string file = directory.path() + "/lock";
  WriteTurn first(file, kLong);
  first.take(in(kLong));
  REQUIRE(first.is_held());
  std::promise<void> end_of_second;
  std::thread waiter([&] {
    WriteTurn second(file, kLong);
    second.take(in(kLong));
    end_of_second.get_future().wait();
  });
  wait_for_somebody_in_line(file);
  first.give_back();
  // The second has its turn or is in line for it: there is none for whoever will not wait.
  first.take(Clock::now());
  CHECK_FALSE(first.is_held());
  end_of_second.set_value();
  waiter.join();
  first.take(in(kLong));
  CHECK(first.is_held());
}

TEST_CASE("a turn ends with the process that has it", "[cache]") {
  TemporaryDirectory directory;
  const pid_t holder = start_holder(directory.path() + "/lock");
  WriteTurn turn(directory.path() + "/lock");
  turn.take(Clock::now());
  CHECK_FALSE(turn.is_held());
  end_child(holder);
  turn.take(in(kLong));
  CHECK(turn.is_held());
}

TEST_CASE("no wait for a turn lasts, and after one in vain turns are left alone for a while", "[cache]") {
  TemporaryDirectory directory;
  const pid_t holder = start_holder(directory.path() + "/lock");
  WriteTurn turn(directory.path() + "/lock");
  turn.take(in(kLong));
  CHECK_FALSE(turn.is_held());
  end_child(holder);
  turn.take(in(kLong));
  CHECK_FALSE(turn.is_held());
  std::this_thread::sleep_for(WriteTurn::kLeaveAlone);
  turn.take(in(kLong));
  CHECK(turn.is_held());
}

TEST_CASE("without a place for its file a writer has no turn and does not wait", "[cache]") {
  TemporaryDirectory directory;
  WriteTurn turn(directory.path() + "/no such directory/lock");
  turn.take(in(kLong));
  CHECK_FALSE(turn.is_held());
  turn.give_back();
}
