// SPDX-License-Identifier: Apache-2.0
#pragma once

// LingeringThread: a thread of a host that did not ask for one. It is started when there is work, stays for a while when
// there is none, and leaves by itself; a fork leaves it with the parent.

#include <functional>
#include <thread>

namespace sinter {

/// One thread at a time. The owner has a mutex and a condition for its work: every call but join() and is_inherited()
/// is made with that mutex held. The owner outlives the thread, since its destructor joins it after it was told to stop.
class LingeringThread {
 public:
  LingeringThread();
  /// Joins. In a child of fork the thread is not there: nothing happens.
  ~LingeringThread();
  LingeringThread(const LingeringThread&) = delete;
  LingeringThread& operator=(const LingeringThread&) = delete;

  /// True in a child of the process that made it, where no call may be made but this one.
  bool is_inherited() const;

  /// Starts `body` with the host's signals blocked, unless it runs already. `body` calls leave() when it returns, in the
  /// same hold of the mutex in which it found nothing to do. False if no thread is to be had.
  bool start(std::function<void()> body);
  bool is_running() const { return is_running_; }
  void leave() { is_running_ = false; }

  /// Waits for the end of the thread, if there is one, without the owner's mutex.
  void join();

 private:
  const int process_;  // The pid that made it.
  bool is_running_ = false;
  std::thread thread_;  // Of one that has left: ended, or about to return.
};

}  // namespace sinter
