// SPDX-License-Identifier: Apache-2.0
#pragma once

// Files that an input damages: a good one in memory, edits at places that the input chooses, and a copy on disk.

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/support/files.h"

namespace sinter::fuzz {

inline std::string content_of(const std::string& path) {
  const std::vector<char> bytes = testing::read_file(path);
  return {bytes.begin(), bytes.end()};
}

/// Overwrites, cuts or extends at a place that the input chooses.
inline void edit(std::string& file, Input& input) {
  const std::size_t at = input.number<std::uint32_t>() % (file.size() + 1);
  switch (input.below(4)) {
    case 0: file.resize(at); break;
    case 1: file.insert(at, input.text()); break;
    case 2: file.erase(at, input.below(64)); break;
    default: {
      const std::string text = input.text();
      file.replace(at, text.size(), text);
      break;
    }
  }
}

/// A new file at `path`, in place of the one that is there.
inline void write_file(const std::string& path, const std::string& content) {
  ::unlink(path.c_str());
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  SINTER_CHECK(fd >= 0 && ::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()), "write");
  ::close(fd);
}

}  // namespace sinter::fuzz
