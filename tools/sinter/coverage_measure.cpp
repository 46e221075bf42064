// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <span>
#include <utility>

#include "codegen/code_object.h"
#include "tools/sinter/coverage.h"

namespace sinter::cli {

namespace {

Digest digest_of(const CompiledCode& found) {
  DigestBuilder digest;
  digest.field("key", to_hex(found.key.digest));
  digest.field("entry", found.code->entry);
  digest.field("format", code_format_name(found.code->format));
  digest.field("facts", to_json(found.code->facts));
  digest.field("code", std::span<const std::byte>(found.code->code));
  return digest.finish();
}

/// Why a spec that is stored is not the kernel that is wanted.
std::string reason_of(Runtime& runtime, const PlannedKernel& kernel) {
  return runtime.cache().keys_of_spec(kernel.name, kernel.spec.arch->name).empty()
             ? "not stored"
             : "stored by another version of Sinter: template, parameters or facts differ (sinter cache show tells "
               "them)";
}

Finding look_up(Runtime& runtime, const PlannedKernel& kernel) {
  Finding finding{.kernel = &kernel, .key = {}, .stored = {}, .reason = {}};
  const auto found = runtime.compile_service().load_or_compile(kernel.spec, kernel.plan);
  if (!found) {
    finding.reason = reason_of(runtime, kernel);
    return finding;
  }
  finding.present = true;
  finding.origin = found->origin;
  finding.key = found->key.digest;
  finding.stored = digest_of(*found);
  return finding;
}

DeviceCount& count_of(std::vector<DeviceCount>& counts, std::string_view arch, const std::string& device) {
  const auto it = std::ranges::find_if(
      counts, [&](const DeviceCount& count) { return count.arch == arch && count.device == device; });
  return it != counts.end() ? *it : counts.emplace_back(DeviceCount{arch, device});
}

}  // namespace

std::size_t Coverage::missing() const {
  return static_cast<std::size_t>(std::ranges::count(findings, false, &Finding::present));
}

Coverage measure_coverage(Runtime& runtime, const Selection& selection) {
  Coverage coverage;
  for (const PlanTarget& target : selection.targets) {
    count_of(coverage.devices, target.arch->name, target.caps.name);
  }
  for (const PlannedKernel& kernel : selection.plan.kernels) {
    coverage.findings.push_back(look_up(runtime, kernel));
    for (const std::string& device : kernel.devices) {
      // A kernel that a newer arch borrows, as PTX, counts for the arch that it was planned for.
      const auto target = std::ranges::find(selection.targets, device,
                                            [](const PlanTarget& one) -> const std::string& { return one.caps.name; });
      DeviceCount& count = count_of(
          coverage.devices, target != selection.targets.end() ? target->arch->name : kernel.spec.arch->name, device);
      ++count.declared;
      count.present += coverage.findings.back().present ? 1 : 0;
    }
  }
  for (const RefusedKernel& refused : selection.plan.refused) {
    for (DeviceCount& count : coverage.devices) {
      count.refused +=
          count.arch == refused.arch->name && (refused.device.empty() || refused.device == count.device) ? 1 : 0;
    }
  }
  return coverage;
}

}  // namespace sinter::cli
