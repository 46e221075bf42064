// SPDX-License-Identifier: Apache-2.0
#pragma once

// NodeSlots: one budget of compile workers for all processes of a user on a node. Sixty-four ranks that warm up at once
// must not start sixty-four compilers for each core.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "runtime/compile/compiler.h"
#include "runtime/compile/lock_file.h"

namespace sinter {

/// Whom a compile may have beside it.
enum class Company {
  kShared,  ///< Other compiles.
  kAlone,   ///< None.
};

/// A place to compile in, or the leave to go on without one. Ends with this object and with its process.
class NodeSlot {
 public:
  NodeSlot() = default;

  /// False: there is no budget of the node, or it is held by processes that are stopped.
  bool is_held() const { return file_.has_value(); }
  /// Shows those who wait that this compile goes on.
  void tick();

 private:
  friend class NodeSlots;
  explicit NodeSlot(LockFile file) : file_(std::move(file)) {}
  std::optional<LockFile> file_;
};

/// Thread-safe. The slots are bytes of files in a directory that belongs to the user and is as short-lived as the node.
class NodeSlots {
 public:
  struct Options {
    std::string directory = {};  ///< Empty: there is no budget of the node.
    std::int64_t places = 1;     ///< As this process sees the node; processes that see it larger use more.
    /// Compiles show progress four times a second. Those that have not for this long are stopped, with their owners.
    std::chrono::milliseconds patience{10'000};
    /// The longest wait to be alone. Others' compiles may take longer; the retry then has company.
    std::chrono::milliseconds alone_patience{30'000};
  };

  /// `on_problem` gets one sentence, once, if the directory cannot be used.
  NodeSlots(Options options, std::function<void(std::string)> on_problem);

  /// Waits for a place. A wait ends without one when nobody who has one makes progress.
  NodeSlot enter(Company company, const CompileWatch& watch);

  /// The file in which an idle worker locks one of `places` bytes for its life; empty: there is no limit.
  std::string warm_file();
  std::int64_t places() const { return options_.places; }

 private:
  Result<LockFile> open();
  Result<bool> try_enter(LockFile& file) const;
  Result<bool> try_enter_alone(LockFile& file) const;
  void complain(const Error& error);

  const Options options_;
  const std::function<void(std::string)> on_problem_;
  std::atomic<bool> has_complained_{false};
};

}  // namespace sinter
