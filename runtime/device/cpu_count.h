// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many CPUs this process may really use: a container's quota counts, not only what the machine has.

#include <string_view>

namespace sinter {

/// The smaller of the CPUs in this thread's affinity mask and the cgroup's CPU quota, rounded up; at least 1.
/// Reads /proc and /sys. Thread-safe.
int available_cpus();

/// CPUs that the quotas of a cgroup and its parents allow, rounded up; 0 if none limits.
/// `membership` is the text of /proc/self/cgroup, `mount` where the cgroup file systems are ("/sys/fs/cgroup").
int cgroup_cpu_limit(std::string_view membership, std::string_view mount);

}  // namespace sinter
