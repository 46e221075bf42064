// SPDX-License-Identifier: Apache-2.0
#include "base/append_line.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "base/descriptor.h"

namespace sinter {

int append_line(const std::string& path, std::string_view line) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644));
  if (!file.is_open()) {
    return errno;
  }
  const ssize_t written = ::write(file.get(), line.data(), line.size());
  if (written < 0) {
    return errno;
  }
  return static_cast<std::size_t>(written) == line.size() ? 0 : ENOSPC;
}

}  // namespace sinter
