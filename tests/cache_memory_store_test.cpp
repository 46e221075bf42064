// SPDX-License-Identifier: Apache-2.0
#include "cache/memory_store.h"

#include <catch2/catch.hpp>
#include <thread>

#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

TEST_CASE("memory gives back the object that was put, not a copy", "[cache]") {
  MemoryStore store(1 << 20);
  const auto code = code_of(1);
  REQUIRE(store.put(key_of(1), code));
  CHECK(*store.get(key_of(1)) == code);
  CHECK(*store.get(key_of(2)) == nullptr);
}

TEST_CASE("memory drops what was not used for the longest time", "[cache]") {
  const std::size_t one = [] {
    MemoryStore store(1 << 20);
    (void)store.put(key_of(1), code_of(1, 10000));
    return store.size_bytes();
  }();
  MemoryStore store(3 * one + one / 2);
  for (int i : {1, 2, 3}) {
    REQUIRE(store.put(key_of(i), code_of(i, 10000)));
  }
  REQUIRE(*store.get(key_of(1)) != nullptr);
  REQUIRE(store.put(key_of(4), code_of(4, 10000)));
  CHECK(*store.get(key_of(2)) == nullptr);
  CHECK(*store.get(key_of(1)) != nullptr);
  CHECK(*store.get(key_of(3)) != nullptr);
  CHECK(*store.get(key_of(4)) != nullptr);
  CHECK(store.size_bytes() <= 3 * one + one / 2);
}

TEST_CASE("an object larger than all of memory's room is not kept and drops nothing", "[cache]") {
  MemoryStore store(20000);
  REQUIRE(store.put(key_of(1), code_of(1, 1000)));
  REQUIRE(store.put(key_of(2), code_of(2, 50000)));
  CHECK(*store.get(key_of(1)) != nullptr);
  CHECK(*store.get(key_of(2)) == nullptr);
}

TEST_CASE("putting a key again replaces its object and its size", "[cache]") {
  MemoryStore store(1 << 20);
  REQUIRE(store.put(key_of(1), code_of(1, 1000)));
  const std::size_t before = store.size_bytes();
  const auto larger = code_of(1, 2000);
  REQUIRE(store.put(key_of(1), larger));
  CHECK(store.entry_count() == 1);
  CHECK(store.size_bytes() == before + 1000);
  CHECK(*store.get(key_of(1)) == larger);
}

TEST_CASE("an object outlives its eviction while somebody holds it", "[cache]") {
  MemoryStore store(5000);
  REQUIRE(store.put(key_of(1), code_of(1, 1000)));
  const auto held = *store.get(key_of(1));
  REQUIRE(store.put(key_of(2), code_of(2, 2000)));
  CHECK(*store.get(key_of(1)) == nullptr);
  CHECK(same_code(*held, *code_of(1, 1000)));
}

TEST_CASE("threads may put and get in memory at once", "[cache][threads]") {
  MemoryStore store(200000);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        const int number = (i * 7 + t) % 100;
        const auto found = *store.get(key_of(number));
        if (found == nullptr) {
          (void)store.put(key_of(number), code_of(number));
        } else if (found->entry != code_of(number, 0)->entry) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(wrong == 0);
  CHECK(store.size_bytes() <= 200000);
}
