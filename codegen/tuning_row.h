// SPDX-License-Identifier: Apache-2.0
#pragma once

// TuningRow: one measured decision. Which parameters a request that leaves them open should get on one kind of device
// for one bucket of shapes, with what every candidate took. A row is plain data with one text, so that it can be kept in
// a database, exported and shipped; docs/tuning.md has the format.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace sinter {

/// A kind of device: what two devices must share for one's measurements to be good for the other. Not the arch: an H100
/// and an H20 have one arch and differ by six in speed.
struct TuningDevice {
  std::string name;             ///< Of the capability row, or the driver's where there is none: "H200".
  std::string arch;             ///< That code is built for: "sm_90a".
  std::int64_t unit_count = 0;  ///< SMs, CUs or pool threads. A partition of a device has fewer.
  std::int64_t memory_mib = 0;  ///< 0: unknown.
  std::int64_t clock_mhz = 0;   ///< At most; 0: unknown.
  bool simulated = false;
  friend bool operator==(const TuningDevice&, const TuningDevice&) = default;
};

/// True if measurements on `a` are good for `b`: the same name, arch, units and simulation; memory and clock, where both
/// are known, within an eighth, since drivers keep some memory for themselves.
bool is_same_kind(const TuningDevice& a, const TuningDevice& b);
std::string to_string(const TuningDevice& device);  ///< "H200 (132 units, 143771 MiB, 1980 MHz, sm_90a)".

/// Names and values of parameters, in the family's order: {"quant", "none"}, {"n", "2816"}.
using ParamTexts = std::vector<std::pair<std::string, std::string>>;
std::string to_string(const ParamTexts& params);  ///< "quant=none n=2816".

/// What was asked.
struct TuningProblem {
  std::string family;
  ParamTexts params;         ///< All but those that `choice` has.
  std::int64_t rows = 0;     ///< Of the measured launch.
  std::int64_t largest = 0;  ///< Rows of its largest group.
  friend bool operator==(const TuningProblem&, const TuningProblem&) = default;
};

/// Half octaves of a positive number: floor(2 log2 x), of its leading 32 bits. Rows of one step are one bucket.
std::int64_t half_octaves(std::int64_t x);
/// How uneven the groups are, in half octaves: 0 while the largest has less than 1.4 times its share.
std::int64_t spread_step(std::int64_t rows, std::int64_t groups, std::int64_t largest);

/// What one candidate took. Of one that could not be used only `choice` and `problem` are set.
struct TuningCandidate {
  ParamTexts choice;
  double median = 0, lowest = 0, highest = 0;  ///< In the row's unit.
  std::int64_t samples = 0;
  double relative_error = 0;  ///< Against the float64 reference, before anything was timed.
  std::string problem;        ///< Why it was not timed: refused, or wrong.
  friend bool operator==(const TuningCandidate&, const TuningCandidate&) = default;
};

enum class TuningUnit : std::uint8_t {
  kMicroseconds,
  kWaveInstructions,  ///< Of a simulated device, which has no time.
};
std::string_view tuning_unit_name(TuningUnit unit);  ///< "us", "wave instructions".

struct TuningRow {
  TuningDevice device;
  TuningProblem problem;
  ParamTexts choice;  ///< Of the fastest candidate.
  TuningUnit unit = TuningUnit::kMicroseconds;
  std::vector<TuningCandidate> candidates;  ///< Fastest first, those with a problem last.
  std::string templates;      ///< template_digest() when it was measured (codegen/tuned_table.h), 64 hex digits.
  std::string driver;         ///< The device's driver; may be empty.
  std::string writer;         ///< "sinter 0.1.0".
  std::int64_t measured_unix_s = 0;
  friend bool operator==(const TuningRow&, const TuningRow&) = default;
};

/// Identity of the decision: device, family, parameters and bucket. A newer measurement of it takes the row's place.
Digest decision_of(const TuningRow& row);

/// The row's one text: a JSON object on one line.
std::string to_json(const TuningRow& row);
/// Strict: what to_json() would not have written is refused. Errors: kInvalidRequest; `where` begins the message.
Result<TuningRow> tuning_row_from_json(std::string_view text, std::string_view where);

/// A file of rows, sorted by decision, one row a line: the same rows give the same bytes.
std::string tuning_file_text(const std::vector<TuningRow>& rows);
/// Errors: kInvalidRequest naming the file and the row.
Result<std::vector<TuningRow>> parse_tuning_file(std::string_view text, std::string_view file_name);

}  // namespace sinter
