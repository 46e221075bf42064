// SPDX-License-Identifier: Apache-2.0

// Many processes that want the same kernels at once, and what they do when one of them fails, stops or dies.

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <map>
#include <thread>
#include <vector>

#include "runtime/compile/worker_budget.h"
#include "tests/support/fake_compiler.h"

namespace sinter {
namespace {

using namespace std::chrono_literals;
using namespace testing;

constexpr int kKernels = 5;

/// All start at the same moment, when the gate is closed by its owner.
class Gate {
 public:
  Gate() { REQUIRE(::pipe(ends_) == 0); }
  void pass() const {
    ::close(ends_[1]);
    char byte;
    (void)!::read(ends_[0], &byte, 1);
  }
  void open() const { ::close(ends_[1]); }
  ~Gate() { ::close(ends_[0]); }

 private:
  int ends_[2];
};

/// How often each key was compiled.
std::map<std::string, int> compiles_by_key(const FakeMachine& machine) {
  std::map<std::string, int> counts;
  for (const nlohmann::json& line : machine.log()) {
    counts[line.at("key")] += line.at("outcome") == "ok" ? 1 : 0;
  }
  return counts;
}

TEST_CASE("8 and 64 processes that start at once on missing kernels compile each once", "[stampede]") {
  for (const int count : {8, 64}) {
    const FakeMachine machine;
    machine.behave("grouped_gemm slow\n");
    const Gate gate;
    std::vector<pid_t> children;
    for (int c = 0; c < count; ++c) {
      children.push_back(start_child([&, c] {
        gate.pass();
        FakeProcess process(machine);
        for (int i = 0; i < kKernels; ++i) {
          if (!process.get((i + c) % kKernels)) return 1;
        }
        return process.problems().empty() ? 0 : 2;
      }));
    }
    gate.open();
    for (const pid_t child : children) {
      CHECK(wait_for(child) == 0);
    }
    const auto compiles = compiles_by_key(machine);
    CHECK(compiles.size() == kKernels);
    for (const auto& [key, times] : compiles) {
      CHECK(times == 1);
    }
    CHECK(machine.log().size() == kKernels);
  }
}

TEST_CASE("of the threads that want one kernel at once, one has compiled it and the others found it", "[stampede]") {
  const FakeMachine machine;
  machine.behave("grouped_gemm slow\n");
  FakeProcess process(machine);
  std::atomic<int> compiled{0}, in_memory{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        const auto code = process.get(0).value();
        compiled += code.origin == CodeOrigin::kCompiled ? 1 : 0;
        in_memory += code.origin == CodeOrigin::kMemory ? 1 : 0;
      });
    }
  }
  CHECK(compiled == 1);
  CHECK(in_memory == 7);
}

TEST_CASE("when the process that compiles is killed, one of those who wait compiles", "[stampede]") {
  const FakeMachine machine;
  machine.behave("grouped_gemm hang\n");
  const pid_t owner = start_child([&] {
    FakeProcess process(machine);
    return process.get(0) ? 0 : 1;
  });
  std::this_thread::sleep_for(500ms);
  machine.behave("grouped_gemm slow\n");
  std::vector<pid_t> children;
  for (int c = 0; c < 8; ++c) {
    children.push_back(start_child([&] {
      FakeProcess process(machine);
      return process.get(0) ? 0 : 1;
    }));
  }
  std::this_thread::sleep_for(300ms);
  CHECK(machine.log().empty());
  ::kill(owner, SIGKILL);
  CHECK(wait_for(owner) == -SIGKILL);
  for (const pid_t child : children) {
    CHECK(wait_for(child) == 0);
  }
  CHECK(machine.logged("ok") == 1);
}

TEST_CASE("while every place of the node is taken, hits are had and a compiler is asked who it is", "[stampede]") {
  const FakeMachine machine;
  REQUIRE(FakeProcess(machine).get(0));
  machine.behave("grouped_gemm hang\n");
  const std::int64_t places = worker_budget(node_share());
  const pid_t busy = start_child([&] {
    FakeProcess process(machine);
    std::vector<std::jthread> threads;
    for (int i = 1; i <= places + 1; ++i) {
      threads.emplace_back([&process, i] { (void)process.get(i); });
    }
    return 0;
  });
  std::this_thread::sleep_for(1s);
  {
    FakeProcess process(machine);
    CHECK(process.get(0)->origin == CodeOrigin::kLocal);
    CHECK(process.get(0)->origin == CodeOrigin::kMemory);
    // A cache that has not met this compiler yet: the answer takes a worker, but no place.
    Settings settings = machine.settings();
    settings.cache_dir = machine.path("other-cache");
    FakeProcess stranger(settings);
    CHECK(stranger.service().toolchain_for(*find_arch("x86-64-v3")));
  }
  CHECK(machine.log().size() == 1);
  ::kill(busy, SIGKILL);
  CHECK(wait_for(busy) == -SIGKILL);
}

TEST_CASE("a service that is stopped waits for no compile, no place and no other process, and remembers no failure", "[stampede]") {
  const FakeMachine machine;
  REQUIRE(FakeProcess(machine).get(0));  // from here on the compiler is known
  machine.behave("grouped_gemm hang\n");
  Settings patient = machine.settings();
  patient.compile_timeout_s = 3600;
  const pid_t other = start_child([&] {
    FakeProcess process(patient);
    return process.get(1) ? 0 : 1;
  });
  std::this_thread::sleep_for(500ms);
  {
    FakeProcess process(patient);
    std::atomic<int> timeouts{0};
    std::vector<std::jthread> threads;
    for (int i = 1; i <= 6; ++i) {
      threads.emplace_back([&, i] {
        const auto code = process.get(i);
        timeouts += !code && code.error().code == ErrorCode::kTimeout ? 1 : 0;
      });
    }
    std::this_thread::sleep_for(500ms);
    process.service().stop();
    threads.clear();
    CHECK(timeouts == 6);
  }
  ::kill(other, SIGKILL);
  CHECK(wait_for(other) == -SIGKILL);
  machine.behave("");
  FakeProcess next(machine);
  for (int i = 1; i <= 6; ++i) {
    CHECK(next.get(i));
  }
}

TEST_CASE("a cache that cannot be written costs compiles and fails none", "[stampede]") {
  const FakeMachine machine;
  Settings settings = machine.settings();
  settings.cache_dir = "/proc/no-such-directory";
  settings.worker_log = "/proc/no-such-file";
  FakeProcess process(settings);
  CHECK(process.get(0));
  CHECK(process.get(1));
}

}  // namespace
}  // namespace sinter
