// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many CPUs this process may really use: a container's quota counts, not only what the machine has. The one answer
// for threads, compile workers and builds.

#include <string_view>

namespace sinter {

/// The smaller of the CPUs in this thread's affinity mask and the cgroup's CPU quota, rounded up; at least 1.
/// Reads /proc and /sys. Thread-safe.
int available_cpus();

/// The same for all processes of this container or machine together: of its set of CPUs, whatever the affinity of this
/// process is. Never below available_cpus().
int node_cpus();

/// CPUs that the quotas of a cgroup and its parents allow, rounded up; 0 if none limits.
/// `membership` is the text of /proc/self/cgroup, `mount` where the cgroup file systems are ("/sys/fs/cgroup").
int cgroup_cpu_limit(std::string_view membership, std::string_view mount);

/// CPUs in the set of the closest cgroup that has one; 0 if none has.
int cgroup_cpu_set(std::string_view membership, std::string_view mount);

}  // namespace sinter
