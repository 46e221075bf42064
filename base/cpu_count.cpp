// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_count.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <fstream>
#include <string>
#include <thread>

#include "base/cgroup.h"

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

int limit_in(const CgroupDirectory& directory) {
  if (directory.unified) {
    std::ifstream both(directory.path + "/cpu.max");
    return cpus_of(both, both);
  }
  std::ifstream quota(directory.path + "/cpu.cfs_quota_us"), period(directory.path + "/cpu.cfs_period_us");
  return cpus_of(quota, period);
}

// "0-3,8"; 0 for anything else.
int count_cpus(std::string_view list) {
  int count = 0;
  while (!list.empty()) {
    const std::string_view range = list.substr(0, list.find(','));
    list.remove_prefix(std::min(range.size() + 1, list.size()));
    int first = 0, last = 0;
    const char* const end = range.data() + range.size();
    auto parsed = std::from_chars(range.data(), end, first);
    last = first;
    if (parsed.ec == std::errc{} && parsed.ptr != end && *parsed.ptr == '-') {
      parsed = std::from_chars(parsed.ptr + 1, end, last);
    }
    if (parsed.ec != std::errc{} || parsed.ptr != end || last < first) {
      return 0;
    }
    count += last - first + 1;
  }
  return count;
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
  for (const CgroupDirectory& directory : cgroup_directories(membership, mount, "cpu")) {
    const int limit = limit_in(directory);
    if (limit > 0 && (lowest == 0 || limit < lowest)) {
      lowest = limit;
    }
  }
  return lowest;
}

int cgroup_cpu_set(std::string_view membership, std::string_view mount) {
  for (const CgroupDirectory& directory : cgroup_directories(membership, mount, "cpuset")) {
    std::ifstream file(directory.path + (directory.unified ? "/cpuset.cpus.effective" : "/cpuset.effective_cpus"));
    std::string list;
    if (file >> list && count_cpus(list) > 0) {
      return count_cpus(list);
    }
  }
  return 0;
}

int available_cpus() {
  int count = affinity_cpus();
  if (count < 1) {
    count = static_cast<int>(std::thread::hardware_concurrency());
  }
  const int limit = cgroup_cpu_limit(own_cgroups(), kCgroupMount);
  return std::max(1, limit > 0 ? std::min(count, limit) : count);
}

int node_cpus() {
  const std::string membership = own_cgroups();
  int count = cgroup_cpu_set(membership, kCgroupMount);
  if (count < 1) {
    count = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  }
  const int limit = cgroup_cpu_limit(membership, kCgroupMount);
  return std::max(available_cpus(), limit > 0 ? std::min(count, limit) : count);
}

}  // namespace sinter
