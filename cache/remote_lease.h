// SPDX-License-Identifier: Apache-2.0
#pragma once

// What others see of the remote tier (cache/remote_tier.h): how it is set up, what it counts, and the lease that whoever
// compiles for all nodes holds meanwhile.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace sinter {

class RemoteTier;

/// What a request wants of the remote tier.
enum class RemoteWish : std::uint8_t {
  kEntry,         ///< The entry, now or not at all.
  kEntryOrLease,  ///< Or the right to compile it for all nodes; who has to wait for another one gets the entry later.
};

struct RemoteOptions {
  std::string url = {};          ///< redis, rediss, http or https; empty: there is no remote tier.
  bool read_only = false;        ///< Nothing is written, and no lease is taken.
  std::int64_t timeout_ms = 300;  ///< Of one question; a request asks one, unless another node holds the key's lease.
  /// The longest that a request waits for what another node compiles. A remote tier that lies costs no more.
  std::int64_t lease_wait_ms = 30'000;
  std::string program = {};      ///< Absolute path of sinter-remote; empty: not found, and `program_problem` says where.
  std::string program_problem = {};
  std::string ca_file = {};       ///< See remote::Configure.
  std::string ca_directory = {};
};

/// The right to compile a key while other nodes wait for it, or the leave to go on without it. It lasts some seconds and
/// is renewed while its owner shows progress; it ends with this object, or once the entry it was for is written.
/// REQUIRES: does not outlive its tier.
class RemoteLease {
 public:
  RemoteLease() = default;
  RemoteLease(RemoteLease&& other) noexcept;
  RemoteLease& operator=(RemoteLease&& other) noexcept;
  ~RemoteLease();

  bool is_held() const { return state_ != nullptr; }
  /// Shows that the owner goes on. Never blocks.
  void tick();

 private:
  friend class RemoteTier;
  struct State {
    std::string key, token;
    std::atomic<std::uint64_t> progress{0};
    std::atomic<bool> is_compiled{false};  // The entry waits to be written, which is progress.
    std::uint64_t renewed_at = 0;          // The progress that the last renewal saw; of the tier's thread alone.
  };
  RemoteLease(RemoteTier* tier, std::shared_ptr<State> state) : tier_(tier), state_(std::move(state)) {}

  RemoteTier* tier_ = nullptr;
  std::shared_ptr<State> state_;
};

/// Since construction.
struct RemoteCounters {
  std::int64_t hits = 0;
  std::int64_t misses = 0;
  std::int64_t stores = 0;       ///< Entries that reached the engine.
  std::int64_t faults = 0;       ///< Questions and writes that failed, whatever the reason.
  std::int64_t bad_entries = 0;  ///< Answers that were not what they should be.
  std::int64_t dropped = 0;      ///< Entries that were not written: too large, too many at once, or the breaker was open.
};

}  // namespace sinter
