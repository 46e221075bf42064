// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/key_lease.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/cache.h"

namespace sinter {
namespace {

using namespace std::chrono_literals;
using testing::Problems;
using testing::start_child;
using testing::TempDir;
using testing::wait_for;

Digest digest(std::uint8_t n) { return sha256(as_bytes(std::string(1, static_cast<char>(n)))); }

bool never() { return false; }

/// A pipe whose other end tells that a child has come so far.
class Signal {
 public:
  Signal() { REQUIRE(::pipe(ends_) == 0); }
  ~Signal() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void give() const { (void)!::write(ends_[1], "x", 1); }
  void await() const {
    char byte;
    REQUIRE(::read(ends_[0], &byte, 1) == 1);
  }

 private:
  int ends_[2];
};

TEST_CASE("a lease is held by one at a time and is free when it ends") {
  const TempDir directory;
  KeyLeases leases({.directory = directory.path(), .patience = 30ms}, {});
  {
    const KeyLease first = leases.acquire(digest(1), never);
    CHECK(first.is_held());
    const KeyLease other = leases.acquire(digest(2), never);
    CHECK(other.is_held());
    const KeyLease deputy = leases.acquire(digest(1), never);
    CHECK(deputy.is_held());  // its owner made no progress
    CHECK_FALSE(leases.acquire(digest(1), never).is_held());
  }
  CHECK(leases.acquire(digest(1), never).is_held());
}

TEST_CASE("a lease dies with its owner") {
  const TempDir directory;
  const Signal held;
  const pid_t owner = start_child([&] {
    KeyLeases leases({.directory = directory.path()}, {});
    const KeyLease lease = leases.acquire(digest(1), never);
    held.give();
    std::this_thread::sleep_for(1h);
    return 0;
  });
  held.await();
  KeyLeases leases({.directory = directory.path(), .patience = 1h}, {});
  std::jthread killer([owner] {
    std::this_thread::sleep_for(50ms);
    ::kill(owner, SIGKILL);
  });
  CHECK(leases.acquire(digest(1), never).is_held());
  CHECK(wait_for(owner) == -SIGKILL);
}

TEST_CASE("a waiter waits as long as the owner makes progress and no longer") {
  const TempDir directory;
  KeyLeases leases({.directory = directory.path(), .patience = 100ms}, {});
  KeyLease owner = leases.acquire(digest(1), never);
  std::jthread ticker([&owner] {
    for (int i = 0; i < 40; ++i) {
      owner.tick();
      std::this_thread::sleep_for(20ms);
    }
    owner = KeyLease();
  });
  // Eight times its patience passes before it has the owner's own lease: a deputy would be refused a second time.
  const KeyLease waiter = leases.acquire(digest(1), never);
  CHECK(waiter.is_held());
  ticker.join();
  CHECK_FALSE(owner.is_held());
}

TEST_CASE("of those who wait for a stopped owner one takes its place, and after that nobody waits") {
  const TempDir directory;
  const Signal held;
  const pid_t owner = start_child([&] {
    KeyLeases leases({.directory = directory.path()}, {});
    const KeyLease lease = leases.acquire(digest(1), never);
    held.give();
    std::this_thread::sleep_for(1h);
    return 0;
  });
  held.await();
  ::kill(owner, SIGSTOP);
  KeyLeases leases({.directory = directory.path(), .patience = 100ms}, {});
  const KeyLease deputy = leases.acquire(digest(1), never);
  CHECK(deputy.is_held());
  CHECK_FALSE(leases.acquire(digest(1), never).is_held());
  ::kill(owner, SIGKILL);
  wait_for(owner);
}

TEST_CASE("a waiter goes as soon as what it waits for is there") {
  const TempDir directory;
  KeyLeases leases({.directory = directory.path(), .patience = 1h}, {});
  const KeyLease owner = leases.acquire(digest(1), never);
  int looks = 0;
  CHECK_FALSE(leases.acquire(digest(1), [&] { return ++looks == 2; }).is_held());
  CHECK(looks == 2);
}

TEST_CASE("without a place for leases everybody goes on") {
  const TempDir directory;
  std::vector<std::string> places = {directory / "missing", directory / "file", directory / "open"};
  testing::write_file(places[1], {'x'});
  testing::fs::create_directory(places[2]);
  ::chmod(places[2].c_str(), 0777);
  for (const std::string& place : places) {
    KeyLeases leases({.directory = place}, {});
    CHECK_FALSE(leases.acquire(digest(1), never).is_held());
  }
  KeyLeases none({}, {});
  CHECK_FALSE(none.acquire(digest(1), never).is_held());
}

TEST_CASE("a lease file that is a link to another file is not followed") {
  const TempDir directory;
  testing::write_file(directory / "precious", std::vector<char>(16, 'x'));
  testing::fs::create_symlink(directory / "precious", directory / KeyLeases::kFileName);
  Problems problems;
  KeyLeases leases({.directory = directory.path()}, problems.sink());
  KeyLease lease = leases.acquire(digest(1), never);
  lease.tick();
  CHECK_FALSE(lease.is_held());
  CHECK(testing::read_file(directory / "precious") == std::vector<char>(16, 'x'));
}

}  // namespace
}  // namespace sinter
