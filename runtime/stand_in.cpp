// SPDX-License-Identifier: Apache-2.0
#include "runtime/stand_in.h"

#include <unistd.h>

#include <algorithm>

namespace sinter {

namespace {

constexpr std::chrono::seconds kFirstPause{1};
constexpr int kMostDoublings = 8;

}  // namespace

bool StandIn::begin_build() {
  int builder = builder_.load(std::memory_order_acquire);
  const int me = ::getpid();
  if (builder == me || own() != nullptr || Clock::now() < not_before_.load(std::memory_order_acquire)) {
    return false;
  }
  return builder_.compare_exchange_strong(builder, me);
}

void StandIn::fail_build() {
  const int doublings = std::min(failures_.fetch_add(1), kMostDoublings);
  not_before_.store(Clock::now() + kFirstPause * (1 << doublings), std::memory_order_release);
  give_up_build();
}

bool StandIn::finish_build(const Kernel* own) {
  const Kernel* none = nullptr;
  return own_.compare_exchange_strong(none, own);
}

}  // namespace sinter
