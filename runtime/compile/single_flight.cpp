// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/single_flight.h"

#include <exception>

namespace sinter {

namespace {

// Waiters depend on an outcome, so even running out of memory must be one.
SingleFlight::Outcome build_safely(const std::function<SingleFlight::Outcome()>& build) {
  try {
    return build();
  } catch (const std::exception& exception) {
    return make_error(ErrorCode::kInternal, std::string("an exception while compiling: ") + exception.what());
  } catch (...) {
    return make_error(ErrorCode::kInternal, "an exception while compiling");
  }
}

}  // namespace

SingleFlight::Outcome SingleFlight::run(const Digest& key, const std::function<Outcome()>& build) {
  std::shared_ptr<Flight> flight;
  bool mine = false;
  {
    const std::lock_guard lock(mutex_);
    auto& slot = flights_[key];
    mine = slot == nullptr || slot->process != ::getpid();
    if (mine) {
      slot = std::make_shared<Flight>();
    }
    flight = slot;
  }
  if (!mine) {
    std::unique_lock lock(flight->mutex);
    flight->landed->wait(lock, [&] { return flight->outcome.has_value(); });
    return *flight->outcome;
  }

  Outcome outcome = build_safely(build);
  {
    const std::lock_guard lock(mutex_);
    flights_.erase(key);
  }
  {
    const std::lock_guard lock(flight->mutex);
    flight->outcome = outcome;
  }
  flight->landed->notify_all();
  return outcome;
}

}  // namespace sinter
