// SPDX-License-Identifier: Apache-2.0
#pragma once

// RemoteClient: the helper process of the remote tier as its host sees it. It starts sinter-remote when first needed,
// keeps channels to it, and starts another one when it dies. No network library is in this process.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/child_process.h"
#include "base/descriptor.h"
#include "base/remote_protocol.h"
#include "base/result.h"

namespace sinter {

struct RemoteClientOptions {
  std::string program = {};       ///< Absolute path of sinter-remote.
  std::string url = {};           ///< With its password; goes to the helper and nowhere else.
  std::string ca_file = {};       ///< See remote::Configure.
  std::string ca_directory = {};
};

/// Thread-safe: calls work side by side, up to remote::kMaxChannels. REQUIRES: used by the process that made it, and no
/// call is under way when it is destroyed, which ends the helper.
class RemoteClient {
 public:
  using Clock = std::chrono::steady_clock;

  /// Of the helper's data: 16 channels with an entry each, and room. Beyond it the helper ends, and is started again.
  static constexpr std::int64_t kHelperMemoryBytes = std::int64_t{768} << 20;

  explicit RemoteClient(RemoteClientOptions options);
  ~RemoteClient();
  RemoteClient(const RemoteClient&) = delete;
  RemoteClient& operator=(const RemoteClient&) = delete;

  /// The helper's answer. Whatever the helper, the network and the server do, this is over after `limit`. A helper that
  /// was found dead is replaced once within it.
  /// Errors: kTimeout; kInternal; kUnsupported when all channels are in use, which is nobody's fault.
  Result<remote::Answer> ask(const remote::Request& request, std::chrono::milliseconds limit);

  /// What the helper said of itself; starts it. Errors: as above.
  Result<remote::Ready> ready(std::chrono::milliseconds limit);

 private:
  /// A socket to one helper, which is the one that runs as long as the number is current.
  struct Channel {
    Descriptor socket;
    std::uint64_t helper = 0;
  };
  struct Helper {
    std::unique_ptr<ChildProcess> process;
    remote::Ready ready;
  };

  Result<Helper> start(Clock::time_point deadline);
  Result<void> need_helper(std::unique_lock<std::mutex>& lock, Clock::time_point deadline);
  Result<Channel> take_channel(Clock::time_point deadline);
  void return_channel(Channel channel);
  /// After a channel failed: ends the helper if it is dead. True if it was.
  bool drop_dead_helper(std::uint64_t helper);
  Result<remote::Answer> exchange(const Channel& channel, const remote::Request& request, Clock::time_point deadline);

  const RemoteClientOptions options_;

  std::mutex mutex_;  // Guards what follows; not held while a helper starts or answers.
  std::condition_variable changed_;
  bool is_starting_ = false;
  Helper helper_;                  // Without a process: none runs.
  std::uint64_t helper_number_ = 0;  // Counts the helpers that were started.
  std::vector<Channel> idle_;
  int channels_ = 0;  // Idle and in use.
};

}  // namespace sinter
