// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many compile workers there may be at once.

#include <cstdint>
#include <string_view>

namespace sinter {

/// A part of the machine.
struct MachineShare {
  std::int64_t cores = 1;
  std::int64_t free_memory_bytes = 0;  ///< 0: unknown.
};

/// What this process may use, by its affinity mask and its control groups. Reads /proc and /sys. Thread-safe.
MachineShare process_share();
/// The same for all processes of its container, or of the machine.
MachineShare node_share();

/// As many workers as cores, fewer where memory is short, at least one.
std::int64_t worker_budget(const MachineShare& share);

/// What a cgroup and its parents leave of their memory limits; page cache that can be dropped counts as free. 0: no
/// limit. `membership` and `mount`: see base/cgroup.h.
std::int64_t cgroup_free_memory(std::string_view membership, std::string_view mount);

}  // namespace sinter
