// SPDX-License-Identifier: Apache-2.0
#pragma once

// TunedTable: the measured decisions that a process knows, and which of them answers a request best. Rows are measured
// for one kind of device and one bucket of shapes; a request that none was measured for gets the nearest, within limits.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/family.h"
#include "codegen/kernel_spec.h"
#include "codegen/tuning_row.h"

namespace sinter {

/// Where the answer to what a request left open came from. The words are printed: never rename.
enum class ChoiceSource : std::uint8_t {
  kAsked,         ///< "asked": nothing was left open.
  kTunedExact,    ///< "exact": measured on this kind of device, in this bucket.
  kTunedNearest,  ///< "nearest": measured on this kind of device, for a shape near this one.
  kTunedArch,     ///< "same arch": measured on another device of the arch, for this shape or one near it.
  kHeuristic,     ///< "heuristic": by rounds and cost.
  kGeneral,       ///< "general": the body's first tile.
};
std::string_view choice_source_name(ChoiceSource source);

/// The parameters that a tuned row decides where a request leaves them open: the tile, and vskip on a device where both
/// its words are allowed.
ParamTexts open_params(const KernelRequest& request, const KernelSpec& spec);
/// All other parameters of a resolved spec, as a row names them.
ParamTexts fixed_params(const KernelRequest& request, const KernelSpec& spec);
/// The values that a spec has of these parameters.
ParamTexts params_of(const KernelSpec& spec, const ParamTexts& names);
/// The values of `params`, set in `spec`. False if one is not known or has no such value.
bool apply_params(const ParamTexts& params, KernelSpec& spec);

/// A digest over what a measurement is about: the spec's candidates, their templates with all they include, and the
/// constants that each is built with. A row with another digest is stale. REQUIRES: all values of `spec` but the tile.
std::string template_digest(const KernelSpec& spec);

/// True if the row was measured with other candidates, templates or constants than this Sinter has.
bool is_stale(const TuningRow& row);

struct TunedMatch {
  const TuningRow* row = nullptr;
  ChoiceSource source = ChoiceSource::kTunedExact;
  std::int64_t distance = 0;  ///< Half octaves, over all numbers of the shape; 0: in one bucket.
};

/// Immutable; thread-safe.
class TunedTable {
 public:
  /// Beyond this distance a row says nothing about a shape: a factor of two, over all numbers together.
  static constexpr std::int64_t kFarthest = 2;

  TunedTable() = default;
  /// Of several rows for one decision the first counts.
  explicit TunedTable(std::vector<TuningRow> rows);

  /// The rows that answer the request, best first: exact, then near, then other devices of the arch, each by distance; and
  /// the same list on every machine that has these rows. With no rows hint the shape alone counts, and rows measured with
  /// more rows go first. A simulated device's rows answer for that device alone.
  std::vector<TunedMatch> find(const TuningDevice& device, const KernelRequest& request, const KernelSpec& spec) const;

  std::size_t size() const { return rows_.size(); }
  /// Over all rows: processes with equal digests choose alike.
  const std::string& digest() const { return digest_; }

 private:
  std::vector<TuningRow> rows_;  // By decision.
  std::string digest_;
};

}  // namespace sinter
