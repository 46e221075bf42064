// SPDX-License-Identifier: Apache-2.0
#pragma once

// LockFile: a file whose bytes are locks that the kernel frees when their owner dies, and whose first page holds
// counters by which owners show that they go on. What processes of one node agree by, without a server and without a
// file for each thing that is locked.

#include <cstdint>
#include <string>

#include "base/descriptor.h"
#include "base/result.h"

namespace sinter {

/// An open file description of its own: locks of two LockFile objects exclude each other, in one process too. A process
/// forked meanwhile shares the description, so what must end is unlocked and not only closed. One thread at a time.
class LockFile {
 public:
  enum class Kind { kShared, kExclusive };

  static constexpr std::uint64_t kCounters = 512;  ///< 8 bytes each: one page, one block of a disk.

  /// Opens the file and makes it if it is not there, mode 0600; follows no link. Errors: kCacheError.
  static Result<LockFile> open(const std::string& path);

  LockFile(LockFile&&) noexcept = default;
  LockFile& operator=(LockFile&&) noexcept = default;
  ~LockFile();

  /// Locks one byte, which need not exist, if nobody else has; never waits. Locking it again changes the kind.
  /// Errors: kCacheError where the file system has no such locks or no room for another.
  Result<bool> try_lock(std::int64_t byte, Kind kind);
  /// Locks any one of `count` bytes exclusively. Errors as above.
  Result<bool> try_lock_one_of(std::int64_t first, std::int64_t count);
  void unlock(std::int64_t byte);

  /// Gives the descriptor a number above `number`; false if there is none free.
  bool move_above(int number);
  int descriptor() const { return file_.get(); }
  /// Closes this side of the description without unlocking: the locks are now those of the processes that share it.
  void hand_over() { file_ = Descriptor(); }

  /// A counter's value; 0 if it cannot be read. Values of different owners may mix: only a change means something.
  std::uint64_t counter(std::uint64_t number) const;
  /// Changes a counter. A failure is not told: who looks sees no progress, which it survives.
  void tick(std::uint64_t number);

 private:
  LockFile(Descriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  Descriptor file_;
  std::string path_;
};

}  // namespace sinter
