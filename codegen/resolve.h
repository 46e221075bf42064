// SPDX-License-Identifier: Apache-2.0
#pragma once

// Step 1 of a request: fill in every default. Nothing else does.

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codegen/family.h"
#include "codegen/kernel_spec.h"

namespace sinter {

/// Sets one parameter from text, as on a command line or in a manifest: "2816", "fp8_block", "128x128x64". "rows" and
/// "largest" are hints (kRowsHint, kLargestHint) of families whose launches have rows, and groups of them.
/// Errors: kInvalidRequest naming the parameter, the value and what is allowed.
Result<void> set_param(KernelRequest& request, std::string_view param, std::string_view value);

/// Sets one numeric parameter. Errors: as above.
Result<void> set_param(KernelRequest& request, std::string_view param, std::int64_t value);

/// The complete spec of a request on a target. vskip: `auto` (also when unset) is on only where the target is known to
/// be safe and has the instruction; elsewhere it is off. `on` for an arch without s_setvskip is refused here.
/// Errors: kInvalidRequest for a missing or impossible value; kUnsupported where the arch cannot have it.
Result<KernelSpec> resolve(const KernelRequest& request, const ResolveTarget& target);

/// resolve() for a device: its own arch, or, where the family has no body for that, an arch whose PTX the device's
/// driver compiles. Errors: those for the device's own arch.
Result<KernelSpec> resolve_for_device(const KernelRequest& request, const ResolveTarget& target);

/// How a resolved spec is built. Errors: kUnsupported (no body for the vendor, or a tile the arch cannot hold).
Result<BodyPlan> make_plan(const KernelSpec& spec);

}  // namespace sinter
