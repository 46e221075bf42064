// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "runtime/launch_ring.h"

using namespace sinter;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

TEST_CASE("a ring of launches names the last sixteen, newest first") {
  LaunchRing ring;
  CHECK(ring.recent().empty());
  const std::string a = "kernel_a", b = "kernel_b";
  ring.record(a, {.grid = {3, 2, 1}}, nullptr);
  for (int i = 0; i < 15; ++i) {
    ring.record(b, {}, nullptr);
  }
  CHECK_THAT(ring.recent(), StartsWith("kernel_b (launch 16") && Contains("kernel_a (launch 1, grid 3x2x1"));
  ring.record(b, {}, nullptr);
  CHECK_THAT(ring.recent(), StartsWith("kernel_b (launch 17") && !Contains("kernel_a"));
}

TEST_CASE("launches of many threads are recorded while others read, and no entry is a mixture") {
  LaunchRing ring;
  const std::vector<std::string> names{"k0", "k1", "k2", "k3"};
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < names.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 2000; ++n) {
        ring.record(names[i], {.grid = {i + 1, 1, 1}}, nullptr);
      }
    });
  }
  std::string seen;
  for (int n = 0; n < 200; ++n) {
    seen += ring.recent();
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  seen += ring.recent();
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (std::size_t at = seen.find(names[i] + " ("); at != std::string::npos; at = seen.find(names[i] + " (", at + 1)) {
      const std::size_t grid = seen.find("grid ", at) + 5;
      REQUIRE(seen.substr(grid, 2) == std::to_string(i + 1) + "x");
    }
  }
}
