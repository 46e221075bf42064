// SPDX-License-Identifier: Apache-2.0
#pragma once

// Measuring what a request may leave open: every candidate that nothing refuses is built, checked against the float64
// reference on random data, and only then timed, with cold caches and in turns, so that a clock that drifts meets all alike.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codegen/tuning_row.h"
#include "runtime/runtime.h"

namespace sinter::cli {

struct TunerOptions {
  std::int64_t samples = 15;   ///< Timed launches of each candidate. A simulated device needs one.
  std::int64_t pause_ms = 5;   ///< Before each, for a chip that is limited by power.
  std::uint64_t seed = 1;
};

struct TuningOutcome {
  TuningRow row;
  ParamTexts heuristic;      ///< What is chosen without measurements.
  ChoiceSource source = ChoiceSource::kHeuristic;  ///< By what: the heuristic, or the general choice.
  double heuristic_ratio = 0;  ///< Its median over the best one's; 0 if it could not be timed.
  bool any_wrong = false;    ///< Some candidate computed wrong results.
};

/// Tunes one request for launches whose groups have these rows; `request` leaves the tile open. `on_step` gets a line about
/// what goes on.
/// Errors: kInvalidRequest, kUnsupported (no candidate may run here), and those of the driver.
Result<TuningOutcome> tune(Runtime& runtime, int device, KernelRequest request, const std::vector<std::int64_t>& rows_of_groups,
                           const TunerOptions& options, const std::function<void(const std::string&)>& on_step);

}  // namespace sinter::cli
