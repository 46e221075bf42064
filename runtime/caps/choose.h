// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which kernel a device gets for a request: what is open in it is filled by quirks that prefer something, then the tile
// by rounds and occupancy (codegen/tile_choice.h) among those that nothing refuses. Pure functions.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codegen/resolve.h"
#include "codegen/tile_choice.h"
#include "runtime/caps/device_caps.h"
#include "runtime/caps/quirks.h"

namespace sinter {

/// What is asked. The references must outlive the call.
struct ChoiceQuestion {
  const KernelRequest& request;
  ResolveTarget target;
  const DeviceCaps& caps;
  std::string_view driver_version;  ///< Empty: unknown.
  const std::vector<Quirk>& quirks;
  bool exempt_vskip = false;
  bool all = false;  ///< Ask of every tile whether something refuses it, not only until one is found.
};

struct KernelChoice {
  KernelSpec spec;
  /// Of the tile, if the request left it open; the first candidate that nothing refuses is the spec's.
  TileChoice tiles;
  std::vector<std::string> refusals;  ///< By candidate, as far as they were asked; empty: nothing refuses it.
  std::vector<std::string> notes;     ///< What quirks preferred.
};

/// If every tile is refused the spec has the first one, and the checks that follow say why.
/// Errors: those of resolve_for_device.
Result<KernelChoice> choose_kernel(const ChoiceQuestion& question);

/// The candidates with numbers and reasons, one per line, the chosen one marked.
std::string to_text(const KernelChoice& choice, const DeviceCaps& caps);
/// {"spec", "reason", "by_cost", "notes", "candidates": [{"tile", "chosen", "refused", "blocks_per_unit", "blocks", "rounds",
/// "idle_units", "waste", "cost"}]}, as an object's text.
std::string to_json(const KernelChoice& choice);

}  // namespace sinter
