// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/worker_budget.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

#include "base/cgroup.h"
#include "base/cpu_count.h"

namespace sinter {
namespace {

/// Room for one worker. After a small compile NVRTC's is 70 MiB, hiprtc's 115 and LLVM's 121; large kernels need more.
constexpr std::int64_t kWorkerBytes = std::int64_t{400} << 20;
constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

/// The number that a file consists of; "max" is none.
std::int64_t number_in(const std::string& path, std::int64_t fallback) {
  std::ifstream file(path);
  std::int64_t value = 0;
  return file >> value ? value : fallback;
}

/// The number after a name in a file of "name number" lines.
std::int64_t number_of(const std::string& path, std::string_view wanted) {
  std::ifstream file(path);
  std::string name;
  std::int64_t value = 0;
  while (file >> name >> value) {
    if (name == wanted) {
      return value;
    }
  }
  return 0;
}

/// Version 1 has no word for "no limit" but a number near the largest.
std::int64_t free_in(const CgroupDirectory& directory) {
  const std::string at = directory.path + "/memory.";
  const std::int64_t limit = number_in(at + (directory.unified ? "max" : "limit_in_bytes"), kUnlimited);
  if (limit >= kUnlimited / 2) {
    return kUnlimited;
  }
  const std::int64_t used = number_in(at + (directory.unified ? "current" : "usage_in_bytes"), 0);
  const std::int64_t cache = number_of(at + "stat", directory.unified ? "inactive_file" : "total_inactive_file");
  return std::max<std::int64_t>(limit - used + cache, 1);
}

std::int64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  std::int64_t kib = 0;
  while (file >> name >> kib && std::getline(file, unit)) {
    if (name == "MemAvailable:") {
      return kib * 1024;
    }
  }
  return kUnlimited;
}

std::int64_t free_memory() {
  const std::int64_t machine = available_memory();
  const std::int64_t group = cgroup_free_memory(own_cgroups(), kCgroupMount);
  const std::int64_t lowest = group > 0 ? std::min(machine, group) : machine;
  return lowest == kUnlimited ? 0 : lowest;
}

}  // namespace

std::int64_t cgroup_free_memory(std::string_view membership, std::string_view mount) {
  std::int64_t lowest = kUnlimited;
  for (const CgroupDirectory& directory : cgroup_directories(membership, mount, "memory")) {
    lowest = std::min(lowest, free_in(directory));
  }
  return lowest == kUnlimited ? 0 : lowest;
}

MachineShare process_share() { return {available_cpus(), free_memory()}; }

MachineShare node_share() { return {node_cpus(), free_memory()}; }

std::int64_t worker_budget(const MachineShare& share) {
  std::int64_t count = share.cores;
  if (share.free_memory_bytes > 0) {
    count = std::min(count, share.free_memory_bytes / kWorkerBytes);
  }
  return std::max<std::int64_t>(count, 1);
}

}  // namespace sinter
