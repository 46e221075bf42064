// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which kernel a device gets for a request: what is open in it is filled by quirks that prefer something, then by what was
// measured (codegen/tuned_table.h), then by rounds and occupancy (codegen/tile_choice.h), each among what nothing refuses.
// Pure functions.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codegen/resolve.h"
#include "codegen/tile_choice.h"
#include "codegen/tuned_table.h"
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
  const TunedTable* tuned = nullptr;  ///< Null: nothing was measured.
  TuningDevice device = {};           ///< As rows of `tuned` call it.
};

struct KernelChoice {
  KernelSpec spec;
  ChoiceSource source = ChoiceSource::kAsked;
  std::string reason;  ///< One clause: the measured row, or the heuristic's numbers.
  std::optional<TuningRow> tuned;  ///< That was followed.
  /// Of the tile, if the request left it open, in the order of the heuristic. Without a tuned row the first candidate that
  /// nothing refuses is the spec's.
  TileChoice tiles;
  std::vector<std::string> refusals;  ///< By candidate, as far as they were asked; empty: nothing refuses it.
  std::vector<std::string> notes;     ///< What quirks preferred; which measured rows could not be followed, and why.
};

/// If every tile is refused the spec has the first one, and the checks that follow say why.
/// Errors: those of resolve_for_device.
Result<KernelChoice> choose_kernel(const ChoiceQuestion& question);

/// What may be measured for a request: its specs with every value of what it leaves open that nothing refuses here, the
/// choice without measurements first; beside them why others may not be.
struct MeasurableSpecs {
  KernelSpec chosen;
  std::vector<KernelSpec> specs;
  std::vector<std::pair<KernelSpec, std::string>> refused;
};
/// Errors: those of resolve_for_device.
Result<MeasurableSpecs> measurable_specs(const ChoiceQuestion& question);

/// "nearest: tile=128x256x64, measured on ...", for logs.
std::string one_line(const KernelChoice& choice);
/// The candidates with numbers and reasons, one per line, the chosen one marked.
std::string to_text(const KernelChoice& choice, const DeviceCaps& caps);
/// {"spec", "source", "reason", "tuned", "by_cost", "notes", "candidates": [{"tile", "chosen", "refused", "blocks_per_unit", "blocks", "rounds",
/// "idle_units", "waste", "cost"}]}, as an object's text.
std::string to_json(const KernelChoice& choice);

}  // namespace sinter
