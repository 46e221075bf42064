// SPDX-License-Identifier: Apache-2.0

// Forks of a process whose other threads are in the middle of everything: the child has their half-done work and not
// the threads that would finish it.

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <thread>
#include <vector>

#include "base/fork_safe_mutex.h"
#include "runtime/compile/single_flight.h"
#include "tests/support/fake_compiler.h"

namespace sinter {
namespace {

using namespace std::chrono_literals;
using namespace testing;

/// The exit status of a child that has a minute, or minus the signal that ended it.
int wait_for_a_minute(pid_t child) {
  for (int i = 0; i < 6000; ++i) {
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) {
      return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    std::this_thread::sleep_for(10ms);
  }
  ::kill(child, SIGKILL);
  return wait_for(child);
}

/// Runs `work` in threads until it goes out of scope.
class Hammer {
 public:
  Hammer(int threads, const std::function<void(int)>& work) {
    for (int t = 0; t < threads; ++t) {
      threads_.emplace_back([this, t, work] {
        for (int i = t; !stop_; ++i) {
          work(i);
        }
      });
    }
  }
  ~Hammer() { stop_ = true; }

 private:
  std::atomic<bool> stop_{false};
  std::vector<std::jthread> threads_;
};

TEST_CASE("a forked child never finds a mutex locked, whatever its parent's threads were doing") {
  ForkSafeMutex first, second;
  const Hammer hammer(4, [&](int i) {
    const std::lock_guard lock(i % 2 == 0 ? first : second);
  });
  for (int round = 0; round < 300; ++round) {
    const pid_t child = start_child([&] {
      const std::lock_guard one(first);
      return 0;
    });
    REQUIRE(wait_for_a_minute(child) == 0);
  }
}

TEST_CASE("a forked child builds what one of its parent's threads was building and another was waiting for") {
  std::atomic<int> building{0};
  std::atomic<bool> land{false};
  SingleFlight flights;
  const auto fail = [] { return SingleFlight::Outcome(make_error(ErrorCode::kCompileFailed, "built")); };
  const auto build = [&] {
    ++building;
    while (!land) std::this_thread::yield();
    return fail();
  };
  std::jthread builder([&] { (void)flights.run({}, build); });
  while (building == 0) std::this_thread::yield();
  std::jthread waiter([&] { (void)flights.run({}, fail); });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));  // From having begun to waiting.
  const pid_t child = start_child([&] {
    (void)flights.run({}, fail);
    flights.~SingleFlight();
    return 0;
  });
  CHECK(wait_for_a_minute(child) == 0);
  land = true;
}

TEST_CASE("children forked in the middle of many requests get their kernels", "[fork]") {
  constexpr int kChildren = 200;
  const FakeMachine machine;
  machine.behave("_n48_ refuse\n");
  Settings settings = machine.settings();
  settings.worker_log = "";
  FakeProcess process(settings);
  REQUIRE(process.get(0));
  {
    // A new kernel, one that is there, one that fails and is tried again.
    const Hammer hammer(3, [&](int i) {
      (void)process.get(10 + i % 1000);
      (void)process.get(0);
      (void)process.get(2);
      process.service().retry_failures();
    });
    for (int c = 0; c < kChildren; ++c) {
      const pid_t child = start_child([&] {
        if (!process.get(0)) return 1;                       // there
        if (!process.get(10 + c)) return 2;                  // perhaps on its way in the parent
        if (c % 4 == 0 && !process.get(2000 + c)) return 3;  // new to all
        return c % 4 == 0 && process.get(2) ? 4 : 0;         // fails
      });
      REQUIRE(wait_for_a_minute(child) == 0);
    }
  }
  CHECK(process.get(1));
}

}  // namespace
}  // namespace sinter
