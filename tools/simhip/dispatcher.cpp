// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/dispatcher.h"

#include <xmmintrin.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

namespace sinter::sim {

namespace {

/// Lets the host's float arithmetic treat subnormal numbers as 0, where the kernel asks for that, as long as this
/// lives.
class FloatMode {
 public:
  explicit FloatMode(bool flushes_subnormals) : before_(_mm_getcsr()) {
    constexpr unsigned kFlushResults = 0x8000, kFlushOperands = 0x40;
    if (flushes_subnormals) {
      _mm_setcsr(before_ | kFlushResults | kFlushOperands);
    }
  }
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;
  ~FloatMode() { _mm_setcsr(before_); }

 private:
  const unsigned before_;
};

}  // namespace

LaunchResult execute(const Launch& launch) {
  const std::uint64_t groups = std::uint64_t{launch.grid[0]} * launch.grid[1] * launch.grid[2];
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> is_stopped{false};
  std::mutex mutex;  // guards the result
  LaunchResult result;

  const auto work = [&] {
    const FloatMode mode(launch.kernel->flushes_subnormals);
    WorkGroupRunner runner(launch);
    std::optional<Fault> fault;
    while (!fault && !is_stopped) {
      const std::uint64_t number = next++;
      if (number >= groups) {
        break;
      }
      fault = runner.run({static_cast<std::uint32_t>(number % launch.grid[0]),
                          static_cast<std::uint32_t>(number / launch.grid[0] % launch.grid[1]),
                          static_cast<std::uint32_t>(number / launch.grid[0] / launch.grid[1])});
    }
    is_stopped = is_stopped || fault.has_value();
    const std::lock_guard lock(mutex);
    result.counts.instructions += runner.counts().instructions;
    result.counts.vector_memory += runner.counts().vector_memory;
    result.counts.preemptions += runner.counts().preemptions;
    result.counts.skipped += runner.counts().skipped;
    if (!result.fault) {
      result.fault = std::move(fault);
    }
  };

  const std::uint64_t cores = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::jthread> helpers;
  for (std::uint64_t i = 1; i < std::min(cores, groups); ++i) {
    helpers.emplace_back(work);
  }
  work();
  helpers.clear();  // joins
  return result;
}

}  // namespace sinter::sim
