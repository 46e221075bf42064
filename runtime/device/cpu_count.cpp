// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace sinter {

namespace {

// Both numbers in microseconds; a quota below 1 is no limit ("max" in version 2 does not parse, version 1 says -1).
int cpus_of(std::istream& quota_from, std::istream& period_from) {
  long long quota = 0, period = 0;
  if (!(quota_from >> quota) || !(period_from >> period) || quota < 1 || period < 1) {
    return 0;
  }
  return static_cast<int>(std::min<long long>((quota + period - 1) / period, 1 << 20));
}

int limit_in(const std::string& directory, bool unified) {
  if (unified) {
    std::ifstream both(directory + "/cpu.max");
    return cpus_of(both, both);
  }
  std::ifstream quota(directory + "/cpu.cfs_quota_us"), period(directory + "/cpu.cfs_period_us");
  return cpus_of(quota, period);
}

// True if "cpu" is one of the comma-separated words.
bool has_cpu_controller(std::string_view words) {
  while (!words.empty()) {
    const std::size_t comma = std::min(words.find(','), words.size());
    if (words.substr(0, comma) == "cpu") {
      return true;
    }
    words.remove_prefix(std::min(comma + 1, words.size()));
  }
  return false;
}

int affinity_cpus() {
  // The kernel refuses a mask shorter than its own; machines of more than 1024 CPUs exist.
  for (std::size_t cpus = 1024; cpus <= (1u << 20); cpus *= 2) {
    cpu_set_t* const set = CPU_ALLOC(cpus);
    if (set == nullptr) {
      break;
    }
    const std::size_t bytes = CPU_ALLOC_SIZE(cpus);
    const bool ok = sched_getaffinity(0, bytes, set) == 0;
    const bool too_short = !ok && errno == EINVAL;
    const int count = ok ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (!too_short) {
      return count;
    }
  }
  return 0;
}

}  // namespace

int cgroup_cpu_limit(std::string_view membership, std::string_view mount) {
  int lowest = 0;
  std::istringstream lines{std::string(membership)};
  // Each line is "hierarchy:controllers:path"; version 2 has hierarchy 0 and no controllers.
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool unified = controllers.empty();
    if (!unified && !has_cpu_controller(controllers)) {
      continue;
    }
    const std::string root = std::string(mount) + (unified ? "" : "/" + controllers);
    // Inside a container the path may name a directory of the host that is not visible here; its parents are tried too.
    for (std::string path = line.substr(second + 1);; path.resize(path.rfind('/'))) {
      if (path == "/") {
        path.clear();
      }
      const int limit = limit_in(root + path, unified);
      if (limit > 0 && (lowest == 0 || limit < lowest)) {
        lowest = limit;
      }
      if (path.find('/') == std::string::npos) {
        break;
      }
    }
  }
  return lowest;
}

int available_cpus() {
  int count = affinity_cpus();
  if (count < 1) {
    count = static_cast<int>(std::thread::hardware_concurrency());
  }
  std::ifstream file("/proc/self/cgroup");
  std::ostringstream membership;
  membership << file.rdbuf();
  const int limit = cgroup_cpu_limit(membership.str(), "/sys/fs/cgroup");
  return std::max(1, limit > 0 ? std::min(count, limit) : count);
}

}  // namespace sinter
