// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the limits of this process's control groups are written, in version 1 and 2 alike.

#include <string>
#include <string_view>
#include <vector>

namespace sinter {

inline constexpr std::string_view kCgroupMount = "/sys/fs/cgroup";

struct CgroupDirectory {
  std::string path;     ///< Without a slash at the end; may not exist.
  bool unified = true;  ///< Version 2, which names its files differently.
};

/// The text of /proc/self/cgroup; empty if there is none.
std::string own_cgroups();

/// The groups of `membership` (own_cgroups()) whose hierarchy has the controller, and all above them: each can limit.
/// Inside a container a path may name a directory of the host that is not visible there; its parents are.
std::vector<CgroupDirectory> cgroup_directories(std::string_view membership, std::string_view mount,
                                                std::string_view controller);

}  // namespace sinter
