// SPDX-License-Identifier: Apache-2.0

// The frames of base/worker_protocol.h: a length and its bytes, with time limits.

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>

#include "base/worker_protocol.h"

namespace sinter::protocol {
namespace {

constexpr std::size_t kReadChunkBytes = 1u << 20;

/// A point in time that waits are measured against; without a limit where the timeout is negative.
class Deadline {
 public:
  explicit Deadline(int timeout_ms)
      : limited_(timeout_ms >= 0), end_(Clock::now() + std::chrono::milliseconds(std::max(timeout_ms, 0))) {}

  /// For poll(): -1 without a limit. Rounded up, so that the last wait does not spin.
  int remaining_ms() const {
    if (!limited_) {
      return -1;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now()).count();
    return static_cast<int>(std::max<decltype(left)>(left, 0));
  }

 private:
  using Clock = std::chrono::steady_clock;
  bool limited_;
  Clock::time_point end_;
};

Error peer_error(std::string_view what) {
  return make_error(ErrorCode::kInternal, fmt::format("the worker connection failed: {}", what));
}

/// Waits until `fd` has `event`. A hang-up counts as ready: the next read or write says what happened.
Result<void> wait_for(int fd, short event, const Deadline& deadline) {
  for (;;) {
    pollfd entry{fd, event, 0};
    const int ready = ::poll(&entry, 1, deadline.remaining_ms());
    if (ready > 0) {
      return {};
    }
    if (ready == 0) {
      return make_error(ErrorCode::kTimeout, "the worker connection timed out");
    }
    if (errno != EINTR) {
      return peer_error(std::strerror(errno));
    }
  }
}

bool is_temporary(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

Result<void> send_all(int fd, const std::byte* data, std::size_t size, const Deadline& deadline) {
  while (size > 0) {
    SINTER_TRY_VOID(wait_for(fd, POLLOUT, deadline));
    // MSG_NOSIGNAL: a peer that died must not kill this process with SIGPIPE.
    const ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && !is_temporary(errno)) {
      return peer_error(std::strerror(errno));
    }
    if (sent > 0) {
      data += sent;
      size -= static_cast<std::size_t>(sent);
    }
  }
  return {};
}

Result<void> receive_all(int fd, std::byte* data, std::size_t size, const Deadline& deadline) {
  while (size > 0) {
    SINTER_TRY_VOID(wait_for(fd, POLLIN, deadline));
    const ssize_t received = ::recv(fd, data, size, MSG_DONTWAIT);
    if (received == 0) {
      return peer_error("the other side closed it");
    }
    if (received < 0 && !is_temporary(errno)) {
      return peer_error(std::strerror(errno));
    }
    if (received > 0) {
      data += received;
      size -= static_cast<std::size_t>(received);
    }
  }
  return {};
}

}  // namespace

Result<void> write_frame(int fd, const std::vector<std::byte>& content, int timeout_ms) {
  if (content.size() > kMaxFrameBytes) {
    return make_error(ErrorCode::kInternal, fmt::format("a worker message of {} bytes is above the limit of {}",
                                                        content.size(), kMaxFrameBytes));
  }
  std::array<std::byte, 4> head{};
  for (std::size_t i = 0; i < head.size(); ++i) {
    head[i] = static_cast<std::byte>(content.size() >> (8 * i));
  }
  const Deadline deadline(timeout_ms);
  SINTER_TRY_VOID(send_all(fd, head.data(), head.size(), deadline));
  return send_all(fd, content.data(), content.size(), deadline);
}

Result<std::vector<std::byte>> read_frame(int fd, int timeout_ms, std::size_t max_bytes) {
  const Deadline deadline(timeout_ms);
  std::array<std::byte, 4> head{};
  SINTER_TRY_VOID(receive_all(fd, head.data(), head.size(), deadline));
  std::size_t size = 0;
  for (std::size_t i = 0; i < head.size(); ++i) {
    size |= std::to_integer<std::size_t>(head[i]) << (8 * i);
  }
  if (size > max_bytes) {
    return peer_error(fmt::format("it announced {} bytes, above the limit of {}", size, max_bytes));
  }
  // Grown as the bytes arrive: a peer that announces much and sends nothing costs no memory.
  std::vector<std::byte> content;
  while (content.size() < size) {
    const std::size_t have = content.size();
    const std::size_t chunk = std::min(size - have, kReadChunkBytes);
    content.resize(have + chunk);
    SINTER_TRY_VOID(receive_all(fd, content.data() + have, chunk, deadline));
  }
  return content;
}

}  // namespace sinter::protocol
