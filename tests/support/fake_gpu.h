// SPDX-License-Identifier: Apache-2.0
#pragma once

// Fake driver libraries for tests: shared objects with the exported names of libcuda and libamdhip64 that record the
// calls made to them and fail on demand. No device, no code executed. Each exports `fake_gpu`, its control block.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace sinter::testing {

/// One launch as the library saw it.
struct FakeLaunch {
  unsigned grid[3] = {};
  unsigned block[3] = {};
  unsigned dynamic_shared_bytes = 0;
  void* stream = nullptr;
  std::string args;  ///< The bytes that a driver would copy.
  void* context = nullptr;  ///< CUDA: current at the launch.
  int device = 0;           ///< HIP: current at the launch.
};

/// What the fake does and what was done to it. All access under the mutex.
struct FakeGpu {
  std::mutex mutex;

  // --- set by the test ---
  int device_count = 1;
  std::map<std::string, int> failures;  ///< Status by function name.
  std::string jit_log;                  ///< Written to the error log of a failing cuModuleLoadDataEx.
  std::size_t args_bytes = 24;          ///< Of the kernel: what a launch copies.
  std::size_t args_offset = 0;          ///< Of the first parameter, as the driver tells it.
  int max_dynamic_shared_bytes = 49152;
  int blocks_per_unit = 2;
  int compute_capability = 90;
  std::string arch = "gfx942:sramecc+:xnack-";
  int local_bytes = 16;                 ///< CUDA: scratch per thread of the kernel.
  int capturing = 0;                    ///< Status of a stream's capture: 0 none, 1 active.
  int capture_status = 0;               ///< What asking for it returns.
  std::function<void(void* stream)> on_launch;  ///< CUDA: called by each launch, without the mutex.
  std::atomic<bool> is_silent = false;  ///< CUDA: launches and the calls before them record nothing.

  // --- recorded ---
  std::vector<std::string> calls;  ///< In order. Attribute queries are left out.
  std::vector<FakeLaunch> launches;
  int live_modules = 0;
  int live_buffers = 0;
  int live_events = 0;
  int live_streams = 0;
  int primary_references = 0;  ///< CUDA.
  int last_error = 0;          ///< HIP.
};

using FakeGpuFunction = FakeGpu*();

/// Records a call. Returns the status that the test wants of it, else 0. REQUIRES: the mutex is held.
inline int record(FakeGpu& fake, const char* call) {
  fake.calls.emplace_back(call);
  const auto failure = fake.failures.find(call);
  return failure == fake.failures.end() ? 0 : failure->second;
}

}  // namespace sinter::testing
