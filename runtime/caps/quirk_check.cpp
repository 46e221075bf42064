// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "runtime/caps/findings.h"
#include "runtime/caps/validate.h"

namespace sinter {

std::vector<Finding> examine_quirks(const KernelSpec& spec, const DeviceCaps& caps, std::string_view driver_version,
                                    std::span<const Quirk> quirks) {
  const std::string driver = driver_version.empty() ? "unknown" : std::string(driver_version);
  std::vector<Finding> findings;
  for (const Quirk& quirk : quirks) {
    if (!quirk_matches(quirk, spec, caps, driver_version)) {
      continue;
    }
    const std::string drivers = quirk.drivers.is_open() ? std::string() : ", " + to_string(quirk.drivers);
    findings.push_back(
        {CheckStep::kQuirks, "quirk", false,
         fmt::format("quirk '{}' denies it: {} (kernels {}, devices {}{}; this driver is {}; see {})", quirk.id,
                     quirk.reason, quirk.spec_pattern, quirk.device_pattern, drivers, driver, quirk.reference)});
  }
  if (findings.empty()) {
    findings.push_back({CheckStep::kQuirks, "quirk", true,
                        fmt::format("none of {} known quirks denies it (driver {})", quirks.size(), driver)});
  }
  return findings;
}

Result<void> check_quirks(const KernelSpec& spec, const DeviceCaps& caps, std::string_view driver_version,
                          std::span<const Quirk> quirks) {
  return refusal(examine_quirks(spec, caps, driver_version, quirks), spec.name(), caps.name);
}

}  // namespace sinter
