// SPDX-License-Identifier: Apache-2.0

// What a compile worker can do to those who wait for it, through CompileService: one kernel's request ends with an
// error that says why, nothing of it is stored, every other kernel is compiled, and no process is left over.

#include "runtime/compile/compile_service.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/faults/compiler_directory.h"
#include "tests/faults/fault_kernels.h"

using namespace sinter;
using namespace sinter::faults;

namespace {

using Clock = std::chrono::steady_clock;

/// A cache directory, a compiler of ours and a process's view of them.
struct Host {
  explicit Host(const CompilerDirectory& compilers, const testing::TempDir& directory, std::int64_t timeout_s = 20) {
    settings.cache_dir = directory / "cache";
    settings.worker_dir = compilers.path();
    settings.compile_timeout_s = timeout_s;
    cache = std::make_unique<KernelCache>(CacheOptions{.directory = settings.cache_dir}, nullptr);
    service = std::make_unique<CompileService>(settings, *cache, log);
  }

  Result<CompiledCode> request(int number) {
    const FaultKernel kernel = fault_kernel(number).value();
    return service->load_or_compile(kernel.spec, kernel.plan);
  }

  Settings settings;
  const Log log{LogLevel::kOff, [](LogLevel, std::string_view) {}};
  std::unique_ptr<KernelCache> cache;
  std::unique_ptr<CompileService> service;
};

bool is_right(const Result<CompiledCode>& compiled, int number) {
  const std::string name = fault_kernel(number).value().spec.name();
  return compiled && compiled->code->entry == name && compiled->code->code == fault_code(name);
}

/// "_n8_" is in the symbol of kernel 0 alone.
std::string first_kernel_does(const std::string& what) { return "_n8_ " + what; }

bool no_worker_is_left(const CompilerDirectory& compilers) {
  for (int i = 0; i < 500 && !compilers.workers().empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return compilers.workers().empty();
}

}  // namespace

TEST_CASE("a worker that misbehaves fails its own kernel, stores nothing of it and harms no other", "[faults][workers]") {
  struct Case {
    const char* how;
    ErrorCode code;
  };
  const auto [how, code] = GENERATE(
      Case{"crash", ErrorCode::kCompileFailed}, Case{"vanish", ErrorCode::kCompileFailed},
      Case{"half-frame", ErrorCode::kCompileFailed}, Case{"close-socket", ErrorCode::kCompileFailed},
      Case{"eat-memory", ErrorCode::kCompileFailed}, Case{"hang", ErrorCode::kTimeout},
      Case{"half-frame-and-hang", ErrorCode::kTimeout}, Case{"stop", ErrorCode::kTimeout},
      Case{"garbage", ErrorCode::kInternal}, Case{"huge-frame", ErrorCode::kInternal},
      Case{"other-format", ErrorCode::kInternal}, Case{"other-symbol", ErrorCode::kInternal},
      Case{"refuse", ErrorCode::kCompileFailed});
  INFO(how);
  CompilerDirectory compilers;
  const testing::TempDir directory;
  compilers.behave(first_kernel_does(how));
  {
    Host host(compilers, directory, 2);

    const auto broken = host.request(0);

    REQUIRE_FALSE(broken);
    INFO(broken.error().message);
    CHECK(broken.error().code == code);
    CHECK(is_right(host.request(1), 1));
    CHECK(host.cache->counters().stores == 1);
  }
  CHECK(no_worker_is_left(compilers));

  // Another process, with a compiler that was mended: nothing of the failure is in its way once it asks again.
  compilers.behave("* good");
  Host other(compilers, directory);
  CHECK(is_right(other.request(1), 1));
  CHECK(other.cache->counters().local_hits == 1);
}

TEST_CASE("an empty result of a worker is an error and never an entry", "[faults][workers]") {
  const std::string how = GENERATE("no-code", "no-facts", "empty-facts", "no-symbol");
  INFO(how);
  CompilerDirectory compilers;
  const testing::TempDir directory;
  compilers.behave(first_kernel_does(how));
  Host host(compilers, directory);

  const auto empty = host.request(0);

  REQUIRE_FALSE(empty);
  CHECK(empty.error().code == ErrorCode::kInternal);
  CHECK(host.cache->counters().stores == 0);
  CHECK(host.cache->keys_of_spec(fault_kernel(0).value().spec.name(), "x86-64-v3").empty());
}

TEST_CASE("hits, in memory and on disk, do not wait for workers that are stopped", "[faults][workers]") {
  CompilerDirectory compilers;
  const testing::TempDir directory;
  Host host(compilers, directory, 30);
  REQUIRE(is_right(host.request(1), 1));
  compilers.behave(first_kernel_does("hang"));
  std::vector<std::thread> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.emplace_back([&] { (void)host.request(0); });
  }
  while (host.service->compiles() < 2) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  for (const pid_t worker : compilers.workers()) {
    ::kill(worker, SIGSTOP);
  }

  const auto start = Clock::now();
  CHECK(host.request(1)->origin == CodeOrigin::kMemory);
  {
    Host other(compilers, directory);
    CHECK(other.request(1)->origin == CodeOrigin::kLocal);
  }
  // Every one of the requests above is still waiting, or the hits have shown nothing.
  CHECK(host.service->failed_compiles() == 0);
  CHECK(Clock::now() - start < std::chrono::seconds(20));

  for (const pid_t worker : compilers.workers()) {
    ::kill(worker, SIGKILL);
  }
  compilers.behave("* good");
  for (std::thread& thread : waiting) {
    thread.join();
  }
}

TEST_CASE("a worker whose owner is killed in the middle of a compile ends", "[faults][workers]") {
  CompilerDirectory compilers;
  const testing::TempDir directory;
  const std::string how = GENERATE("good", "sleep 500");
  compilers.behave("* " + how);
  const pid_t owner = testing::start_child([&] {
    Host host(compilers, directory);
    for (int i = 0;; ++i) {
      (void)host.request(i % 1000);
    }
    return 0;
  });
  while (compilers.workers().empty()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ::kill(owner, SIGKILL);
  CHECK(testing::wait_for(owner) == -SIGKILL);
  CHECK(no_worker_is_left(compilers));
}
