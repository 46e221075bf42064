// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/caps/findings.h"
#include "runtime/caps/validate.h"

namespace sinter {

namespace {

// "kernels *_vs_*, devices MI3*, drivers 6.10 and later, rows one of 304, 336".
std::string scope(const Quirk& quirk) {
  std::string text = fmt::format("kernels {}, devices {}", quirk.spec_pattern, quirk.device_pattern);
  if (!quirk.drivers.is_open()) {
    text += ", " + to_string(quirk.drivers);
  }
  for (const QuirkRange& range : quirk.ranges) {
    text += ", " + to_string(range);
  }
  return text;
}

std::string effect_words(const Quirk& quirk, QuirkMatch match) {
  if (quirk.effect == QuirkEffect::kPrefer) {
    std::vector<std::string> wishes;
    for (const auto& [param, value] : quirk.instead) {
      wishes.push_back(fmt::format("{} {}", param, value));
    }
    return fmt::format("prefers {}", fmt::join(wishes, ", "));
  }
  return match == QuirkMatch::kYes ? "denies it" : "denies some of its launches";
}

}  // namespace

std::vector<Finding> examine_quirks(const KernelSpec& spec, const DeviceCaps& caps, std::string_view driver_version,
                                    std::span<const Quirk> quirks) {
  const std::string driver = driver_version.empty() ? "unknown" : std::string(driver_version);
  std::vector<Finding> findings;
  bool denied = false;
  for (const Quirk& quirk : quirks) {
    const QuirkMatch match = match_quirk(quirk, spec, caps, driver_version);
    if (match == QuirkMatch::kNo) {
      continue;
    }
    const bool denies = quirk.effect == QuirkEffect::kDeny && match == QuirkMatch::kYes;
    denied = denied || denies;
    findings.push_back({CheckStep::kQuirks, "quirk", !denies,
                        fmt::format("quirk '{}' {}: {} ({}; this driver is {}; see {})", quirk.id, effect_words(quirk, match),
                                    quirk.reason, scope(quirk), driver, quirk.reference)});
  }
  if (!denied) {
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
