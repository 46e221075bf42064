// SPDX-License-Identifier: Apache-2.0
#include "base/cgroup.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace sinter {
namespace {

/// True if `controller` is one of the comma-separated words.
bool has_controller(std::string_view words, std::string_view controller) {
  while (!words.empty()) {
    const std::size_t comma = std::min(words.find(','), words.size());
    if (words.substr(0, comma) == controller) {
      return true;
    }
    words.remove_prefix(std::min(comma + 1, words.size()));
  }
  return false;
}

}  // namespace

std::string own_cgroups() {
  std::ifstream file("/proc/self/cgroup");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<CgroupDirectory> cgroup_directories(std::string_view membership, std::string_view mount,
                                                std::string_view controller) {
  std::vector<CgroupDirectory> directories;
  std::istringstream lines{std::string(membership)};
  // Each line is "hierarchy:controllers:path"; version 2 has hierarchy 0 and no controllers.
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool unified = controllers.empty();
    if (!unified && !has_controller(controllers, controller)) {
      continue;
    }
    const std::string root = std::string(mount) + (unified ? "" : "/" + controllers);
    for (std::string path = line.substr(second + 1);; path.resize(path.rfind('/'))) {
      if (path == "/") {
        path.clear();
      }
      directories.push_back({root + path, unified});
      if (path.find('/') == std::string::npos) {
        break;
      }
    }
  }
  return directories;
}

}  // namespace sinter
