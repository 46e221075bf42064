// SPDX-License-Identifier: Apache-2.0
#include "cache/remote_client.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/worker_protocol.h"

namespace sinter {
namespace {

using std::chrono::milliseconds;

/// A helper whose socket was closed is mostly about to end.
constexpr milliseconds kGraceAfterHangUp{20};

int to_timeout_ms(RemoteClient::Clock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - RemoteClient::Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

Error helper_error(std::string_view why) {
  return make_error(ErrorCode::kInternal, fmt::format("the helper sinter-remote {}", why));
}

}  // namespace

RemoteClient::RemoteClient(RemoteClientOptions options) : options_(std::move(options)) {}

RemoteClient::~RemoteClient() {
  idle_.clear();
  if (helper_.process != nullptr) {
    ::shutdown(helper_.process->socket(), SHUT_RDWR);
    helper_.process->end(kGraceAfterHangUp);
  }
}

Result<remote::Answer> RemoteClient::ask(const remote::Request& request, milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  for (int attempt = 0;; ++attempt) {
    SINTER_TRY(Channel channel, take_channel(deadline));
    const std::uint64_t helper = channel.helper;
    auto answer = exchange(channel, request, deadline);
    if (answer) {
      return_channel(std::move(channel));
      return answer;
    }
    channel.socket = Descriptor();
    {
      const std::lock_guard lock(mutex_);
      channels_ -= helper == helper_number_ ? 1 : 0;
    }
    // It may have been killed while nobody asked: then this request has a second chance.
    if (answer.error().code == ErrorCode::kTimeout || !drop_dead_helper(helper) || attempt > 0) {
      return answer;
    }
  }
}

Result<remote::Ready> RemoteClient::ready(milliseconds limit) {
  std::unique_lock lock(mutex_);
  SINTER_TRY_VOID(need_helper(lock, Clock::now() + limit));
  return helper_.ready;
}

Result<remote::Answer> RemoteClient::exchange(const Channel& channel, const remote::Request& request,
                                              Clock::time_point deadline) {
  remote::Request timed = request;
  // A little less than is left here, so that the helper can say what took so long.
  timed.limit_ms = static_cast<std::uint32_t>(std::max(to_timeout_ms(deadline) * 9 / 10, 1));
  SINTER_TRY_VOID(protocol::write_frame(channel.socket.get(), remote::encode(timed), to_timeout_ms(deadline)));
  SINTER_TRY(const auto frame,
             protocol::read_frame(channel.socket.get(), to_timeout_ms(deadline), remote::kMaxFrameBytes));
  return remote::decode_answer(frame);
}

Result<RemoteClient::Channel> RemoteClient::take_channel(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  for (int attempt = 0;; ++attempt) {
    SINTER_TRY_VOID(need_helper(lock, deadline));
    if (!helper_.ready.problem.empty()) {
      return helper_error(fmt::format("cannot work: {}", helper_.ready.problem));
    }
    if (!idle_.empty()) {
      Channel channel = std::move(idle_.back());
      idle_.pop_back();
      return channel;
    }
    if (channels_ == remote::kMaxChannels) {
      return make_error(ErrorCode::kUnsupported, fmt::format("{} requests are under way, which is the most", channels_));
    }
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
      return helper_error(fmt::format("cannot be reached: socketpair: {}", std::strerror(errno)));
    }
    Channel channel{Descriptor(pair[0]), helper_number_};
    const Descriptor theirs(pair[1]);
    auto sent = remote::send_channel(helper_.process->socket(), theirs.get());
    if (sent) {
      ++channels_;
      return channel;
    }
    lock.unlock();
    if (!drop_dead_helper(channel.helper) || attempt > 0) {
      return std::move(sent).error();
    }
    lock.lock();
  }
}

void RemoteClient::return_channel(Channel channel) {
  const std::lock_guard lock(mutex_);
  if (channel.helper == helper_number_) {
    idle_.push_back(std::move(channel));
  }
}

bool RemoteClient::drop_dead_helper(std::uint64_t helper) {
  Helper dead;
  std::vector<Channel> channels;
  {
    const std::lock_guard lock(mutex_);
    if (helper != helper_number_ || helper_.process == nullptr) {
      return true;  // Somebody else has seen to it.
    }
    if (!helper_.process->has_hung_up()) {
      return false;
    }
    dead = std::exchange(helper_, {});
    channels = std::exchange(idle_, {});
    channels_ = 0;
    ++helper_number_;
  }
  dead.process->end(kGraceAfterHangUp);
  return true;
}

// One thread starts the helper; the others that need it wait for that one.
Result<void> RemoteClient::need_helper(std::unique_lock<std::mutex>& lock, Clock::time_point deadline) {
  while (helper_.process == nullptr) {
    if (is_starting_) {
      if (!changed_.wait_until(lock, deadline, [this] { return !is_starting_; })) {
        return make_error(ErrorCode::kTimeout, "the helper sinter-remote did not start in time");
      }
      if (helper_.process == nullptr) {
        return helper_error("did not start");  // The thread that tried it says why.
      }
      continue;
    }
    is_starting_ = true;
    lock.unlock();
    auto started = start(deadline);
    lock.lock();
    is_starting_ = false;
    changed_.notify_all();
    if (!started) {
      return std::move(started).error();
    }
    helper_ = std::move(*started);
    ++helper_number_;
    channels_ = 0;
  }
  return {};
}

Result<RemoteClient::Helper> RemoteClient::start(Clock::time_point deadline) {
  auto child = ChildProcess::start({.program = options_.program, .memory_limit_bytes = kHelperMemoryBytes});
  if (!child) {
    return helper_error(fmt::format("cannot start ({}): {}", options_.program, child.error().message));
  }
  Helper helper{std::move(*child), {}};
  const int socket = helper.process->socket();
  const remote::Configure configure{
      .url = options_.url, .ca_file = options_.ca_file, .ca_directory = options_.ca_directory};
  const auto talk = [&]() -> Result<remote::Ready> {
    SINTER_TRY_VOID(protocol::write_frame(socket, remote::encode(configure), to_timeout_ms(deadline)));
    SINTER_TRY(const auto frame, protocol::read_frame(socket, to_timeout_ms(deadline), remote::kMaxFrameBytes));
    return remote::decode_ready(frame);
  };
  auto ready = talk();
  if (!ready) {
    const bool has_ended = helper.process->has_hung_up();
    const ChildEnding& ending = helper.process->end(has_ended ? kGraceAfterHangUp : milliseconds(0));
    if (!has_ended) {
      return std::move(ready).error();
    }
    return helper_error(fmt::format("{}: {:.200}", ending.text, helper.process->take_stderr()));
  }
  if (ready->version != remote::kVersion) {
    return helper_error(fmt::format("speaks version {} of the protocol and this library {}: they are of different "
                                    "releases, install them together",
                                    ready->version, remote::kVersion));
  }
  helper.ready = std::move(*ready);
  return helper;
}

}  // namespace sinter
