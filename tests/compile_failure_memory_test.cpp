// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/failure_memory.h"

#include <catch2/catch.hpp>
#include <ctime>
#include <string>
#include <vector>

#include "tests/support/fake_compiler.h"

namespace sinter {
namespace {

using namespace std::chrono_literals;
using namespace testing;
using Catch::Matchers::Contains;

CompileFailure failure(ErrorCode code, std::int64_t age_s = 0, bool crashed = false) {
  return {code, crashed, static_cast<std::int64_t>(std::time(nullptr)) - age_s, "it failed", "the log", "the source"};
}

/// A cache directory and a memory that knows only what the directory says.
struct OtherProcess {
  explicit OtherProcess(const TempDir& directory, std::chrono::seconds keep = 600s)
      : cache({.directory = directory / "cache"}, {}), memory(cache, keep) {}
  KernelCache cache;
  FailureMemory memory;
};

TEST_CASE("a failure is told with its log, since when it is known, and the way out, to other processes too") {
  const TempDir directory;
  OtherProcess first(directory), second(directory);
  first.memory.remember(key_of(1), failure(ErrorCode::kCompileFailed));
  for (FailureMemory* memory : {&first.memory, &second.memory}) {
    const auto error = memory->find(key_of(1));
    REQUIRE(error);
    CHECK(error->code == ErrorCode::kCompileFailed);
    CHECK_THAT(error->message, Contains("it failed (remembered since 20"));
    CHECK_THAT(error->message, Contains("sinter cache forget " + to_hex(key_of(1).digest).substr(0, 16)));
    CHECK(error->log == "the log");
    CHECK(error->source == "the source");
  }
  CHECK(second.memory.find_here(key_of(1)));
  CHECK_FALSE(second.memory.find(key_of(2)));
}

TEST_CASE("each kind of failure is believed for its time") {
  struct Case {
    CompileFailure failure;
    bool believed;
  };
  const std::vector<Case> cases = {
      {failure(ErrorCode::kCompileFailed, 590), true},
      {failure(ErrorCode::kCompileFailed, 610), false},
      {failure(ErrorCode::kUnsupported, 590), true},
      {failure(ErrorCode::kTimeout, 50), true},
      {failure(ErrorCode::kTimeout, 70), false},
      {failure(ErrorCode::kInternal, 70), false},
      {failure(ErrorCode::kCompileFailed, 23 * 3600, true), true},
      {failure(ErrorCode::kCompileFailed, 25 * 3600, true), false},
      {failure(ErrorCode::kCompileFailed, -30), true},     // another host's clock is ahead
      {failure(ErrorCode::kCompileFailed, -3600), false},  // a clock was set back
  };
  const TempDir directory;
  int number = 0;
  for (const Case& expected : cases) {
    OtherProcess process(directory);
    process.cache.remember_failure(key_of(++number), expected.failure);
    INFO(error_code_name(expected.failure.code) << " number " << number);
    CHECK(process.memory.find(key_of(number)).has_value() == expected.believed);
  }
}

TEST_CASE("a missing compiler is remembered by the process that missed it and by no other") {
  const TempDir directory;
  OtherProcess first(directory), second(directory);
  first.memory.remember(key_of(1), failure(ErrorCode::kCompilerUnavailable));
  CHECK(first.memory.find_here(key_of(1)));
  CHECK_FALSE(second.memory.find(key_of(1)));
}

TEST_CASE("forgetting makes this process and later ones try again") {
  const TempDir directory;
  OtherProcess first(directory), second(directory);
  first.memory.remember(key_of(1), failure(ErrorCode::kCompileFailed));
  first.memory.forget_all();
  CHECK_FALSE(first.memory.find(key_of(1)));
  CHECK_FALSE(second.memory.find(key_of(1)));
}

TEST_CASE("with a memory of no length nothing is remembered or believed") {
  const TempDir directory;
  OtherProcess never(directory, 0s), other(directory);
  never.memory.remember(key_of(1), failure(ErrorCode::kCompileFailed));
  CHECK_FALSE(never.memory.find_here(key_of(1)));
  CHECK_FALSE(other.memory.find(key_of(1)));
  other.memory.remember(key_of(1), failure(ErrorCode::kCompileFailed, 0, true));
  CHECK_FALSE(never.memory.find(key_of(1)));
}

TEST_CASE("a process remembers a bounded number of failures, the newest") {
  KernelCache cache({}, {});
  FailureMemory memory(cache, 600s);
  for (int i = 0; i < 1000; ++i) {
    memory.remember(key_of(i), failure(ErrorCode::kCompileFailed));
  }
  int known = 0;
  for (int i = 0; i < 1000; ++i) {
    known += memory.find_here(key_of(i)) ? 1 : 0;
  }
  CHECK(known == 256);
  CHECK(memory.find_here(key_of(999)));
}

TEST_CASE("a compile that fails once fails for every process that wants it and is never an entry", "[stampede]") {
  const FakeMachine machine;
  machine.behave("grouped_gemm refuse\n");
  std::vector<pid_t> children;
  for (int c = 0; c < 8; ++c) {
    children.push_back(start_child([&] {
      FakeProcess process(machine);
      const auto failed = process.get(0);
      if (failed || failed.error().code != ErrorCode::kCompileFailed) return 1;
      return failed.error().log == "kernel.hip:1:1: error\non stderr: bad instruction\n" ? 0 : 2;
    }));
  }
  for (const pid_t child : children) {
    CHECK(wait_for(child) == 0);
  }
  CHECK(machine.logged("refused") == 1);
  machine.behave("");
  FakeProcess process(machine);
  CHECK_FALSE(process.get(0));
  CHECK(process.cache().keys_of_spec(numbered_kernel(0).spec.name(), "x86-64-v3").empty());
  process.service().retry_failures();
  CHECK(process.get(0));
  CHECK(machine.log().size() == 2);
}

TEST_CASE("a kernel that killed two workers kills none of the next process", "[stampede]") {
  const FakeMachine machine;
  machine.behave("_n16_ crash\n");
  FakeProcess first(machine);
  CHECK_FALSE(first.get(0));
  CHECK(machine.logged("crashed") == 2);
  FakeProcess second(machine);
  const auto failed = second.get(0);
  REQUIRE_FALSE(failed);
  CHECK_THAT(failed.error().message, Contains("died twice") && Contains("signal 11") && Contains("remembered since"));
  CHECK(second.get(1));
  CHECK(machine.logged("crashed") == 2);
}

TEST_CASE("a kernel whose workers were killed by somebody else is tried again", "[stampede]") {
  const FakeMachine machine;
  machine.behave("grouped_gemm be killed\n");
  CHECK_FALSE(FakeProcess(machine).get(0));
  CHECK(machine.logged("killed") == 2);
  machine.behave("");
  CHECK(FakeProcess(machine).get(0));
}

TEST_CASE("a compiler that cannot start is tried again by the next process", "[stampede]") {
  const FakeMachine machine;
  CHECK(FakeProcess(machine).get(0));
  machine.behave("hello vanish\n");
  {
    FakeProcess process(machine);
    const auto missing = process.get(1);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == ErrorCode::kCompilerUnavailable);
    CHECK(machine.logged("unavailable") == 1);
  }
  machine.behave("");
  CHECK(FakeProcess(machine).get(1));
}

}  // namespace
}  // namespace sinter
