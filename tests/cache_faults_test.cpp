// SPDX-License-Identifier: Apache-2.0

// Storage that refuses: no permission, no space, the wrong owner. The cache goes on in memory and says why once.
// Root may write anywhere, so tests of permissions run in a child that gave its rights up.

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "cache/kernel_cache.h"
#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

constexpr uid_t kNobody = 65534;

/// Runs `body` in a child as a user without privileges.
int run_unprivileged(const std::function<int()>& body) {
  return run_child([&] {
    if (geteuid() == 0 && (setgid(kNobody) != 0 || setuid(kNobody) != 0)) {
      return 100;
    }
    return body();
  });
}

/// 0 if a cache on this directory works in memory, stores nothing and says one thing that contains `text`.
int memory_only_with(const std::string& directory, const std::string& text) {
  Problems problems;
  KernelCache cache({.directory = directory}, problems.sink());
  for (int i = 0; i < 3; ++i) {
    if (cache.lookup(key_of(i)).has_value()) return 1;
    cache.store(key_of(i), code_of(i));
    if (!cache.lookup(key_of(i)).has_value()) return 2;
  }
  if (cache.counters().stores != 0) return 3;
  if (cache.counters().storage_faults != 6) return 4;
  if (problems.texts().size() != 1 || problems.all().find(text) == std::string::npos) {
    (void)!write(STDERR_FILENO, problems.all().data(), problems.all().size());
    return 5;
  }
  return 0;
}

/// Gives this process a tree of mounts of its own; without root's rights by way of a user namespace, where that is
/// permitted. Files of this user stay this user's.
bool private_mounts() {
  if (geteuid() == 0) {
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  }
  const std::string uid = std::to_string(geteuid()), gid = std::to_string(getegid());
  const auto tell = [](const char* path, const std::string& text) {
    std::ofstream out(path);
    out << text << std::flush;
    return out.good();
  };
  return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && tell("/proc/self/setgroups", "deny") &&
         tell("/proc/self/uid_map", uid + " " + uid + " 1") && tell("/proc/self/gid_map", gid + " " + gid + " 1") &&
         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

/// A directory that the unprivileged user owns.
void give_away(const std::string& directory) {
  if (geteuid() == 0) {
    REQUIRE(chown(directory.c_str(), kNobody, kNobody) == 0);
  }
}

}  // namespace

TEST_CASE("a directory that cannot be made leaves the cache in memory with one warning", "[cache][faults]") {
  TempDir directory;
  write_file(directory / "file", {'x'});
  CHECK(memory_only_with(directory / "file/cache", "Not a directory") == 0);
  CHECK(memory_only_with("/proc/sinter-cache", "cannot make the directory /proc/sinter-cache") == 0);
  CHECK(run_unprivileged([&] { return memory_only_with("/sinter-cache", "Permission denied"); }) == 0);
}

TEST_CASE("a directory that may not be written leaves the cache in memory with one warning", "[cache][faults]") {
  TempDir directory;
  give_away(directory.path());
  REQUIRE(chmod(directory.path().c_str(), 0500) == 0);
  CHECK(run_unprivileged([&] { return memory_only_with(directory.path(), "Permission denied"); }) == 0);
}

TEST_CASE("a database that may not be written leaves the cache in memory with one warning", "[cache][faults]") {
  TempDir directory;
  give_away(directory.path());
  CHECK(run_unprivileged([&] {
          KernelCache cache({.directory = directory.path()}, nullptr);
          cache.store(key_of(7), code_of(7));
          return cache.counters().stores == 1 ? 0 : 1;
        }) == 0);
  REQUIRE(chmod(database_in(directory.path()).c_str(), 0400) == 0);
  CHECK(run_unprivileged([&] { return memory_only_with(directory.path(), "may not be written"); }) == 0);
}

TEST_CASE("a database that is a directory or a pipe leaves the cache in memory with one warning", "[cache][faults]") {
  TempDir directory;
  fs::create_directory(database_in(directory.path()));
  CHECK(memory_only_with(directory.path(), "is not a regular file") == 0);
  fs::remove(database_in(directory.path()));
  REQUIRE(mkfifo(database_in(directory.path()).c_str(), 0600) == 0);
  CHECK(memory_only_with(directory.path(), "is not a regular file") == 0);
}

TEST_CASE("a cache directory that others may write is refused with the command that mends it", "[cache][faults]") {
  TempDir directory;
  REQUIRE(chmod(directory.path().c_str(), 0777) == 0);
  CHECK(memory_only_with(directory.path(), "chmod go-w " + directory.path()) == 0);
  CHECK(count_files(directory.path(), "sinter") == 0);
}

TEST_CASE("a directory that others may write is used when that was allowed", "[cache][faults]") {
  TempDir directory;
  REQUIRE(chmod(directory.path().c_str(), 0777) == 0);
  Problems problems;
  KernelCache cache({.directory = directory.path(), .allow_shared_directory = true}, problems.sink());
  cache.store(key_of(1), code_of(1));
  CHECK(cache.counters().stores == 1);
  CHECK(problems.texts().empty());
}

TEST_CASE("a directory of another user is refused", "[cache][faults]") {
  TempDir directory;
  REQUIRE(chmod(directory.path().c_str(), 0755) == 0);
  if (geteuid() != 0) {
    WARN("needs root to have a directory of another user");
    return;
  }
  CHECK(run_unprivileged([&] { return memory_only_with(directory.path(), "belongs to user 0"); }) == 0);
}

TEST_CASE("a file system without space costs the write and nothing else", "[cache][faults]") {
  // A limit on file size is the same to SQLite as a full disk, and needs no rights.
  TempDir directory;
  CHECK(run_child([&] {
          std::signal(SIGXFSZ, SIG_IGN);
          Problems problems;
          KernelCache cache({.directory = directory.path(), .memory_bytes = 0}, problems.sink());
          cache.store(key_of(1), code_of(1));
          if (cache.counters().stores != 1) return 1;
          const rlimit small{100000, 100000};
          if (setrlimit(RLIMIT_FSIZE, &small) != 0) return 2;
          for (int i = 2; i < 40; ++i) {
            cache.store(key_of(i), code_of(i, 20000));
          }
          if (cache.counters().storage_faults == 0) return 3;
          if (problems.texts().empty()) return 4;
          const auto hit = cache.lookup(key_of(1));
          if (!hit || !same_code(*hit->code, *code_of(1))) return 5;
          return 0;
        }) == 0);
  KernelCache cache({.directory = directory.path()}, nullptr);
  CHECK(cache.lookup(key_of(1)).has_value());
  cache.store(key_of(50), code_of(50));
  CHECK(cache.counters().stores == 1);
  CHECK(cache.counters().storage_faults == 0);
}

TEST_CASE("a full disk costs the write and nothing else, and space that comes back is used", "[cache][faults]") {
  TempDir directory;
  const int status = run_child([&] {
    if (!private_mounts() ||
        mount("none", directory.path().c_str(), "tmpfs", 0, "size=512k,mode=0700") != 0) {
      return 77;
    }
    Problems problems;
    KernelCache cache({.directory = directory.path(), .memory_bytes = 0}, problems.sink());
    cache.store(key_of(1), code_of(1));
    if (cache.counters().stores != 1) return 1;
    write_file(directory / "filler", std::vector<char>(600000, 'x'));
    for (int i = 2; i < 20; ++i) {
      cache.store(key_of(i), code_of(i, 30000));
    }
    if (cache.counters().storage_faults == 0) return 2;
    if (problems.all().find("full") == std::string::npos) return 3;
    const auto hit = cache.lookup(key_of(1));
    if (!hit || !same_code(*hit->code, *code_of(1))) return 4;
    fs::remove(directory / "filler");
    const auto stores = cache.counters().stores;
    cache.store(key_of(30), code_of(30));
    if (cache.counters().stores != stores + 1) return 5;
    return cache.lookup(key_of(30)).has_value() ? 0 : 6;
  });
  if (status == 77) {
    WARN("not permitted to mount a small file system here: not tested");
    return;
  }
  CHECK(status == 0);
}

TEST_CASE("a disk that is full from the start leaves the cache in memory", "[cache][faults]") {
  TempDir directory;
  const int status = run_child([&] {
    if (!private_mounts() ||
        mount("none", directory.path().c_str(), "tmpfs", 0, "size=64k,mode=0700") != 0) {
      return 77;
    }
    write_file(directory / "filler", std::vector<char>(100000, 'x'));
    return memory_only_with(directory.path(), "cannot open the kernel cache");
  });
  if (status == 77) {
    WARN("not permitted to mount a small file system here: not tested");
    return;
  }
  CHECK(status == 0);
}

TEST_CASE("a read-only file system leaves the cache in memory with one warning", "[cache][faults]") {
  TempDir directory;
  {
    KernelCache cache({.directory = directory.path()}, nullptr);
    cache.store(key_of(7), code_of(7));
  }
  const int status = run_child([&] {
    const std::string name = directory.path();
    const char* const path = name.c_str();
    if (!private_mounts() || mount(path, path, nullptr, MS_BIND, nullptr) != 0 ||
        mount("none", path, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, nullptr) != 0) {
      return 77;
    }
    return memory_only_with(name, "Read-only file system");
  });
  if (status == 77) {
    WARN("not permitted to mount a read-only file system here: not tested");
    return;
  }
  CHECK(status == 0);
}

TEST_CASE("a process without free file descriptors goes on in memory and recovers", "[cache][faults]") {
  TempDir directory;
  CHECK(run_child([&] {
          Problems problems;
          KernelCache cache({.directory = directory.path(), .memory_bytes = 0}, problems.sink());
          std::vector<int> held;
          for (int descriptor = open("/dev/null", O_RDONLY); descriptor >= 0;
               descriptor = open("/dev/null", O_RDONLY)) {
            held.push_back(descriptor);
          }
          cache.store(key_of(1), code_of(1));
          if (cache.counters().storage_faults != 1) return 1;
          if (problems.all().find("Too many open files") == std::string::npos) return 2;
          for (const int descriptor : held) {
            close(descriptor);
          }
          usleep(1'100'000);  // A failed open is tried again after a second.
          cache.store(key_of(1), code_of(1));
          return cache.counters().stores == 1 && cache.lookup(key_of(1)).has_value() ? 0 : 3;
        }) == 0);
}
