// SPDX-License-Identifier: Apache-2.0
#pragma once

// Spreads the work-groups of a launch over the host's cores.

#include <optional>

#include "tools/simhip/work_group.h"

namespace sinter::sim {

struct LaunchResult {
  ExecutionCounts counts;
  std::optional<Fault> fault;  ///< The first that was seen; no further work-group is started then.
};

/// Returns when all work-groups have run. Work-groups of one launch must not wait for each other: they run in any
/// order, as on a device.
LaunchResult execute(const Launch& launch);

}  // namespace sinter::sim
