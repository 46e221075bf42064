// SPDX-License-Identifier: Apache-2.0
#pragma once

// A directory with the fault compiler under the name of the real one, and the processes that were started from it.

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
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

  /// The symbols of all kernels that its workers were asked for, oldest first.
  std::vector<std::string> compiles() const {
    std::ifstream in(directory_ / "compiles");
    std::vector<std::string> symbols;
    for (std::string symbol; std::getline(in, symbol);) {
      symbols.push_back(symbol);
    }
    return symbols;
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
      if (command_line(pid).starts_with(directory_.path() + "/")) {
        found.push_back(pid);
      }
    }
    return found;
  }

 private:
  /// Its start; empty if the process is gone, also while it is read.
  static std::string command_line(pid_t pid) {
    std::string line(1000, '\0');
    const int file = ::open(("/proc/" + std::to_string(pid) + "/cmdline").c_str(), O_RDONLY | O_CLOEXEC);
    const ssize_t size = file < 0 ? 0 : ::read(file, line.data(), line.size());
    if (file >= 0) {
      ::close(file);
    }
    line.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return line;
  }

  testing::TempDir directory_;
};

}  // namespace sinter::faults
