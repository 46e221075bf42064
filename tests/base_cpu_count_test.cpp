// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_count.h"

#include <sched.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <unistd.h>

namespace sinter {
namespace {

namespace fs = std::filesystem;

/// A directory that looks like /sys/fs/cgroup.
class CgroupMount {
 public:
  CgroupMount() : root_(fs::temp_directory_path() / fmt::format("sinter_cgroup_{}", getpid())) {
    fs::create_directory(root_);
  }
  CgroupMount(const CgroupMount&) = delete;
  CgroupMount& operator=(const CgroupMount&) = delete;
  ~CgroupMount() { fs::remove_all(root_); }

  void write(const std::string& file, const std::string& text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  int cpu_set(std::string_view membership) const { return cgroup_cpu_set(membership, root_.string()); }
  int limit(std::string_view membership) const { return cgroup_cpu_limit(membership, root_.string()); }

 private:
  fs::path root_;
};

}  // namespace

TEST_CASE("a version 2 quota is rounded up to whole CPUs") {
  const CgroupMount mount;
  mount.write("box/cpu.max", "150000 100000\n");
  CHECK(mount.limit("0::/box\n") == 2);
  mount.write("box/cpu.max", "max 100000\n");
  CHECK(mount.limit("0::/box\n") == 0);
}

TEST_CASE("the tightest quota of a group and its parents counts") {
  const CgroupMount mount;
  mount.write("cpu.max", "800000 100000");
  mount.write("pod/cpu.max", "300000 100000");
  mount.write("pod/box/cpu.max", "max 100000");
  CHECK(mount.limit("0::/pod/box\n") == 3);
  CHECK(mount.limit("0::/\n") == 8);
}

TEST_CASE("a group that is not visible from inside a container is looked for at the mount") {
  const CgroupMount mount;
  mount.write("cpu.max", "400000 100000");
  CHECK(mount.limit("0::/kubepods/pod1/abc\n") == 4);
}

TEST_CASE("version 1 quotas are read from the hierarchy that has the cpu controller") {
  const CgroupMount mount;
  mount.write("cpu,cpuacct/box/cpu.cfs_quota_us", "250000\n");
  mount.write("cpu,cpuacct/box/cpu.cfs_period_us", "100000\n");
  CHECK(mount.limit("7:cpuset:/box\n4:cpu,cpuacct:/box\n") == 3);
  mount.write("cpu,cpuacct/box/cpu.cfs_quota_us", "-1\n");
  CHECK(mount.limit("4:cpu,cpuacct:/box\n") == 0);
}

TEST_CASE("text that is no cgroup membership and files that are no quota limit nothing") {
  const CgroupMount mount;
  mount.write("cpu.max", "0 0\n");
  for (const char* text : {"", "\n\n", "0", "0:", "0::", "::", "0::/\n", ":::::\n", "4:cpu:\n"}) {
    CAPTURE(text);
    CHECK(mount.limit(text) == 0);
  }
}

TEST_CASE("CPUs outside of the affinity mask are not available") {
  const int all = available_cpus();
  CHECK(all >= 1);
  CHECK(all <= static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  int pinned = 0;
  std::thread([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
    sched_setaffinity(0, sizeof one, &one);
    pinned = available_cpus();
  }).join();
  CHECK(pinned == 1);
}

TEST_CASE("the set of CPUs of a container is read from the closest group that has one") {
  const CgroupMount mount;
  mount.write("cpuset.cpus.effective", "0-63\n");
  mount.write("pod/cpuset.cpus.effective", "0-3,8,10-11\n");
  CHECK(mount.cpu_set("0::/pod/box\n") == 7);
  CHECK(mount.cpu_set("0::/other\n") == 64);
  mount.write("cpuset/box/cpuset.effective_cpus", "2\n");
  CHECK(mount.cpu_set("3:cpuset:/box\n") == 1);
  mount.write("bad/cpuset.cpus.effective", "3-1\n");
  CHECK(mount.cpu_set("0::/bad\n") == 64);
}

TEST_CASE("a node has at least the CPUs of each of its processes") { CHECK(node_cpus() >= available_cpus()); }

}  // namespace sinter
