// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/settings.h"
#include "runtime/caps/device_caps.h"

namespace sinter {

namespace {

constexpr std::string_view kSimulator = "simhip";

std::string driver_words(const DeviceCaps& caps) {
  return caps.driver_version.empty() ? std::string("this driver's version is unknown")
                                     : fmt::format("this driver is '{}'", caps.driver_version);
}

}  // namespace

bool is_vskip_safe(const DeviceCaps& caps) {
  const auto& claim = caps.vskip_safe.value;
  return claim && claim->safe &&
         (claim->drivers.is_open() || driver_in_range(claim->drivers, caps.driver_version) == InRange::kYes);
}

bool may_be_vskip_safe(const DeviceCaps& caps) {
  const auto& claim = caps.vskip_safe.value;
  return claim && claim->safe && !claim->drivers.driver.starts_with(kSimulator);
}

ResolveTarget resolve_target(const DeviceCaps& caps, const Arch& arch, const Settings& settings) {
  const std::int64_t open_vskip = !settings.vskip ? kVskipAuto : *settings.vskip ? kVskipOn : kVskipOff;
  return {&arch, is_vskip_safe(caps), caps.unit_count.value.value_or(0), open_vskip};
}

std::string explain_vskip_safety(const DeviceCaps& caps) {
  const auto& claim = caps.vskip_safe.value;
  if (!claim) {
    return "no sourced row says that this device and driver are safe (vskip_safe is unknown)";
  }
  if (!claim->safe) {
    return fmt::format("its row says that it is unsafe: {}", caps.vskip_safe.source);
  }
  if (claim->drivers.is_open()) {
    return fmt::format("its row says so for any driver: {}", caps.vskip_safe.source);
  }
  const std::string row = fmt::format("{} (source: {})", to_string(claim->drivers), caps.vskip_safe.source);
  if (driver_in_range(claim->drivers, caps.driver_version) == InRange::kYes) {
    return fmt::format("its row says so for {}; {}", row, driver_words(caps));
  }
  return fmt::format("no sourced row says that this device and driver are safe: vskip_safe covers {}, and {}", row, driver_words(caps));
}

}  // namespace sinter
