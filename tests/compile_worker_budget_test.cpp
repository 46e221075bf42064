// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/worker_budget.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/files.h"

namespace sinter {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

void write(const testing::TempDir& mount, const std::string& file, const std::string& text) {
  testing::fs::create_directories(testing::fs::path(mount / file).parent_path());
  std::ofstream(mount / file) << text;
}

TEST_CASE("there are as many workers as cores, fewer where memory is short, at least one") {
  CHECK(worker_budget({8, 0}) == 8);
  CHECK(worker_budget({8, 64 * 1024 * kMiB}) == 8);
  CHECK(worker_budget({8, 1300 * kMiB}) == 3);
  CHECK(worker_budget({8, 1}) == 1);
  CHECK(worker_budget(node_share()) >= worker_budget(process_share()));
}

TEST_CASE("a memory limit of version 2 counts, of any group above, without what is only cache") {
  const testing::TempDir mount;
  write(mount, "pod/memory.max", "1000\n");
  write(mount, "pod/memory.current", "900\n");
  write(mount, "pod/memory.stat", "anon 100\nfile 800\ninactive_file 500\n");
  write(mount, "pod/box/memory.max", "max\n");
  CHECK(cgroup_free_memory("0::/pod/box\n", mount.path()) == 600);
  CHECK(cgroup_free_memory("0::/other\n", mount.path()) == 0);
}

TEST_CASE("a memory limit of version 1 counts, and its largest number is none") {
  const testing::TempDir mount;
  write(mount, "memory/memory.limit_in_bytes", "9223372036854771712\n");
  write(mount, "memory/box/memory.limit_in_bytes", "2000\n");
  write(mount, "memory/box/memory.usage_in_bytes", "1500\n");
  write(mount, "memory/box/memory.stat", "cache 700\ntotal_inactive_file 300\n");
  CHECK(cgroup_free_memory("4:memory:/box\n3:cpu,cpuacct:/box\n", mount.path()) == 800);
  CHECK(cgroup_free_memory("4:memory:/\n", mount.path()) == 0);
}

}  // namespace
}  // namespace sinter
