// SPDX-License-Identifier: Apache-2.0
#pragma once

// RemoteTier: the layer below the bundles, on an engine that nodes share. A request asks it once, within a time limit,
// after everything on this node said no; what was compiled here is sent to it later, by a thread that exists while there
// is work. Nothing that goes wrong with it is more than a miss and a number.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fork_safe_condition.h"
#include "base/lingering_thread.h"
#include "base/remote_protocol.h"
#include "cache/entry_row.h"
#include "cache/remote_breaker.h"
#include "cache/remote_client.h"
#include "cache/remote_lease.h"
#include "cache/row_signature.h"

namespace sinter {

/// Thread-safe. In a child of fork every look-up is a miss and nothing is written.
class RemoteTier {
 public:
  using Clock = std::chrono::steady_clock;

  /// What waits to be written: beyond either an entry is dropped.
  static constexpr std::size_t kMaxQueuedEntries = 256;
  static constexpr std::size_t kMaxQueuedBytes = 64u << 20;
  /// Of a lease that nobody renews, and how often one is renewed whose owner shows progress.
  static constexpr std::chrono::milliseconds kLeaseTime{5'000};
  static constexpr std::chrono::milliseconds kRenewEvery{1'000};
  /// After a wait for another node was in vain, leases are left alone for this long.
  static constexpr std::chrono::seconds kNoLeasesFor{300};
  /// Of one write, and of all that are left when the process ends.
  static constexpr std::chrono::milliseconds kWriteLimit{2'000};
  static constexpr std::chrono::milliseconds kDrainLimit{2'000};

  /// `on_problem` gets a sentence about each thing that went wrong, without secrets; called from any thread.
  RemoteTier(RemoteOptions options, std::shared_ptr<const RowSignatures> signatures,
             std::function<void(std::string)> on_problem);
  ~RemoteTier();
  RemoteTier(const RemoteTier&) = delete;
  RemoteTier& operator=(const RemoteTier&) = delete;

  struct Found {
    std::optional<EntryRow> row;  ///< Checked, with "remote <host>" as its origin.
    RemoteLease lease;            ///< Without a row: whether others wait for the caller to compile.
  };
  /// Asks for the entry. While another node holds the key's lease this asks again and again, and calls `on_wait` in
  /// between, at least every second while the engine answers in time; false ends that.
  Found find(const CacheKey& key, RemoteWish wish, const std::function<bool()>& on_wait);

  /// A row from find() that turned out to be of no use: counted and reported as one that failed its checks.
  void reject(const CacheKey& key, std::string_view why);

  /// Writes the entry later, and ends the lease then. Never blocks.
  void store(EntryRow row, RemoteLease lease);

  RemoteCounters counters() const;

 private:
  friend class RemoteLease;
  struct Job {
    remote::Op op = remote::Op::kPut;
    std::string key;
    std::optional<EntryRow> row;                 // Of a put.
    std::size_t bytes = 0;
    std::shared_ptr<RemoteLease::State> lease;  // To be released.
  };

  bool is_usable() const { return client_ != nullptr && !thread_.is_inherited(); }
  std::optional<remote::Answer> ask(const remote::Request& request, RemoteBreaker& breaker,
                                    std::chrono::milliseconds limit);
  bool may_lease();
  RemoteLease hold(const CacheKey& key, std::string token);
  void release(std::shared_ptr<RemoteLease::State> lease);
  void add_job(Job job);
  void wake_thread();  // REQUIRES: mutex_ is held.
  void loop();
  void do_job(const Job& job, std::chrono::milliseconds limit);
  void renew_leases();
  void report(std::string_view problem);

  const RemoteOptions options_;
  const std::shared_ptr<const RowSignatures> signatures_;
  const std::function<void(std::string)> on_problem_;
  std::string host_;
  std::unique_ptr<RemoteClient> client_;  // Null: the options were of no use, which was reported.
  RemoteBreaker reads_, writes_;  // Apart: a user who may not write can read all the same.
  std::atomic<std::int64_t> hits_{0}, misses_{0}, stores_{0}, faults_{0}, bad_entries_{0}, dropped_{0};

  std::mutex mutex_;  // Guards what follows; held for moments.
  ForkSafeCondition changed_;
  Clock::time_point no_leases_until_{};
  std::deque<Job> jobs_;
  std::size_t queued_bytes_ = 0;
  std::vector<std::shared_ptr<RemoteLease::State>> leases_;  // Held: to be renewed.
  bool stop_ = false;
  Clock::time_point stop_at_{};  // Once stop_ is set: when the thread must be done.
  LingeringThread thread_;
};

}  // namespace sinter
