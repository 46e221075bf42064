// SPDX-License-Identifier: Apache-2.0

// A peer that sends any bytes and hangs up: each frame that is read is one that was sent, the rest is refused. And what
// is written as a frame is read as the same.

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "base/worker_protocol.h"
#include "tests/fuzz/fuzz.h"

using namespace sinter;

namespace {

constexpr int kTimeoutMs = 5000;
/// Less than a socket takes in without a reader.
constexpr std::size_t kMaxInputBytes = 1u << 15;

class Connection {
 public:
  Connection() { SINTER_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()) == 0, "no socket"); }
  ~Connection() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  int near() const { return ends_[0]; }
  int far() const { return ends_[1]; }

 private:
  std::array<int, 2> ends_{-1, -1};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  size = std::min(size, kMaxInputBytes);
  const auto input = fuzz::bytes_of(data, size);
  {
    const Connection connection;
    SINTER_CHECK(size == 0 || ::send(connection.far(), data, size, 0) == static_cast<ssize_t>(size), "send");
    ::shutdown(connection.far(), SHUT_WR);
    std::size_t at = 0;
    for (;;) {
      const auto frame = protocol::read_frame(connection.near(), kTimeoutMs);
      if (!frame) {
        fuzz::check_refusal(frame.error(), {ErrorCode::kInternal});
        break;
      }
      std::uint32_t announced = 0;
      SINTER_CHECK(at + sizeof announced <= size, "a frame that was not sent");
      std::memcpy(&announced, data + at, sizeof announced);
      at += sizeof announced;
      SINTER_CHECK(frame->size() == announced && announced <= size - at, "a frame of another length than was sent");
      SINTER_CHECK(std::equal(frame->begin(), frame->end(), input.begin() + static_cast<std::ptrdiff_t>(at)),
                   "other bytes");
      at += announced;
    }
  }
  const Connection connection;
  const std::vector<std::byte> content(input.begin(), input.end());
  SINTER_CHECK(protocol::write_frame(connection.far(), content, kTimeoutMs), "write");
  const auto back = protocol::read_frame(connection.near(), kTimeoutMs);
  SINTER_CHECK(back && *back == content, "a frame changes on its way");
  return 0;
}
