// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/patience.h"

#include <unistd.h>

#include <algorithm>
#include <thread>

namespace sinter {
namespace {

/// A disk hit takes a tenth of the first; the last is what a waiter may lose to a lease that is free.
constexpr Patience::Duration kFirstPause{2'000};
constexpr Patience::Duration kLastPause{50'000};

/// Different in each process and thread.
std::minstd_rand::result_type seed(const void* place) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  return static_cast<std::minstd_rand::result_type>(static_cast<std::uint64_t>(now) ^
                                                    (static_cast<std::uint64_t>(::getpid()) << 16) ^
                                                    reinterpret_cast<std::uintptr_t>(place));
}

}  // namespace

Patience::Patience(Duration limit) : limit_(limit), pause_(kFirstPause), random_(seed(this)) {}

bool Patience::wait(std::uint64_t progress) {
  if (progress != last_progress_) {
    last_progress_ = progress;
    since_progress_ = Duration{0};
  }
  if (since_progress_ >= limit_) {
    return false;
  }
  std::uniform_int_distribution<Duration::rep> length(pause_.count() / 2, pause_.count());
  const Duration pause{length(random_)};
  std::this_thread::sleep_for(pause);
  pause_ = std::min(2 * pause_, kLastPause);
  slept_ += pause;
  since_progress_ += pause;
  return true;
}

}  // namespace sinter
