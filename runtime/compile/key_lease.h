// SPDX-License-Identifier: Apache-2.0
#pragma once

// KeyLeases: one compile per key on a node, by agreement. Whoever cannot get a lease compiles all the same: the worst
// is work done twice, never a wait without end.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/digest.h"
#include "base/result.h"
#include "runtime/compile/lock_file.h"

namespace sinter {

/// The right to compile one key, or the leave to go on without it. Ends with this object and with its process.
class KeyLease {
 public:
  KeyLease() = default;
  KeyLease(KeyLease&&) noexcept = default;
  KeyLease& operator=(KeyLease&&) noexcept = default;

  /// False: somebody else may be compiling the key, too.
  bool is_held() const { return file_.has_value(); }

  /// Shows those who wait that the owner goes on. Call it at least every second.
  void tick() {
    if (file_) {
      file_->tick(counter_);
    }
  }

 private:
  friend class KeyLeases;
  KeyLease(LockFile file, std::uint64_t counter) : file_(std::move(file)), counter_(counter) {}

  std::optional<LockFile> file_;
  std::uint64_t counter_ = 0;
};

/// The leases are bytes of one file in the cache's directory, each at an offset taken from its key. A file per key
/// would need somebody to delete it. Thread-safe.
class KeyLeases {
 public:
  static constexpr const char* kFileName = "sinter.leases";
  /// Owners show progress four times a second; one that has not for this long is stopped, or its node's disk is.
  static constexpr std::chrono::seconds kPatience{10};

  struct Options {
    std::string directory = {};  ///< Empty: there are no leases.
    bool allow_shared_directory = false;  ///< Use one that others own or may write.
    std::chrono::milliseconds patience = kPatience;
  };

  /// `on_problem` gets one sentence, once, if the file system has no locks.
  KeyLeases(Options options, std::function<void(std::string)> on_problem);

  /// Waits until nobody else holds the key's lease, or `is_settled` says that the wait is over, or its owner shows no
  /// progress. In that case one of those who wait becomes its deputy and the others wait for that one in the same way;
  /// if it stops too, everybody goes on for himself. `is_settled` is asked now and then, at least every second.
  KeyLease acquire(const Digest& key, const std::function<bool()>& is_settled);

 private:
  Result<LockFile> open() const;
  void complain(const Error& error);

  const Options options_;
  const std::function<void(std::string)> on_problem_;
  std::atomic<bool> has_complained_{false};
};

}  // namespace sinter
