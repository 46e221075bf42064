// SPDX-License-Identifier: Apache-2.0
#pragma once

// A directory with the fault compiler under the name of the real one, and the processes that were started from it.

#include <sys/types.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "tests/support/files.h"

namespace sinter::faults {

/// Goes away with its object; its path is in the command line of each of its workers, so they can be found.
class CompilerDirectory {
 public:
  CompilerDirectory() {
    if (::symlink(SINTER_FAULT_COMPILER, (directory_ / "sinter-worker-llvm").c_str()) != 0) {
      throw std::runtime_error("cannot make a link in " + directory_.path());
    }
  }

  std::string path() const { return directory_.path(); }

  /// Lines as fault_compiler.cpp reads them. Seen by the next request, whichever worker gets it.
  void behave(const std::string& lines) const {
    std::ofstream(directory_ / "behaviour.new") << lines << "\n";
    std::filesystem::rename(directory_ / "behaviour.new", directory_ / "behaviour");
  }

  /// Ids of the workers that run now, whoever started them.
  std::vector<pid_t> workers() const {
    std::vector<pid_t> found;
    std::error_code error;
    for (std::filesystem::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      pid_t pid = 0;
      if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr != name.data() + name.size()) {
        continue;
      }
      std::ifstream in(it->path() / "cmdline", std::ios::binary);
      const std::string line{std::istreambuf_iterator<char>(in), {}};
      if (line.starts_with(directory_.path() + "/")) {
        found.push_back(pid);
      }
    }
    return found;
  }

 private:
  testing::TempDir directory_;
};

/// 0 if the process is gone.
inline pid_t parent_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(in, line);
  std::istringstream rest(line.substr(line.rfind(')') + 1));  // The name before it may hold anything.
  std::string state;
  pid_t parent = 0;
  rest >> state >> parent;
  return parent;
}

}  // namespace sinter::faults
