// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "runtime/caps/findings.h"
#include "runtime/caps/validate.h"

namespace sinter {

namespace {

Finding found(std::string_view subject, bool ok, std::string detail) {
  return {CheckStep::kSpec, subject, ok, std::move(detail)};
}

Finding examine_arch(const KernelSpec& spec, const DeviceCaps& caps) {
  if (caps.arch == nullptr) {
    return found("arch", false, fmt::format("{} has {}", caps.name, caps.note));
  }
  const bool ok = runs_on(*spec.arch, *caps.arch);
  return found("arch", ok,
               fmt::format("code for {} {} on {} ({}){}", spec.arch->name, ok ? "runs" : "does not run", caps.name,
                           caps.arch->name, ok ? "" : "; ask for the device's own arch"));
}

Finding examine_threads(const KernelSpec& spec, const BodyPlan& plan, const DeviceCaps& caps) {
  const Limit limit = limit_of(caps.max_threads_per_block, spec.arch->max_threads_per_block, *spec.arch);
  const bool ok = plan.threads_per_block <= static_cast<std::uint64_t>(limit.value);
  return found("threads", ok,
               fmt::format("needs {} {}, {} has {} ({})", plan.threads_per_block, threads_words(spec.arch->vendor),
                           caps.name, limit.value, limit.source));
}

Finding examine_shared_memory(const KernelSpec& spec, const BodyPlan& plan, const DeviceCaps& caps) {
  const Limit limit = limit_of(caps.shared_bytes_per_block, spec.arch->max_shared_memory_bytes, *spec.arch);
  const std::uint64_t needed = std::uint64_t{plan.static_shared_bytes} + plan.dynamic_shared_bytes;
  const bool ok = needed <= static_cast<std::uint64_t>(limit.value);
  return found(spec.arch->vendor == Vendor::kAmd ? "lds" : "shared memory", ok,
               fmt::format("needs {} {}, {} has {} ({}){}", needed, shared_memory_words(spec.arch->vendor), caps.name,
                           limit.value, limit.source, ok ? "" : "; choose a smaller tile"));
}

// Why an instruction that exists is refused. The link between vskip and the crash is likely, not proven, and said so.
std::string unsafe_reason(const DeviceCaps& caps) {
  return fmt::format(
      "a wave that is preempted while VSKIP is set may lose its registers (the likely cause of AITER issue 1143), and "
      "{}",
      explain_vskip_safety(caps));
}

Finding examine_vskip(const KernelSpec& spec, const DeviceCaps& caps, bool exempt_vskip) {
  const int param = spec.family->param_index("vskip");
  if (param < 0 || spec[param] != kVskipOn) {
    return found("vskip", true, "vskip is off");
  }
  const Arch& arch = caps.arch != nullptr ? *caps.arch : *spec.arch;
  if (!caps.has_setvskip.value.value_or(arch.has_setvskip)) {
    return found("vskip", false,
                 fmt::format("vskip is on, but s_setvskip exists on gfx6 to gfx9; {} is {}; ask for vskip off or auto",
                             caps.name, arch.name));
  }
  if (is_vskip_safe(caps)) {
    return found(
        "vskip", true,
        fmt::format("vskip is on, and {} is known to be safe with it: {}", caps.name, explain_vskip_safety(caps)));
  }
  if (exempt_vskip) {
    return found("vskip", true, fmt::format("vskip is on by explicit exemption, although {}", unsafe_reason(caps)));
  }
  return found(
      "vskip", false,
      fmt::format("vskip is on, but {} is not known to be safe with it: {}; ask for vskip off or auto, or exempt this "
                  "kernel explicitly",
                  caps.name, unsafe_reason(caps)));
}

}  // namespace

std::vector<Finding> examine_spec(const KernelSpec& spec, const BodyPlan& plan, const DeviceCaps& caps,
                                  bool exempt_vskip) {
  return {examine_arch(spec, caps), examine_threads(spec, plan, caps), examine_shared_memory(spec, plan, caps),
          examine_vskip(spec, caps, exempt_vskip)};
}

Result<void> check_spec(const KernelSpec& spec, const BodyPlan& plan, const DeviceCaps& caps, bool exempt_vskip) {
  return refusal(examine_spec(spec, plan, caps, exempt_vskip), spec.name(), caps.name);
}

}  // namespace sinter
