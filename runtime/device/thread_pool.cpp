// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/thread_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include <fmt/format.h>

#include "base/blocked_signals.h"

namespace sinter {

namespace {

// Raw futexes rather than std::atomic::wait: only as many threads are woken as there are blocks.
static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t), "the kernel compares the plain word");
static_assert(std::atomic<std::uint32_t>::is_always_lock_free, "the kernel compares the plain word");

void sleep_while(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void wake(std::atomic<std::uint32_t>& word, std::size_t threads) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, static_cast<int>(threads), nullptr, nullptr, 0);
}

// Hosts switch on flush-to-zero or other roundings for their own code; kernels give the same bits regardless.
class DefaultFloatingPoint {
 public:
  DefaultFloatingPoint() : before_(_mm_getcsr()) { _mm_setcsr(kDefault); }
  DefaultFloatingPoint(const DefaultFloatingPoint&) = delete;
  DefaultFloatingPoint& operator=(const DefaultFloatingPoint&) = delete;
  ~DefaultFloatingPoint() { _mm_setcsr(before_); }

 private:
  static constexpr unsigned kDefault = 0x1f80;  // All exceptions masked, round to nearest even, denormals honoured.
  unsigned before_;
};

constexpr std::size_t kPage = 4096;

}  // namespace

void ThreadPool::FreeScratch::operator()(void* memory) const { std::free(memory); }

ThreadPool::ThreadPool(int threads) : scratch_(static_cast<std::size_t>(threads)), owner_pid_(getpid()) {}

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(int threads) {
  std::unique_ptr<ThreadPool> pool(new ThreadPool(std::max(threads, 1)));
  SINTER_TRY_VOID(pool->start());
  return pool;
}

Result<void> ThreadPool::start() {
  const BlockedSignals blocked;
  threads_.reserve(scratch_.size() - 1);
  for (std::size_t i = 1; i < scratch_.size(); ++i) {
    try {
      threads_.emplace_back([this, i] { worker(i); });
    } catch (const std::system_error& error) {
      return make_error(ErrorCode::kDriverError, fmt::format("host device: cannot start thread {} of {}: {}", i + 1,
                                                             scratch_.size(), error.code().message()));
    }
    pthread_setname_np(threads_.back().native_handle(), "sinter-host");
  }
  return {};
}

ThreadPool::~ThreadPool() {
  if (getpid() != owner_pid_) {
    for (std::thread& thread : threads_) {
      thread.detach();  // A forked child has the handles but not the threads: a join would never return.
    }
    return;
  }
  stop_.store(true, std::memory_order_relaxed);
  launches_.fetch_add(1, std::memory_order_release);
  wake(launches_, threads_.size());
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

Result<void> ThreadPool::reserve_scratch(std::size_t bytes) {
  const std::lock_guard lock(launch_);
  if (bytes <= scratch_bytes_) {
    return {};
  }
  const std::size_t rounded = bytes / kPage * kPage + kPage;
  std::vector<Scratch> larger;
  larger.reserve(scratch_.size());
  for (std::size_t i = 0; i < scratch_.size(); ++i) {
    larger.emplace_back(rounded > bytes ? std::aligned_alloc(kPage, rounded) : nullptr);  // no overflow
    if (larger.back() == nullptr) {
      return make_error(ErrorCode::kDriverError,
                        fmt::format("host device: no memory for the scratch of {} threads, {} bytes each",
                                    scratch_.size(), bytes));
    }
    std::memset(larger.back().get(), 0, rounded);  // so that no launch pays for the page faults
  }
  scratch_ = std::move(larger);
  scratch_bytes_ = rounded;
  return {};
}

void ThreadPool::run(HostEntry entry, const void* args, std::uint32_t blocks) {
  if (blocks == 0) {
    return;
  }
  const std::lock_guard lock(launch_);
  const DefaultFloatingPoint floating_point;
  job_ = {entry, args, blocks};
  next_block_.store(0, std::memory_order_relaxed);
  const std::size_t wanted = std::min<std::size_t>(threads_.size(), blocks - 1);
  if (wanted > 0) {
    helpers_.store(kOpen, std::memory_order_release);
    launches_.fetch_add(1, std::memory_order_release);
    wake(launches_, wanted);
  }
  run_blocks(scratch_[0].get());
  // Closed: who has not joined by now finds no work, and does not touch job_ any more.
  std::uint32_t helping = helpers_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
  while (helping != 0) {
    sleep_while(helpers_, helping);
    helping = helpers_.load(std::memory_order_acquire);
  }
}

void ThreadPool::worker(std::size_t index) {
  const DefaultFloatingPoint floating_point;
  std::uint32_t seen = 0;
  for (;;) {
    const std::uint32_t launches = launches_.load(std::memory_order_acquire);
    if (launches == seen) {
      sleep_while(launches_, seen);
      continue;
    }
    seen = launches;
    if (stop_.load(std::memory_order_relaxed)) {
      return;
    }
    std::uint32_t helpers = helpers_.load(std::memory_order_relaxed);
    while ((helpers & kOpen) != 0) {
      if (helpers_.compare_exchange_weak(helpers, helpers + 1, std::memory_order_acquire, std::memory_order_relaxed)) {
        run_blocks(scratch_[index].get());
        if (helpers_.fetch_sub(1, std::memory_order_release) == 1) {
          wake(helpers_, 1);  // the last to leave a closed launch
        }
        break;
      }
    }
  }
}

void ThreadPool::run_blocks(void* scratch) {
  const Job job = job_;
  for (;;) {
    const std::uint64_t index = next_block_.fetch_add(1, std::memory_order_relaxed);
    if (index >= job.blocks) {
      return;
    }
    const HostBlock block{static_cast<std::uint32_t>(index), job.blocks, scratch};
    job.entry(job.args, &block);
  }
}

}  // namespace sinter
