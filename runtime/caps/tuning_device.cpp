// SPDX-License-Identifier: Apache-2.0
#include "runtime/caps/tuning_device.h"

namespace sinter {

TuningDevice tuning_device(const DeviceCaps& caps, const Arch& build_arch, const DeviceProperties* live) {
  constexpr std::int64_t kMiB = std::int64_t{1} << 20;
  TuningDevice device;
  device.name = live != nullptr && build_arch.vendor == Vendor::kHost ? live->name : caps.name;
  device.arch = build_arch.name;
  device.unit_count = caps.unit_count.value.value_or(0);
  device.memory_mib = caps.memory_bytes.value.value_or(0) / kMiB;
  if (live != nullptr) {
    device.clock_mhz = live->clock_khz.value_or(0) / 1000;
    device.simulated = live->simulated;
  }
  return device;
}

}  // namespace sinter
