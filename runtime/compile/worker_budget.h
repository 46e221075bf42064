// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many compile workers this process may have at once.

#include <cstdint>

namespace sinter {

/// What this process may use of the machine, by its affinity mask and its control group (version 2).
struct MachineShare {
  std::int64_t cores = 1;
  std::int64_t free_memory_bytes = 0;  ///< 0: unknown.
};

/// Reads /proc and /sys. Thread-safe.
MachineShare machine_share();

/// As many workers as cores, fewer where memory is short, at least one.
std::int64_t worker_budget(const MachineShare& share);

}  // namespace sinter
