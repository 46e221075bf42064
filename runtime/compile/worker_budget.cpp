// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/worker_budget.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>

namespace sinter {
namespace {

/// Room for one worker. After a small compile NVRTC's is 70 MiB, hiprtc's 115 and LLVM's 121; large kernels need more.
constexpr std::int64_t kWorkerBytes = std::int64_t{400} << 20;
constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

/// The first word of a file, if it can be read.
std::optional<std::string> first_word(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  return file >> word ? std::optional(word) : std::nullopt;
}

std::int64_t number_in(const std::string& path, std::int64_t fallback) {
  const auto word = first_word(path);
  std::istringstream text(word.value_or(""));
  std::int64_t value = 0;
  return text >> value ? value : fallback;  // "max" is no number
}

/// This process's group and all above it: each can limit it.
template <class Visit>
void for_each_cgroup(Visit visit) {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("0::/")) {
      continue;
    }
    std::string path = line.substr(3);
    while (!path.empty()) {
      visit("/sys/fs/cgroup" + path + (path == "/" ? "" : "/"));
      path.resize(path == "/" ? 0 : std::max<std::size_t>(path.rfind('/'), 1));
    }
  }
}

std::int64_t affinity_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  // A machine with more CPUs than the set holds gives an error.
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
    return CPU_COUNT(&set);
  }
  return std::max<std::int64_t>(::sysconf(_SC_NPROCESSORS_ONLN), 1);
}

/// "200000 100000": microseconds of CPU per period; at least one core.
std::int64_t cgroup_cores(const std::string& directory) {
  std::ifstream file(directory + "cpu.max");
  std::int64_t quota = 0, period = 0;
  if (!(file >> quota >> period) || period <= 0) {
    return kUnlimited;
  }
  return std::max<std::int64_t>(quota / period, 1);
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

}  // namespace

MachineShare machine_share() {
  std::int64_t cores = affinity_cores();
  std::int64_t memory = available_memory();
  for_each_cgroup([&](const std::string& directory) {
    cores = std::min(cores, cgroup_cores(directory));
    const std::int64_t limit = number_in(directory + "memory.max", kUnlimited);
    if (limit != kUnlimited) {
      memory = std::min(memory, std::max<std::int64_t>(limit - number_in(directory + "memory.current", 0), 1));
    }
  });
  return {cores, memory == kUnlimited ? 0 : memory};
}

std::int64_t worker_budget(const MachineShare& share) {
  std::int64_t count = share.cores;
  if (share.free_memory_bytes > 0) {
    count = std::min(count, share.free_memory_bytes / kWorkerBytes);
  }
  return std::max<std::int64_t>(count, 1);
}

}  // namespace sinter
