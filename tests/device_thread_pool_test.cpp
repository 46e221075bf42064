// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/thread_pool.h"

#include <fenv.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include <catch2/catch.hpp>

namespace sinter {
namespace {

std::unique_ptr<ThreadPool> make_pool(int threads) {
  auto pool = ThreadPool::create(threads);
  REQUIRE(pool);
  return std::move(*pool);
}

/// Counts calls per block. Blocks of one launch touch different elements, so plain integers do.
struct CountArgs {
  std::uint32_t* calls;
  std::uint32_t expected_count;
};

void count_call(const void* args, const HostBlock* block) {
  const auto& count = *static_cast<const CountArgs*>(args);
  count.calls[block->index] += block->count == count.expected_count ? 1 : 1000;
}

std::vector<std::uint32_t> count_calls(ThreadPool& pool, std::uint32_t blocks) {
  std::vector<std::uint32_t> calls(blocks);
  const CountArgs args{calls.data(), blocks};
  pool.run(count_call, &args, blocks);
  return calls;
}

bool all_are(const std::vector<std::uint32_t>& values, std::uint32_t expected) {
  return std::all_of(values.begin(), values.end(), [&](std::uint32_t value) { return value == expected; });
}

}  // namespace

TEST_CASE("every block of a launch runs once and its writes are visible afterwards") {
  const int threads = GENERATE(1, 2, 3, 16);
  const auto pool = make_pool(threads);
  CHECK(pool->size() == threads);
  for (const std::uint32_t blocks : {0u, 1u, 2u, 3u, 17u, 1000u}) {
    CAPTURE(threads, blocks);
    CHECK(all_are(count_calls(*pool, blocks), 1));
  }
}

TEST_CASE("a pool of no threads is one of the launching thread alone") {
  const auto pool = make_pool(0);
  CHECK(pool->size() == 1);
  CHECK(all_are(count_calls(*pool, 10), 1));
}

TEST_CASE("a pool that never launched can be destroyed") { CHECK(make_pool(8)->size() == 8); }

TEST_CASE("ten thousand short launches lose no block") {
  const auto pool = make_pool(4);
  std::vector<std::uint32_t> calls(5);
  const CountArgs args{calls.data(), 5};
  for (int i = 0; i < 10'000; ++i) {
    pool->run(count_call, &args, 5);
  }
  CHECK(all_are(calls, 10'000));
}

TEST_CASE("several threads may launch at once") {
  const auto pool = make_pool(3);
  std::vector<std::vector<std::uint32_t>> calls(4, std::vector<std::uint32_t>(7));
  std::vector<std::thread> launchers;
  for (std::vector<std::uint32_t>& mine : calls) {
    launchers.emplace_back([&] {
      const CountArgs args{mine.data(), 7};
      for (int i = 0; i < 1000; ++i) {
        pool->run(count_call, &args, 7);
      }
    });
  }
  for (std::thread& launcher : launchers) {
    launcher.join();
  }
  for (const std::vector<std::uint32_t>& mine : calls) {
    CHECK(all_are(mine, 1000));
  }
}

TEST_CASE("blocks go to whichever thread is free, so a long block does not hold the others back") {
  const auto pool = make_pool(2);
  std::atomic<int> finished = 0;
  std::atomic<int>* const args = &finished;
  // The first block ends only when the 99 others have: blocks that were dealt out beforehand would wait for ever.
  pool->run(
      [](const void* opaque, const HostBlock* block) {
        std::atomic<int>& count = **static_cast<std::atomic<int>* const*>(opaque);
        while (block->index == 0 && count.load() < 99) {
          std::this_thread::yield();
        }
        ++count;
      },
      &args, 100);
  CHECK(finished == 100);
}

TEST_CASE("scratch is aligned, as large as asked for, and belongs to one running block at a time") {
  constexpr std::size_t kBytes = 100'000;
  struct Args {
    std::atomic<int> wrong = 0;
  };
  const auto pool = make_pool(4);
  REQUIRE(pool->reserve_scratch(kBytes));
  REQUIRE(pool->reserve_scratch(10));  // never shrinks
  Args args;
  pool->run(
      [](const void* opaque, const HostBlock* block) {
        auto& wrong = const_cast<Args*>(static_cast<const Args*>(opaque))->wrong;
        const auto mine = static_cast<unsigned char>(block->index);
        auto* const scratch = static_cast<unsigned char*>(block->scratch);
        std::memset(scratch, mine, kBytes);
        std::this_thread::yield();
        wrong += reinterpret_cast<std::uintptr_t>(scratch) % 64 != 0;
        wrong += !std::all_of(scratch, scratch + kBytes, [&](unsigned char byte) { return byte == mine; });
      },
      &args, 200);
  CHECK(args.wrong == 0);
}

TEST_CASE("scratch beyond any memory is an error and the pool goes on") {
  const auto pool = make_pool(2);
  const auto reserved = pool->reserve_scratch(~std::size_t{0});
  REQUIRE_FALSE(reserved);
  CHECK(reserved.error().code == ErrorCode::kDriverError);
  CHECK(all_are(count_calls(*pool, 10), 1));
}

TEST_CASE("blocks run in the default floating-point environment whatever the launching thread has set") {
  const unsigned before = _mm_getcsr();
  const auto run_under = [](unsigned control) {
    _mm_setcsr(control);
    const auto pool = make_pool(2);  // the threads start with the creator's environment
    std::atomic<int> unusual = 0;
    std::atomic<int>* args = &unusual;
    pool->run(
        [](const void* opaque, const HostBlock*) {
          **static_cast<std::atomic<int>* const*>(opaque) += (_mm_getcsr() & ~0x3fu) != 0x1f80u;
        },
        &args, 100);
    return unusual.load();
  };
  const int unusual = run_under(0x1f80u | 0x8040u | 0x2000u);  // flush to zero, denormals are zero, round down
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  CHECK(unusual == 0);
  CHECK((after & ~0x3fu) == (0x1f80u | 0x8040u | 0x2000u));
}

TEST_CASE("a launch allocates no memory") {
  const auto pool = make_pool(4);
  REQUIRE(pool->reserve_scratch(4096));
  std::vector<std::uint32_t> calls(100);
  const CountArgs args{calls.data(), 100};
  pool->run(count_call, &args, 100);
  const struct mallinfo2 before = mallinfo2();
  for (int i = 0; i < 100; ++i) {
    pool->run(count_call, &args, 100);
  }
  const struct mallinfo2 after = mallinfo2();
  CHECK(after.uordblks == before.uordblks);
  CHECK(after.hblkhd == before.hblkhd);
}

TEST_CASE("a forked child launches on its own thread and can let the pool go") {
  auto pool = make_pool(3);
  CHECK(all_are(count_calls(*pool, 10), 1));
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(20);
    const bool right = all_are(count_calls(*pool, 100), 1);
    pool.reset();
    _exit(right ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(all_are(count_calls(*pool, 10), 1));
}

}  // namespace sinter
