// SPDX-License-Identifier: Apache-2.0
#pragma once

// A file descriptor with an owner, and reads at a place that are complete or fail.

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace sinter {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) {
      ::close(number_);
    }
  }

  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  /// Gives the number to somebody else to close.
  int release() { return std::exchange(number_, -1); }

  /// Reads exactly `size` bytes at `offset`. False with errno, which is 0 if the file ends before.
  bool read_at(void* out, std::size_t size, std::uint64_t offset) const {
    auto* to = static_cast<char*>(out);
    while (size > 0) {
      const ssize_t read = ::pread(number_, to, size, static_cast<off_t>(offset));
      if (read < 0 && errno == EINTR) {
        continue;
      }
      if (read <= 0) {
        errno = read < 0 ? errno : 0;
        return false;
      }
      to += read;
      size -= static_cast<std::size_t>(read);
      offset += static_cast<std::uint64_t>(read);
    }
    return true;
  }

 private:
  int number_ = -1;
};

}  // namespace sinter
