// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/prebuild_plan.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "codegen/resolve.h"
#include "runtime/caps/choose.h"
#include "runtime/caps/tuning_device.h"
#include "runtime/caps/validate.h"
#include "runtime/compile/cache_key_inputs.h"

namespace sinter {

namespace {

/// A program may lift the refusal of an unsafe vskip for itself (sinter_options::allow_unsafe_vskip).
constexpr bool kExemptVskip = true;

/// What vskip "auto" may come to on this device: one answer if its driver is known.
std::vector<bool> vskip_answers(const DeviceCaps& caps) {
  if (!caps.driver_version.empty()) {
    return {is_vskip_safe(caps)};
  }
  return may_be_vskip_safe(caps) ? std::vector<bool>{false, true} : std::vector<bool>{false};
}

class Planner {
 public:
  explicit Planner(const PlanContext& context) : context_(context) {}

  /// Errors: kInvalidRequest for a request that is none.
  Result<void> add(const KernelRequest& request, const std::string& where, std::span<const PlanTarget> targets) {
    std::optional<Error> refusal;
    bool possible = false;
    for (const PlanTarget& target : targets) {
      for (const bool vskip_safe : vskip_answers(target.caps)) {
        const auto added = add_one(request, where, target, vskip_safe);
        if (!added && added.error().code != ErrorCode::kUnsupported) {
          return located(where, added.error());
        }
        possible |= added.has_value();
        if (!added && !refusal) {
          refusal = located(where, added.error());
        }
      }
    }
    if (!possible && refusal) {
      const Arch* arch = targets.front().arch;
      refuse({fmt::format("{} for {}", where, arch->name), arch, "", std::move(*refusal)});
    }
    return {};
  }

  /// A spec as it is, for the device that asked for it.
  void add_spec(const KernelSpec& spec, const std::string& where, const std::string& device) {
    auto plan = make_plan(spec);
    auto kept = plan ? keep(spec, std::move(*plan), where, device) : Result<void>(plan.error());
    if (!kept) {
      refuse({spec.name(), spec.arch, "", located(where, kept.error())});
    }
  }

  void refuse(RefusedKernel refused) {
    // Of a device it may come up for each answer to vskip; of a whole arch it is one request each time.
    if (refused.device.empty() || refused_.emplace(refused.what, refused.device).second) {
      plan_.refused.push_back(std::move(refused));
    }
  }

  KernelPlan finish() { return std::move(plan_); }

  static Error located(std::string_view where, Error error) {
    error.message = fmt::format("{}: {}", where, error.message);
    return error;
  }

 private:
  Result<void> add_one(const KernelRequest& request, const std::string& where, const PlanTarget& target,
                       bool vskip_safe) {
    ResolveTarget asked = resolve_target(target.caps, *target.arch, context_.settings);
    asked.vskip_safe = vskip_safe;
    const DeviceProperties* live = target.live ? &*target.live : nullptr;
    SINTER_TRY(const KernelChoice choice, choose_kernel({.request = request,
                                                         .target = asked,
                                                         .caps = target.caps,
                                                         .driver_version = target.caps.driver_version,
                                                         .quirks = context_.quirks,
                                                         .exempt_vskip = kExemptVskip,
                                                         .tuned = &context_.tuned,
                                                         .device = tuning_device(target.caps, *target.arch, live)}));
    SINTER_TRY(BodyPlan plan, make_plan(choice.spec));
    auto allowed = check_spec(choice.spec, plan, target.caps, kExemptVskip);
    if (allowed) {
      allowed = check_quirks(choice.spec, target.caps, target.caps.driver_version, context_.quirks);
    }
    if (!allowed) {
      refuse({choice.spec.name(), target.arch, target.caps.name, located(where, allowed.error())});
      return {};  // the arch has it; this device does not
    }
    return keep(choice.spec, std::move(plan), where, target.caps.name);
  }

  Result<void> keep(const KernelSpec& spec, BodyPlan plan, const std::string& where, const std::string& device) {
    const auto [at, is_new] = numbers_.try_emplace(spec.name(), plan_.kernels.size());
    if (is_new) {
      auto key = cache_key_of(spec, plan, Toolchain{});
      if (!key) {
        numbers_.erase(at);
        return std::move(key).error();
      }
      plan_.kernels.push_back({spec, std::move(plan), spec.name(), where, {}, key->digest});
    }
    std::vector<std::string>& devices = plan_.kernels[at->second].devices;
    if (std::ranges::find(devices, device) == devices.end()) {
      devices.push_back(device);
    }
    return {};
  }

  const PlanContext& context_;
  KernelPlan plan_;
  std::map<std::string, std::size_t> numbers_;             // by spec
  std::set<std::pair<std::string, std::string>> refused_;  // what and device
};

PlanTarget target_of_line(const TracedKernel& traced, const PlanContext& context) {
  PlanTarget target{traced.arch, caps_of_arch(*traced.arch), {}};
  target.caps.name = traced.device;
  if (const auto row = find_device_caps(context.table, traced.device); row && runs_on(*traced.arch, *(*row)->arch)) {
    target.caps = **row;
  }
  target.caps.driver_version = traced.driver_version;
  return target;
}

}  // namespace

std::vector<PlanTarget> targets_of_arch(const Arch& arch, const std::vector<DeviceCaps>& table,
                                        std::string_view driver_version) {
  std::vector<PlanTarget> targets;
  for (const DeviceCaps& caps : table) {
    if (runs_on(arch, *caps.arch)) {
      targets.push_back({&arch, caps, {}});
    }
  }
  targets.push_back({&arch, caps_of_arch(arch), {}});
  targets.back().caps.name = fmt::format("any other {}", arch.name);
  for (PlanTarget& target : targets) {
    target.caps.driver_version = driver_version;
  }
  return targets;
}

Result<KernelPlan> plan_kernels(const std::vector<ManifestKernel>& kernels, const std::vector<TracedKernel>& traced,
                                const std::vector<PlanTarget>& targets, const PlanContext& context) {
  Planner planner(context);
  for (std::size_t first = 0, end = 0; first < targets.size(); first = end) {
    while (end < targets.size() && targets[end].arch == targets[first].arch) {
      ++end;
    }
    const auto of_arch = std::span(targets).subspan(first, end - first);
    for (const ManifestKernel& kernel : kernels) {
      SINTER_TRY_VOID(planner.add(kernel.request, kernel.where, of_arch));
    }
    for (const TracedKernel& kernel : traced) {
      if (const auto added = planner.add(kernel.request, kernel.where, of_arch); !added) {
        planner.refuse({kernel.where, of_arch.front().arch, "", added.error()});
      }
    }
  }
  for (const TracedKernel& kernel : traced) {
    if (targets.empty()) {
      const PlanTarget target = target_of_line(kernel, context);
      if (const auto added = planner.add(kernel.request, kernel.where, {&target, 1}); !added) {
        planner.refuse({kernel.where, kernel.arch, "", added.error()});
      }
    }
    const auto wanted = [&](const PlanTarget& target) { return target.arch == kernel.arch; };
    if (kernel.spec && (targets.empty() || std::ranges::any_of(targets, wanted))) {
      planner.add_spec(*kernel.spec, kernel.where, kernel.device);
    }
  }
  return planner.finish();
}

Result<Shard> parse_shard(std::string_view text) {
  constexpr std::uint64_t kMostShards = 100'000;
  Shard shard;
  const char* const end = text.data() + text.size();
  const auto index = std::from_chars(text.data(), end, shard.index);
  if (index.ec == std::errc{} && index.ptr != end && *index.ptr == '/') {
    const auto count = std::from_chars(index.ptr + 1, end, shard.count);
    if (count.ec == std::errc{} && count.ptr == end && shard.count <= kMostShards && shard.index < shard.count) {
      return shard;
    }
  }
  return make_error(
      ErrorCode::kInvalidRequest,
      fmt::format("shard '{}'; write I/N with I from 0 to N - 1 and N up to {}, as 0/4", text, kMostShards));
}

void keep_shard(KernelPlan& plan, const Shard& shard) {
  std::erase_if(plan.kernels, [&](const PlannedKernel& kernel) {
    std::uint64_t head = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      head = head << 8 | kernel.identity.bytes[i];
    }
    return head % shard.count != shard.index;
  });
  if (shard.index != 0) {
    plan.refused.clear();
  }
}

}  // namespace sinter
