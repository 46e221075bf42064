// SPDX-License-Identifier: Apache-2.0
#include "base/lingering_thread.h"

#include <unistd.h>

#include <system_error>
#include <utility>

#include "base/blocked_signals.h"

namespace sinter {

LingeringThread::LingeringThread() : process_(getpid()) {}

LingeringThread::~LingeringThread() {
  if (is_inherited()) {
    (void)new std::thread(std::move(thread_));  // Not ours to join; a joinable one must not be destroyed.
    return;
  }
  join();
}

bool LingeringThread::is_inherited() const { return process_ != getpid(); }

bool LingeringThread::start(std::function<void()> body) {
  if (is_running_) {
    return true;
  }
  join();  // It has nothing left to do but return.
  const BlockedSignals blocked;
  try {
    thread_ = std::thread(std::move(body));
  } catch (const std::system_error&) {
    return false;
  }
  is_running_ = true;
  return true;
}

void LingeringThread::join() {
  if (thread_.joinable()) {
    thread_.join();
  }
}

}  // namespace sinter
