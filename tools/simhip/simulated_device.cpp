// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/simulated_device.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sinter::sim {

namespace {

constexpr std::array<std::string_view, 3> kArchs = {"gfx90a", "gfx942", "gfx950"};

bool is_simulated(const DeviceCaps& caps) { return std::ranges::find(kArchs, caps.arch->name) != kArchs.end(); }

ArchTraits traits_of(std::string_view arch) {
  return {.has_fnuz_fp8 = arch == "gfx942", .flushes_bf16_products = arch == "gfx90a"};
}

}  // namespace

Result<std::unique_ptr<SimulatedDevice>> SimulatedDevice::create(std::string_view name) {
  SINTER_TRY(const std::vector<DeviceCaps> table, load_capability_table(builtin_capability_json()));
  std::string known;
  for (const DeviceCaps& caps : table) {
    if (!is_simulated(caps)) {
      continue;
    }
    if (caps.name == name) {
      return std::unique_ptr<SimulatedDevice>(new SimulatedDevice(caps));
    }
    known += (known.empty() ? "" : ", ") + caps.name;
  }
  return make_error(ErrorCode::kInvalidRequest,
                    fmt::format("SINTER_SIMHIP_DEVICE={} is no device that can be simulated: {}", name, known));
}

void SimulatedDevice::launch(Launch launch) {
  const std::lock_guard running(launching_);
  if (fault()) {
    return;
  }
  const auto arguments = reinterpret_cast<std::uintptr_t>(launch.arguments.data());
  MemoryRanges ranges = memory_.ranges();
  ranges.push_back({arguments, arguments + launch.arguments.size(), false, 0});
  std::ranges::sort(ranges, {}, &MemoryRange::begin);
  launch.memory = &ranges;
  launch.arch = traits_of(arch());
  launch.checks = checks_;
  {
    const std::lock_guard lock(mutex_);
    launch.preemption = preemption_;
  }
  LaunchResult result = execute(launch);

  const std::lock_guard lock(mutex_);
  ++counters_.launches;
  counters_.wave_instructions += result.counts.instructions;
  counters_.vector_memory_instructions += result.counts.vector_memory;
  counters_.preemptions += result.counts.preemptions;
  counters_.skipped_instructions += result.counts.skipped;
  if (result.fault) {
    fault_ = Fault{result.fault->kind, fmt::format("simulated {}: {}", caps_.name, result.fault->message)};
  }
}

void SimulatedDevice::set_preemption(const PreemptionOptions& options) {
  const std::lock_guard lock(mutex_);
  preemption_ = options;
}

std::optional<Fault> SimulatedDevice::fault() const {
  const std::lock_guard lock(mutex_);
  return fault_;
}

void SimulatedDevice::reset() {
  const std::lock_guard lock(mutex_);
  fault_.reset();
}

sinter_simhip_counters SimulatedDevice::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

}  // namespace sinter::sim
