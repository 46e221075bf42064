// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/node_slots.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "runtime/compile/worker_pool.h"
#include "tests/support/fake_compiler.h"

namespace sinter {
namespace {

using namespace std::chrono_literals;
using testing::Problems;
using testing::start_child;
using testing::TempDir;
using testing::wait_for;

NodeSlots::Options options(const TempDir& directory, std::int64_t places) {
  return {.directory = directory / "run", .places = places, .patience = 100ms, .alone_patience = 100ms};
}

TEST_CASE("a node has as many places as it has room for, and a free one is taken by who waits") {
  const TempDir directory;
  NodeSlots one(options(directory, 2), {}), other(options(directory, 2), {});
  NodeSlot first = one.enter(Company::kShared, {});
  const NodeSlot second = other.enter(Company::kShared, {});
  CHECK(first.is_held());
  CHECK(second.is_held());
  std::jthread leaver([&first] {
    for (int i = 0; i < 20; ++i) {
      std::this_thread::sleep_for(20ms);
      first.tick();
    }
    first = NodeSlot();
  });
  int told = 0;
  CHECK(other.enter(Company::kShared, {[&told] { ++told; }, {}}).is_held());
  CHECK(told > 0);
}

TEST_CASE("a place dies with its process, and nobody waits for those who are stopped") {
  const TempDir directory;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t owner = start_child([&] {
    NodeSlots slots(options(directory, 1), {});
    const NodeSlot slot = slots.enter(Company::kShared, {});
    (void)!::write(ends[1], "x", 1);
    std::this_thread::sleep_for(1h);
    return 0;
  });
  char byte;
  REQUIRE(::read(ends[0], &byte, 1) == 1);
  ::close(ends[0]);
  ::close(ends[1]);
  NodeSlots slots(options(directory, 1), {});
  ::kill(owner, SIGSTOP);
  CHECK_FALSE(slots.enter(Company::kShared, {}).is_held());
  ::kill(owner, SIGKILL);
  wait_for(owner);
  CHECK(slots.enter(Company::kShared, {}).is_held());
}

TEST_CASE("who wants to be alone waits for the others, keeps newcomers out, and has a bounded wait") {
  const TempDir directory;
  NodeSlots slots(options(directory, 4), {});
  NodeSlot busy = slots.enter(Company::kShared, {});
  CHECK_FALSE(slots.enter(Company::kAlone, {}).is_held());
  busy = NodeSlot();
  {
    const NodeSlot alone = slots.enter(Company::kAlone, {});
    CHECK(alone.is_held());
    CHECK_FALSE(slots.enter(Company::kShared, {}).is_held());
    CHECK_FALSE(slots.enter(Company::kAlone, {}).is_held());
  }
  CHECK(slots.enter(Company::kShared, {}).is_held());
}

TEST_CASE("a run directory that others own or could exchange is not used, and that is said once") {
  const TempDir directory;
  testing::fs::create_directory(directory / "open");
  ::chmod((directory / "open").c_str(), 0777);
  testing::fs::create_directory(directory / "mine");
  ::chmod((directory / "mine").c_str(), 0700);
  testing::fs::create_directory_symlink(directory / "mine", directory / "link");
  for (const std::string& place : {directory / "open", directory / "link", std::string("/proc/none")}) {
    Problems problems;
    NodeSlots slots({.directory = place}, problems.sink());
    CHECK_FALSE(slots.enter(Company::kShared, {}).is_held());
    CHECK_FALSE(slots.enter(Company::kShared, {}).is_held());
    CHECK(slots.warm_file().empty());
    CHECK(problems.texts().size() == 1);
    CHECK(problems.all().find(place) != std::string::npos);
  }
}

// --- Workers ---

constexpr const char* kFakeWorker = SINTER_TEST_SUPPORT_DIR "/fake_worker";

CompilerLocations locations() {
  CompilerLocations locations;
  locations.backends.push_back({"fake", kFakeWorker, {"good"}, ""});
  return locations;
}

CompileJob job(const std::string& source) { return {"fake", find_arch("gfx942"), "kernel", source, {}, {}}; }

std::string worker_of(WorkerPool& pool, const std::string& source = "good") {
  const auto object = pool.compile(job(source));
  REQUIRE(object);
  return std::string(as_text(object->code));
}

WorkerPoolOptions pool_options(const TempDir& directory) {
  WorkerPoolOptions options;
  options.max_workers = 4;
  options.run_directory = directory / "run";
  options.node_workers = 1;
  return options;
}

TEST_CASE("processes of a node together compile as many kernels at once as it has places") {
  const TempDir directory;
  const auto start = std::chrono::steady_clock::now();
  std::vector<pid_t> children;
  for (int c = 0; c < 3; ++c) {
    children.push_back(start_child([&] {
      WorkerPool pool(locations(), pool_options(directory));
      return pool.compile(job("slow")) ? 0 : 1;  // 300 ms
    }));
  }
  for (const pid_t child : children) {
    CHECK(wait_for(child) == 0);
  }
  CHECK(std::chrono::steady_clock::now() - start >= 890ms);
}

TEST_CASE("as many idle workers stay warm as the node has places, and the others leave at once") {
  const TempDir directory;
  WorkerPool first(locations(), pool_options(directory));
  const std::string warm = worker_of(first);
  CHECK(worker_of(first) == warm);
  WorkerPool second(locations(), pool_options(directory));
  const std::string cold = worker_of(second);
  CHECK(::kill(std::stoi(cold), 0) != 0);
  CHECK(worker_of(second) != cold);
  // The place is the worker's own: it is free as soon as the worker is gone.
  ::kill(std::stoi(warm), SIGKILL);
  std::this_thread::sleep_for(50ms);
  const std::string next = worker_of(second);
  CHECK(worker_of(second) == next);
}

}  // namespace
}  // namespace sinter
