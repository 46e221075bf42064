// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include <thread>
#include <vector>

#include "runtime/live_table.h"

using namespace sinter;

namespace {

LiveKey key(std::int64_t n) {
  LiveKey key;
  key.request.values[2] = n;
  return key;
}

// The table never looks at a kernel, so any address will do.
const KernelHandle* fake_kernel(std::int64_t n) { return reinterpret_cast<const KernelHandle*>(static_cast<std::uintptr_t>(8 * n + 8)); }

}  // namespace

TEST_CASE("a live table finds what was put in and nothing else, through growth") {
  LiveTable table;
  for (std::int64_t n = 0; n < 5000; ++n) {
    CHECK(table.find(key(n)) == nullptr);
    table.insert(key(n), fake_kernel(n));
  }
  for (std::int64_t n = 0; n < 5000; ++n) {
    REQUIRE(table.find(key(n)) == fake_kernel(n));
  }
  CHECK(table.find(key(5000)) == nullptr);
  LiveKey other_device = key(1);
  other_device.device = 1;
  CHECK(table.find(other_device) == nullptr);
}

TEST_CASE("a key keeps its first kernel") {
  LiveTable table;
  table.insert(key(1), fake_kernel(1));
  table.insert(key(1), fake_kernel(2));
  CHECK(table.find(key(1)) == fake_kernel(1));
}

TEST_CASE("readers beside a writer see finished entries only") {
  LiveTable table;
  std::vector<std::jthread> readers;
  for (int t = 0; t < 4; ++t) {
    readers.emplace_back([&](std::stop_token stop) {
      while (!stop.stop_requested()) {
        for (std::int64_t n = 0; n < 2000; ++n) {
          const KernelHandle* kernel = table.find(key(n));
          if (kernel != nullptr && kernel != fake_kernel(n)) {
            std::abort();
          }
        }
      }
    });
  }
  for (std::int64_t n = 0; n < 2000; ++n) {
    table.insert(key(n), fake_kernel(n));
  }
  readers.clear();
  for (std::int64_t n = 0; n < 2000; ++n) {
    REQUIRE(table.find(key(n)) == fake_kernel(n));
  }
}

TEST_CASE("a full table takes no more and keeps what it has") {
  LiveTable table;
  const auto most = static_cast<std::int64_t>(LiveTable::kMostEntries);
  for (std::int64_t n = 0; n < most; ++n) {
    (void)table.insert(key(n), fake_kernel(n));
  }
  CHECK(table.insert(key(most), fake_kernel(most)) == nullptr);
  CHECK(table.find(key(most)) == nullptr);
  CHECK(table.find(key(most - 1)) == fake_kernel(most - 1));
  CHECK(table.insert(key(7), fake_kernel(8)) == fake_kernel(7));
}
