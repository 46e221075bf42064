// SPDX-License-Identifier: Apache-2.0
#pragma once

// What tests of files share: a directory that goes away, bytes of files, and child processes.

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace sinter::testing {

namespace fs = std::filesystem;

/// Where a test may make directories: in memory if the system has such a place, since some tests make thousands.
inline fs::path scratch_root() {
  return access("/dev/shm", W_OK) == 0 ? fs::path("/dev/shm") : fs::temp_directory_path();
}

class TempDir {
 public:
  explicit TempDir(const fs::path& root = scratch_root()) {
    std::string name = (root / "sinter-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("mkdtemp failed in " + root.string());
    }
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string path() const { return path_.string(); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

inline std::vector<char> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::string& path, const std::vector<char>& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::size_t count_files(const std::string& directory, const std::string& part) {
  std::size_t count = 0;
  for (const auto& file : fs::directory_iterator(directory)) {
    count += file.path().filename().string().find(part) != std::string::npos ? 1u : 0u;
  }
  return count;
}

/// Starts `body` in a child of fork; its value is the exit status. The child never returns to the test.
inline pid_t start_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    _exit(body());
  }
  return child;
}

/// The exit status of a child, or minus the signal that ended it.
inline int wait_for(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, 0) != child) {
    return -1000;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

inline int run_child(const std::function<int()>& body) { return wait_for(start_child(body)); }

}  // namespace sinter::testing
