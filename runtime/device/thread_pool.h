// SPDX-License-Identifier: Apache-2.0
#pragma once

// The host device's compute units: a fixed set of threads that run the blocks of one launch after the other.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/fork_safe_mutex.h"
#include "base/result.h"

namespace sinter {

/// What a host kernel is told about its call. Part of the host ABI: templates/sinter_device/host.h has the same struct.
struct HostBlock {
  std::uint32_t index;  ///< 0 to count - 1.
  std::uint32_t count;
  void* scratch;        ///< The running thread's own memory, 64-byte aligned.
};
static_assert(sizeof(HostBlock) == 16 && offsetof(HostBlock, scratch) == 8, "kernels are compiled against this layout");

/// A host kernel: called once per block, on any thread.
using HostEntry = void (*)(const void* args, const HostBlock* block);

/// Runs launches one at a time on `size()` threads, of which the launching thread is one.
///
/// Thread-safe: launches of several threads wait for each other. A launch allocates nothing and makes at most three
/// system calls: to wake the others, to wait for the last block, and to wait for its turn.
/// In a forked child the threads are gone and the launching thread does all the work alone.
class ThreadPool {
 public:
  /// Starts `threads` - 1 threads (at least 1 in all). They inherit the affinity of the caller and take no signals.
  /// Errors: kDriverError if the system refuses a thread.
  static Result<std::unique_ptr<ThreadPool>> create(int threads);

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  int size() const { return static_cast<int>(threads_.size()) + 1; }

  /// Makes the scratch of every thread at least `bytes` long, touched and ready. Waits for a running launch.
  /// Errors: kDriverError when memory is short; the old scratch stays.
  Result<void> reserve_scratch(std::size_t bytes);

  /// Calls `entry` for each block in 0..blocks-1 and returns when all have finished; whatever they wrote is visible.
  /// Blocks are handed out in ascending order, each to the next thread that is free. They run in the default
  /// floating-point environment, whatever the caller's is. REQUIRES: `entry` does not throw and does not launch.
  void run(HostEntry entry, const void* args, std::uint32_t blocks);

 private:
  struct FreeScratch {
    void operator()(void* memory) const;
  };
  using Scratch = std::unique_ptr<void, FreeScratch>;

  explicit ThreadPool(int threads);
  Result<void> start();
  void worker(std::size_t index);
  void run_blocks(void* scratch);

  ForkSafeMutex launch_;  // Held by the launch in progress; guards job_ and the scratch against each other's writers.
  std::vector<Scratch> scratch_;  // [0] belongs to the launching thread.
  std::size_t scratch_bytes_ = 0;

  // The launch in progress. Written before kOpen is set, read only between joining and leaving.
  struct Job {
    HostEntry entry = nullptr;
    const void* args = nullptr;
    std::uint32_t blocks = 0;
  } job_;

  static constexpr std::uint32_t kOpen = 1u << 31;
  // Each word that threads sleep on, and the counter that all of them hit, has a cache line of its own.
  alignas(64) std::atomic<std::uint32_t> launches_ = 0;  // Launches so far, and the shutdown; idle threads sleep on it.
  alignas(64) std::atomic<std::uint32_t> helpers_ = 0;   // kOpen while threads may join, plus how many have.
  alignas(64) std::atomic<std::uint64_t> next_block_ = 0;
  alignas(64) std::atomic<bool> stop_ = false;

  std::vector<std::thread> threads_;
  const int owner_pid_;
};

}  // namespace sinter
