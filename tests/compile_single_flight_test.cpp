// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "runtime/compile/single_flight.h"

using namespace sinter;
using namespace std::chrono_literals;

namespace {

Digest digest(std::uint8_t n) {
  Digest digest;
  digest.bytes[0] = n;
  return digest;
}

SingleFlight::Outcome built() { return CompiledCode{std::make_shared<const CodeObject>(), CodeOrigin::kCompiled, {}}; }

/// Threads that do the same, and a way to wait in one of them until all have begun.
class Crowd {
 public:
  explicit Crowd(int size) : size_(size) {}

  void run(const std::function<void()>& work) {
    std::vector<std::jthread> threads;
    for (int t = 0; t < size_; ++t) {
      threads.emplace_back([&] {
        ++begun_;
        work();
      });
    }
  }
  void await_all() const {
    while (begun_ < size_) std::this_thread::yield();
    std::this_thread::sleep_for(200ms);  // from having begun to asking
  }

 private:
  const int size_;
  std::atomic<int> begun_{0};
};

}  // namespace

TEST_CASE("many threads that ask for one key make one build and share it") {
  SingleFlight flights;
  Crowd crowd(16);
  std::atomic<int> builds{0}, good{0};
  crowd.run([&] {
    auto outcome = flights.run(digest(1), [&]() -> SingleFlight::Outcome {
      ++builds;
      crowd.await_all();
      return built();
    });
    good += outcome.has_value() ? 1 : 0;
  });
  CHECK(builds == 1);
  CHECK(good == 16);
}

TEST_CASE("a failure reaches every waiter, and the next request builds again") {
  SingleFlight flights;
  Crowd crowd(8);
  std::atomic<int> builds{0}, failures{0};
  crowd.run([&] {
    auto outcome = flights.run(digest(1), [&]() -> SingleFlight::Outcome {
      ++builds;
      crowd.await_all();
      return make_error(ErrorCode::kCompileFailed, "no");
    });
    failures += outcome.has_value() ? 0 : 1;
  });
  CHECK(failures == 8);
  CHECK(builds == 1);
  CHECK(flights.run(digest(1), [] { return built(); }));
}

TEST_CASE("different keys do not wait for each other") {
  SingleFlight flights;
  std::atomic<bool> first_runs{false}, second_done{false};
  std::jthread first([&] {
    (void)flights.run(digest(1), [&]() -> SingleFlight::Outcome {
      first_runs = true;
      while (!second_done) std::this_thread::yield();
      return built();
    });
  });
  while (!first_runs) std::this_thread::yield();
  CHECK(flights.run(digest(2), [] { return built(); }));
  second_done = true;
}

TEST_CASE("a build that throws lands as an error instead of leaving its waiters behind") {
  SingleFlight flights;
  const auto outcome = flights.run(digest(1), []() -> SingleFlight::Outcome { throw std::bad_alloc(); });
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == ErrorCode::kInternal);
}
