// SPDX-License-Identifier: Apache-2.0
#include "tools/remote/channel_server.h"

#include <exception>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "base/worker_protocol.h"

namespace sinter::remote {

void ChannelServer::serve(Descriptor channel) {
  if (serving_.fetch_add(1) >= kMaxChannels) {
    serving_.fetch_sub(1);
    return;
  }
  try {
    std::thread([this, channel = std::move(channel)] {
      try {
        answer_all(channel);
      } catch (const std::exception&) {
        // Memory has run out; this channel is closed, the others go on.
      }
      serving_.fetch_sub(1);
    }).detach();
  } catch (const std::system_error&) {
    serving_.fetch_sub(1);
  }
}

void ChannelServer::answer_all(const Descriptor& channel) const {
  const std::unique_ptr<Engine> engine = make_engine(server_);
  for (;;) {
    const auto frame = protocol::read_frame(channel.get(), -1, kMaxFrameBytes);
    if (!frame) {
      return;
    }
    const auto request = decode_request(*frame);
    if (!request) {
      return;
    }
    const Deadline deadline{std::chrono::milliseconds(request->limit_ms)};
    Answer answer = engine->answer(*request, deadline);
    answer.error = without_secrets(std::move(answer.error));
    if (answer.blob.size() > kMaxBlobBytes) {
      answer = failed("the entry is larger than an entry may be");
    }
    // Nobody waits for it after the limit; a runtime that does not read must not keep this thread.
    constexpr int kWriteLimitMs = 10'000;
    if (!protocol::write_frame(channel.get(), encode(answer), kWriteLimitMs)) {
      return;
    }
  }
}

std::string ChannelServer::without_secrets(std::string text) const {
  const std::string& secret = server_.password;
  for (std::size_t at = 0; !secret.empty() && (at = text.find(secret, at)) != std::string::npos; at += 3) {
    text.replace(at, secret.size(), "***");
  }
  return text;
}

}  // namespace sinter::remote
