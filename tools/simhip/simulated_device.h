// SPDX-License-Identifier: Apache-2.0
#pragma once

// The device that this process sees: one row of Sinter's capability table, memory, and what happened on it.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/caps/device_caps.h"
#include "tools/simhip/dispatcher.h"
#include "tools/simhip/memory_map.h"
#include "tools/simhip/simhip.h"

namespace sinter::sim {

/// Thread-safe; launches run one after the other.
class SimulatedDevice {
 public:
  /// `name` as in the capability table: "MI300X". Errors: kInvalidRequest naming the devices that can be simulated.
  static Result<std::unique_ptr<SimulatedDevice>> create(std::string_view name);

  const DeviceCaps& caps() const { return caps_; }
  std::string_view arch() const { return caps_.arch->name; }
  MemoryMap& memory() { return memory_; }

  /// Runs a kernel to its end. A fault is kept, and nothing runs any more until reset.
  void launch(Launch launch);
  std::optional<Fault> fault() const;
  void reset();
  sinter_simhip_counters counters() const;
  /// Of CheckSet, for launches from now on.
  void set_checks(std::uint32_t checks) { checks_ = checks; }
  std::uint32_t checks() const { return checks_; }
  void set_preemption(const PreemptionOptions& options);

 private:
  explicit SimulatedDevice(DeviceCaps caps) : caps_(std::move(caps)) {}

  const DeviceCaps caps_;
  MemoryMap memory_;
  std::atomic<std::uint32_t> checks_{kNoChecks};
  std::mutex launching_;  // held while a kernel runs
  mutable std::mutex mutex_;  // guards what follows
  PreemptionOptions preemption_;
  std::optional<Fault> fault_;
  sinter_simhip_counters counters_{};
};

}  // namespace sinter::sim
