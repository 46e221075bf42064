// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every family does with its bodies: one for each vendor, and a tile where a request leaves it open.

#include "base/result.h"
#include "codegen/family.h"

namespace sinter {

/// A family's bodies by vendor; null where it has none.
struct Bodies {
  const Body* host = nullptr;
  const Body* nvidia = nullptr;
  const Body* amd = nullptr;

  const Body* of(Vendor vendor) const;
};

/// Gives the spec its body's first tile if parameter `tile` is open. Errors: kUnsupported with what the body lacks, if
/// it has no tile for the spec.
Result<void> resolve_tile(KernelSpec& spec, int tile);

}  // namespace sinter
