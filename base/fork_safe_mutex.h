// SPDX-License-Identifier: Apache-2.0
#pragma once

// ForkSafeMutex: a mutex that nobody holds in a forked child. A fork copies memory but only the thread that forks: a
// mutex that another thread held stays locked in the child for ever, and what it guards is half changed.

#include <mutex>

namespace sinter {

/// Works like std::mutex. A fork waits until it has every mutex of this kind itself, and lets them go in parent and
/// child. So that a fork is never stuck, three rules hold for whoever has one:
/// - it takes no other mutex of this kind, and makes or destroys none;
/// - it calls nothing that may fork: no driver, no callback of the host;
/// - it holds it for moments.
class ForkSafeMutex {
 public:
  ForkSafeMutex();
  ~ForkSafeMutex();
  ForkSafeMutex(const ForkSafeMutex&) = delete;
  ForkSafeMutex& operator=(const ForkSafeMutex&) = delete;

  void lock() { mutex_.lock(); }
  bool try_lock() { return mutex_.try_lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  struct Registry;

  std::mutex mutex_;
  ForkSafeMutex* next_ = nullptr;  // in the registry's list
  ForkSafeMutex* previous_ = nullptr;
};

}  // namespace sinter
