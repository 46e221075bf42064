// SPDX-License-Identifier: Apache-2.0
#include "base/fork_safe_mutex.h"

#include <pthread.h>

namespace sinter {

/// All mutexes of the process. It has to be global, since the handlers of a fork get no argument, and it is never
/// destroyed, since a fork may come as late as the last destructor.
struct ForkSafeMutex::Registry {
  std::mutex mutex;  // guards the list
  ForkSafeMutex* first = nullptr;

  static Registry& instance() {
    static Registry* const registry = [] {
      auto* made = new Registry;
      // Without memory for the handlers the mutexes are plain ones. They go when this library is unloaded.
      [[maybe_unused]] const int ignored = ::pthread_atfork(&lock_all, &unlock_all, &unlock_all);
      return made;
    }();
    return *registry;
  }

  static void lock_all() {
    Registry& registry = instance();
    registry.mutex.lock();
    for (ForkSafeMutex* mutex = registry.first; mutex != nullptr; mutex = mutex->next_) {
      mutex->lock();
    }
  }

  static void unlock_all() {
    Registry& registry = instance();
    for (ForkSafeMutex* mutex = registry.first; mutex != nullptr; mutex = mutex->next_) {
      mutex->unlock();
    }
    registry.mutex.unlock();
  }
};

ForkSafeMutex::ForkSafeMutex() {
  Registry& registry = Registry::instance();
  const std::lock_guard lock(registry.mutex);
  next_ = registry.first;
  if (next_ != nullptr) {
    next_->previous_ = this;
  }
  registry.first = this;
}

ForkSafeMutex::~ForkSafeMutex() {
  Registry& registry = Registry::instance();
  const std::lock_guard lock(registry.mutex);
  (previous_ != nullptr ? previous_->next_ : registry.first) = next_;
  if (next_ != nullptr) {
    next_->previous_ = previous_;
  }
}

}  // namespace sinter
