// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/worker_pool.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "tests/support/files.h"

namespace sinter {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kFakeWorker = SINTER_TEST_SUPPORT_DIR "/fake_worker";

CompilerLocations fake_locations(const std::string& start = "good") {
  CompilerLocations locations;
  locations.backends.push_back({"fake", kFakeWorker, {start}, "looked for libfake.so.1; install fake"});
  locations.environment = {"KEPT=1"};
  return locations;
}

WorkerPoolOptions small_options() {
  WorkerPoolOptions options;
  options.max_workers = 2;
  options.time_limit = 20s;
  return options;
}

CompileJob job(const std::string& source) {
  return {"fake", find_arch("gfx942"), "kernel", source, {}, {"-O3"}};
}

/// The id of the worker process that made this.
std::string worker_of(const Result<CodeObject>& object) {
  REQUIRE(object);
  return std::string(as_text(object->code));
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("a compile gives a code object with facts and provenance, and the worker stays warm") {
  WorkerPool pool(fake_locations(), small_options());

  const auto first = pool.compile(job("good"));
  const auto second = pool.compile(job("also good"));

  CHECK(worker_of(first) == worker_of(second));
  CHECK(first->facts.entry == "kernel");
  CHECK(first->format == CodeFormat::kHsaco);
  CHECK(first->backend == "fake");
  CHECK(first->compiler == "fake 1.0 abc");
  CHECK(first->source == "good");
}

TEST_CASE("a refused source is a failed compile with source, log and what came on stderr, and hurts no worker") {
  WorkerPool pool(fake_locations(), small_options());
  const std::string worker = worker_of(pool.compile(job("good")));

  const auto refused = pool.compile(job("refuse"));

  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kCompileFailed);
  CHECK(contains(refused.error().message, "it does not compile"));
  CHECK(refused.error().log == "kernel.hip:1:1: error\non stderr: bad instruction\n");
  CHECK(refused.error().source == "refuse");
  CHECK(worker_of(pool.compile(job("good"))) == worker);
}

TEST_CASE("a crash is tried once more in a fresh worker, then the kernel is to blame") {
  WorkerPool pool(fake_locations(), small_options());
  const std::string worker = worker_of(pool.compile(job("good")));

  const auto crashed = pool.compile(job("crash"));

  REQUIRE_FALSE(crashed);
  CHECK(crashed.error().code == ErrorCode::kCompileFailed);
  CHECK(contains(crashed.error().message, "died twice"));
  CHECK(contains(crashed.error().message, "signal 11"));
  CHECK(crashed.error().log == "about to crash\n");
  CHECK(crashed.error().source == "crash");

  CHECK(worker_of(pool.compile(job("good"))) != worker);
}

TEST_CASE("a hang ends at the time limit and the next compile works") {
  WorkerPoolOptions options = small_options();
  options.time_limit = 300ms;
  WorkerPool pool(fake_locations(), options);
  for (const char* how : {"hang", "half a frame and a hang"}) {
    const auto start = Clock::now();

    const auto hung = pool.compile(job(how));

    REQUIRE_FALSE(hung);
    CHECK(hung.error().code == ErrorCode::kTimeout);
    CHECK_THAT(hung.error().message, Catch::Contains("compiling ") && Catch::Contains("SINTER_COMPILE_TIMEOUT_S"));
    CHECK(hung.error().source == how);
    CHECK(Clock::now() - start < 2s);
    CHECK(pool.compile(job("good")));
  }
}

TEST_CASE("a worker that answers garbage is replaced") {
  WorkerPool pool(fake_locations(), small_options());
  for (const char* how : {"garbage", "garbage in a frame", "other kernel", "other format"}) {
    const std::string worker = worker_of(pool.compile(job("good")));

    const auto garbage = pool.compile(job(how));

    REQUIRE_FALSE(garbage);
    CHECK(garbage.error().code == ErrorCode::kInternal);
    CHECK(worker_of(pool.compile(job("good"))) != worker);
  }
}

TEST_CASE("a worker that vanishes is an error, with or without half an answer, and the next compile works") {
  WorkerPool pool(fake_locations(), small_options());
  for (const char* how : {"vanish", "half a frame"}) {
    const auto vanished = pool.compile(job(how));

    REQUIRE_FALSE(vanished);
    CHECK(vanished.error().code == ErrorCode::kCompileFailed);
    CHECK(contains(vanished.error().message, "exit status 0"));
    CHECK(pool.compile(job("good")));
  }
}

TEST_CASE("a worker that left between two compiles is replaced without a word") {
  WorkerPool pool(fake_locations("leave-after-one"), small_options());
  CHECK(pool.compile(job("good")));
  CHECK(pool.compile(job("good")));
}

TEST_CASE("a worker that eats memory is stopped by its limit") {
  WorkerPoolOptions options = small_options();
  options.memory_limit_bytes = std::int64_t{256} << 20;
  WorkerPool pool(fake_locations(), options);

  const auto eaten = pool.compile(job("eat memory"));

  REQUIRE_FALSE(eaten);
  CHECK(eaten.error().code == ErrorCode::kCompileFailed);
  CHECK(contains(eaten.error().message, "signal 6"));
  CHECK(pool.compile(job("good")));
}

TEST_CASE("two threads compile at the same time in two workers, and a third waits for a place") {
  WorkerPool pool(fake_locations(), small_options());
  std::vector<std::string> workers(3);
  std::vector<std::thread> threads;
  const auto start = Clock::now();

  for (std::size_t i = 0; i < workers.size(); ++i) {
    threads.emplace_back([&, i] {
      const auto object = pool.compile(job("slow"));
      workers[i] = object ? std::string(as_text(object->code)) : "failed";
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }

  const auto elapsed = Clock::now() - start;
  CHECK(elapsed >= 590ms);
  CHECK(std::set<std::string>(workers.begin(), workers.end()).size() == 2);
  CHECK(std::count(workers.begin(), workers.end(), "failed") == 0);
}

TEST_CASE("compiles go on in other threads while one kernel kills its workers") {
  WorkerPool pool(fake_locations(), small_options());
  std::atomic<int> good = 0;
  std::thread busy([&] {
    for (int i = 0; i < 50; ++i) {
      good += pool.compile(job("good " + std::to_string(i))).has_value() ? 1 : 0;
    }
  });
  for (int i = 0; i < 5; ++i) {
    CompileJob crash = job("crash");
    crash.entry = "kernel" + std::to_string(i);
    CHECK_FALSE(pool.compile(crash));
  }
  busy.join();
  CHECK(good == 50);
}

TEST_CASE("a warm worker leaves when it has been idle") {
  WorkerPoolOptions options = small_options();
  options.idle_limit = 0s;
  WorkerPool pool(fake_locations(), options);
  const std::string first = worker_of(pool.compile(job("good")));
  std::this_thread::sleep_for(20ms);
  CHECK(worker_of(pool.compile(job("good"))) != first);
  CHECK(::kill(std::stoi(first), 0) != 0);
}

TEST_CASE("a worker gets its environment from the locations and no descriptor of the host") {
  ::setenv("SINTER_TEST_SECRET", "1", 1);
  const int leaked = ::dup(0);
  WorkerPool pool(fake_locations(), small_options());
  const auto environment = pool.compile(job("environment"));
  const auto descriptors = pool.compile(job("descriptors"));
  ::close(leaked);
  REQUIRE(environment);
  CHECK(environment->log == "KEPT=1\n");
  REQUIRE(descriptors);
  CHECK(descriptors->log == "0 1 2 3 ");
}

TEST_CASE("a host that ignores SIGCHLD loses no compile") {
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  {
    WorkerPool pool(fake_locations(), small_options());
    CHECK(pool.compile(job("good")));
    CHECK_FALSE(pool.compile(job("crash")));
    CHECK(pool.compile(job("good")));
  }
  std::signal(SIGCHLD, before);
}

TEST_CASE("a forked child compiles in workers of its own and leaves its parent's alone") {
  WorkerPool pool(fake_locations(), small_options());
  const std::string parents = worker_of(pool.compile(job("good")));

  const pid_t child = ::fork();
  if (child == 0) {
    const auto object = pool.compile(job("good"));
    ::_exit(object && as_text(object->code) != parents ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);

  CHECK(status == 0);
  CHECK(worker_of(pool.compile(job("good"))) == parents);
}

TEST_CASE("a worker that cannot start says why") {
  WorkerPool pool(fake_locations("crash-at-start"), small_options());
  const auto object = pool.compile(job("good"));
  REQUIRE_FALSE(object);
  CHECK(object.error().code == ErrorCode::kCompilerUnavailable);
  CHECK(contains(object.error().message, "exit status 127"));
  CHECK(contains(object.error().message, "libmissing.so.1"));
}

TEST_CASE("a start that fails for a moment is tried once more") {
  testing::TempDir directory;
  WorkerPool pool(fake_locations("crash-unless:" + (directory / "was-here")), small_options());
  CHECK(pool.compile(job("good")));
}

TEST_CASE("a worker of another release is refused") {
  WorkerPool pool(fake_locations("other-version"), small_options());
  const auto object = pool.compile(job("good"));
  REQUIRE_FALSE(object);
  CHECK(object.error().code == ErrorCode::kCompilerUnavailable);
  CHECK(contains(object.error().message, "different releases"));
}

TEST_CASE("a missing library is reported with what was looked for and the way out") {
  WorkerPool pool(fake_locations("no-backend"), small_options());
  const auto object = pool.compile(job("good"));
  REQUIRE_FALSE(object);
  CHECK(object.error().code == ErrorCode::kCompilerUnavailable);
  CHECK(contains(object.error().message, "install fake"));
  CHECK(contains(object.error().message, "libfake.so.1: cannot open"));
  CHECK(contains(pool.report().problems, "install fake"));
}

TEST_CASE("a missing worker program and an unknown backend are told apart") {
  CompilerLocations locations;
  locations.backends.push_back({"fake", "", {}, "the program sinter-fake is not in /nowhere"});
  WorkerPool pool(locations, small_options());

  const auto missing = pool.compile(job("good"));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kCompilerUnavailable);
  CHECK(contains(missing.error().message, "/nowhere"));

  CompileJob unknown = job("good");
  unknown.backend = "tcc";
  const auto refused = pool.compile(unknown);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidRequest);
}

TEST_CASE("an arch that the compiler does not know is refused without asking it") {
  WorkerPool pool(fake_locations(), small_options());
  CompileJob other = job("crash");
  other.arch = find_arch("gfx90a");
  const auto object = pool.compile(other);
  REQUIRE_FALSE(object);
  CHECK(object.error().code == ErrorCode::kCompilerUnavailable);
  CHECK(contains(object.error().message, "only for gfx942"));
}

}  // namespace
}  // namespace sinter
