// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "runtime/background_work.h"

using namespace sinter;
using namespace std::chrono_literals;

TEST_CASE("every job is done, by no more threads than allowed") {
  BackgroundWork work(3);
  std::atomic<int> done{0}, running{0}, most{0};
  for (int i = 0; i < 200; ++i) {
    REQUIRE(work.add([&] {
      const int now = ++running;
      for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
      }
      std::this_thread::yield();
      --running;
      ++done;
    }));
  }
  REQUIRE(work.wait(60s));
  CHECK(done == 200);
  CHECK(most <= 3);
  CHECK(work.pending() == 0);
}

TEST_CASE("jobs may be added by several threads and by jobs") {
  BackgroundWork work(2);
  std::atomic<int> done{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          work.add([&] { work.add([&] { ++done; }); });
        }
      });
    }
  }
  REQUIRE(work.wait(60s));
  CHECK(done == 200);
}

TEST_CASE("an end drops what waits and waits for what runs") {
  std::atomic<int> done{0};
  std::atomic<bool> has_started{false}, may_end{false};
  std::thread releaser;
  {
    BackgroundWork work(1);
    work.add([&] {
      has_started = true;
      while (!may_end) std::this_thread::yield();
      ++done;
    });
    while (!has_started) std::this_thread::yield();
    work.add([&] { ++done; });
    CHECK_FALSE(work.wait(1ms));
    CHECK(work.pending() == 2);
    releaser = std::thread([&] {
      std::this_thread::sleep_for(20ms);
      may_end = true;
    });
  }
  releaser.join();
  CHECK(done == 1);
}

TEST_CASE("a job that throws ends nothing but itself") {
  BackgroundWork work(1);
  std::atomic<int> done{0};
  work.add([] { throw std::runtime_error("out of something"); });
  work.add([&] { ++done; });
  REQUIRE(work.wait(60s));
  CHECK(done == 1);
}

TEST_CASE("a forked child has no background, and ends") {
  BackgroundWork work(2);
  std::atomic<bool> may_end{false};
  work.add([&] {
    while (!may_end) std::this_thread::yield();
  });
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const bool is_taken = work.add([] {});
    const bool is_idle = work.wait(1ms) && work.pending() == 0;
    work.~BackgroundWork();
    _exit(!is_taken && is_idle ? 0 : 1);
  }
  may_end = true;
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
