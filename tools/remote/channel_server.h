// SPDX-License-Identifier: Apache-2.0
#pragma once

// ChannelServer: a thread and an engine for each channel of the runtime.

#include <atomic>
#include <string>

#include "base/descriptor.h"
#include "tools/remote/engine.h"

namespace sinter::remote {

/// REQUIRES: lives as long as the process, since its threads do.
class ChannelServer {
 public:
  explicit ChannelServer(Server server) : server_(std::move(server)) {}

  /// Answers the requests on this channel until it is closed. Returns at once; closes the channel if kMaxChannels are
  /// being served, which may be more than the runtime knows of: it closes those that take too long.
  void serve(Descriptor channel);

 private:
  void answer_all(const Descriptor& channel) const;
  /// What goes to logs: without the password, should a server repeat it.
  std::string without_secrets(std::string text) const;

  const Server server_;
  std::atomic<int> serving_{0};
};

}  // namespace sinter::remote
