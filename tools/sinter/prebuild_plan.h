// SPDX-License-Identifier: Apache-2.0
#pragma once

// From what is wanted (manifests, models, traces) and where it shall run, to the specs that a process there would ask
// for. Prebuild compiles them, coverage looks whether they are there. Nothing is compiled or looked up here.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "base/settings.h"
#include "codegen/family.h"
#include "codegen/tuned_table.h"
#include "runtime/caps/device_caps.h"
#include "runtime/caps/quirks.h"
#include "tools/sinter/manifest.h"
#include "tools/sinter/trace_reader.h"

namespace sinter {

/// A kind of device that kernels are wanted for. An open vskip, the tile that suits its units, what was measured on it
/// and the quirks that it is subject to make kernels of one request differ between devices of one arch.
struct PlanTarget {
  const Arch* arch = nullptr;  ///< Compiled for.
  DeviceCaps caps;  ///< With the driver's version; if that is unknown, what any driver may ask for is planned.
  std::optional<DeviceProperties> live;  ///< Of a device of this machine.
};

/// The devices of the capability table that run code for `arch`, and one that has no row.
std::vector<PlanTarget> targets_of_arch(const Arch& arch, const std::vector<DeviceCaps>& table,
                                        std::string_view driver_version);

struct PlannedKernel {
  KernelSpec spec;
  BodyPlan plan;
  std::string name;                  ///< spec.name().
  std::string where;                 ///< What asked for it first.
  std::vector<std::string> devices;  ///< DeviceCaps::name of those that may ask for it, in order.
  Digest identity;                   ///< The cache key's digest without a compiler: the same on every machine.
};

/// A kernel that cannot be had.
struct RefusedKernel {
  std::string what;  ///< The spec, or the entry and arch if there is none.
  const Arch* arch = nullptr;
  std::string device;  ///< Empty: every device of the arch.
  Error error;
};

struct KernelPlan {
  std::vector<PlannedKernel> kernels;  ///< Each spec once, by arch, in the order of what is wanted.
  std::vector<RefusedKernel> refused;
};

/// What a plan depends on beside requests and devices. The references must outlive the call.
struct PlanContext {
  const std::vector<DeviceCaps>& table;
  const std::vector<Quirk>& quirks;
  const TunedTable& tuned;
  const Settings& settings;
};

/// `kernels` for every target. `traced` for every target, and if there is none for the devices on which they were asked
/// for; on the arch of their line also the spec that was recorded, since a live device may know more of itself than its
/// row. Errors: kInvalidRequest for a request that no arch could have, naming where it stands; none of a trace, whose
/// lines another Sinter may have written: those are refused.
Result<KernelPlan> plan_kernels(const std::vector<ManifestKernel>& kernels, const std::vector<TracedKernel>& traced,
                                const std::vector<PlanTarget>& targets, const PlanContext& context);

/// Part `index` of `count` of a plan that is split over machines.
struct Shard {
  std::uint64_t index = 0, count = 1;
};
/// "0/4". Errors: kInvalidRequest.
Result<Shard> parse_shard(std::string_view text);

/// Leaves what belongs to the shard: by identity, so that a kernel stays in its shard whatever else is wanted.
/// What was refused is the first shard's to tell.
void keep_shard(KernelPlan& plan, const Shard& shard);

}  // namespace sinter
