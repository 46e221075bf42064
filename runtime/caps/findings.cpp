// SPDX-License-Identifier: Apache-2.0
#include "runtime/caps/findings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sinter {

std::string_view check_step_name(CheckStep step) {
  switch (step) {
    case CheckStep::kResolve: return "resolve";
    case CheckStep::kSpec: return "spec check";
    case CheckStep::kCodeObject: return "code object check";
    case CheckStep::kQuirks: return "quirk check";
    case CheckStep::kLaunch: return "launch check";
  }
  return "check";
}

Result<void> refusal(const std::vector<Finding>& findings, std::string_view spec_name, std::string_view device) {
  std::vector<std::string_view> details;
  CheckStep step = CheckStep::kSpec;
  for (const Finding& finding : findings) {
    if (!finding.ok) {
      step = finding.step;
      details.push_back(finding.detail);
    }
  }
  if (details.empty()) {
    return {};
  }
  return make_error(ErrorCode::kUnsupported, fmt::format("{}: {} cannot run on {}: {}", check_step_name(step),
                                                         spec_name, device, fmt::join(details, "; ")));
}

Limit limit_of(const Sourced<std::int64_t>& cell, std::int64_t arch_limit, const Arch& arch) {
  if (cell.value) {
    return {*cell.value, cell.source};
  }
  return {arch_limit, fmt::format("limit of the arch {}", arch.name)};
}

std::string_view shared_memory_words(Vendor vendor) {
  switch (vendor) {
    case Vendor::kHost: return "bytes of scratch per thread";
    case Vendor::kNvidia: return "bytes of shared memory per block";
    case Vendor::kAmd: return "bytes of LDS per workgroup";
  }
  return "bytes of shared memory per block";
}

std::string_view threads_words(Vendor vendor) {
  return vendor == Vendor::kAmd ? "threads per workgroup" : "threads per block";
}

}  // namespace sinter
