// SPDX-License-Identifier: Apache-2.0
#include "codegen/tuning_row.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json_guard.h"
#include "codegen/family.h"

namespace sinter {

namespace {

using nlohmann::ordered_json;

constexpr int kFileFormat = 1;
constexpr std::string_view kFileMark = "sinter_tuned";

Error invalid(std::string message) { return make_error(ErrorCode::kInvalidRequest, std::move(message)); }

bool is_close(std::int64_t a, std::int64_t b) {
  return a == 0 || b == 0 || 8 * std::abs(a - b) <= std::min(a, b);
}

ordered_json params_json(const ParamTexts& params) {
  auto object = ordered_json::object();
  for (const auto& [name, value] : params) {
    object[name] = value;
  }
  return object;
}

ordered_json candidate_json(const TuningCandidate& candidate) {
  ordered_json object{{"choice", params_json(candidate.choice)}};
  if (!candidate.problem.empty()) {
    object["problem"] = candidate.problem;
    return object;
  }
  object.update({{"median", candidate.median},
                 {"lowest", candidate.lowest},
                 {"highest", candidate.highest},
                 {"samples", candidate.samples},
                 {"relative_error", candidate.relative_error}});
  return object;
}

ordered_json row_json(const TuningRow& row) {
  ordered_json object{{"device",
                       {{"name", row.device.name},
                        {"arch", row.device.arch},
                        {"unit_count", row.device.unit_count},
                        {"memory_mib", row.device.memory_mib},
                        {"clock_mhz", row.device.clock_mhz},
                        {"simulated", row.device.simulated}}},
                      {"family", row.problem.family},
                      {"params", params_json(row.problem.params)},
                      {"rows", row.problem.rows},
                      {"largest", row.problem.largest},
                      {"choice", params_json(row.choice)},
                      {"unit", tuning_unit_name(row.unit)},
                      {"candidates", ordered_json::array()},
                      {"templates", row.templates},
                      {"driver", row.driver},
                      {"writer", row.writer},
                      {"measured_unix_s", row.measured_unix_s}};
  for (const TuningCandidate& candidate : row.candidates) {
    object["candidates"].push_back(candidate_json(candidate));
  }
  return object;
}

std::string one_line(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

/// Takes the fields of an object one by one and remembers the first that is not what it should be.
class FieldReader {
 public:
  explicit FieldReader(const ordered_json& object) : object_(object) {
    if (!object.is_object()) {
      fail("is no object");
    }
  }

  void read(std::string_view name, std::string& out, std::size_t most = 4096) {
    const ordered_json* value = take(name);
    if (value != nullptr && value->is_string() && value->get_ref<const std::string&>().size() <= most) {
      out = value->get<std::string>();
    } else if (value != nullptr) {
      fail(fmt::format("'{}' is no text of at most {} bytes", name, most));
    }
  }
  void read(std::string_view name, std::int64_t& out, std::int64_t least, std::int64_t most = INT64_MAX) {
    const ordered_json* value = take(name);
    if (value == nullptr) {
      return;
    }
    // A number from 2^63 on is unsigned in nlohmann's eyes, and would wrap.
    const bool fits = value->is_number_integer() && !(value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX);
    if (fits && value->get<std::int64_t>() >= least && value->get<std::int64_t>() <= most) {
      out = value->get<std::int64_t>();
    } else {
      fail(fmt::format("'{}' is no whole number from {} to {}", name, least, most));
    }
  }
  void read(std::string_view name, double& out) {
    const ordered_json* value = take(name);
    if (value != nullptr && value->is_number() && std::isfinite(value->get<double>()) && value->get<double>() >= 0) {
      out = value->get<double>();
    } else if (value != nullptr) {
      fail(fmt::format("'{}' is no number from 0 on", name));
    }
  }
  void read(std::string_view name, bool& out) {
    const ordered_json* value = take(name);
    if (value != nullptr && value->is_boolean()) {
      out = value->get<bool>();
    } else if (value != nullptr) {
      fail(fmt::format("'{}' is neither true nor false", name));
    }
  }
  void read(std::string_view name, ParamTexts& out) {
    const ordered_json* value = take(name);
    if (value == nullptr) {
      return;
    }
    if (!value->is_object()) {
      return fail(fmt::format("'{}' is no object", name));
    }
    for (const auto& [param, text] : value->items()) {
      if (!text.is_string()) {
        return fail(fmt::format("'{}' of '{}' is no text", param, name));
      }
      out.emplace_back(param, text.get<std::string>());
    }
  }
  /// The field, or null if it is missing.
  const ordered_json* take(std::string_view name) {
    ++taken_;
    if (problem_.empty() && !object_.contains(name)) {
      fail(fmt::format("'{}' is missing", name));
    }
    return problem_.empty() ? &object_[std::string(name)] : nullptr;
  }
  bool has(std::string_view name) const { return problem_.empty() && object_.contains(name); }
  void fail(std::string problem) {
    if (problem_.empty()) {
      problem_ = std::move(problem);
    }
  }
  /// What was wrong; fields that nobody took are, too.
  std::string problem() const {
    return problem_.empty() && object_.size() != taken_ ? "it has a field that is not known" : problem_;
  }

 private:
  const ordered_json& object_;
  std::size_t taken_ = 0;
  std::string problem_;
};

std::string read_device(const ordered_json& object, TuningDevice& device) {
  FieldReader reader(object);
  reader.read("name", device.name, 256);
  reader.read("arch", device.arch, 64);
  reader.read("unit_count", device.unit_count, 1);
  reader.read("memory_mib", device.memory_mib, 0);
  reader.read("clock_mhz", device.clock_mhz, 0);
  reader.read("simulated", device.simulated);
  return reader.problem();
}

std::string read_candidate(const ordered_json& object, TuningCandidate& candidate) {
  FieldReader reader(object);
  reader.read("choice", candidate.choice);
  if (reader.has("problem")) {
    reader.read("problem", candidate.problem);
    return reader.problem().empty() && candidate.problem.empty() ? "'problem' is empty" : reader.problem();
  }
  reader.read("median", candidate.median);
  reader.read("lowest", candidate.lowest);
  reader.read("highest", candidate.highest);
  reader.read("samples", candidate.samples, 1);
  reader.read("relative_error", candidate.relative_error);
  return reader.problem();
}

std::optional<TuningUnit> unit_of(std::string_view name) {
  for (const TuningUnit unit : {TuningUnit::kMicroseconds, TuningUnit::kWaveInstructions}) {
    if (name == tuning_unit_name(unit)) {
      return unit;
    }
  }
  return std::nullopt;
}

std::string read_row(const ordered_json& object, TuningRow& row) {
  FieldReader reader(object);
  if (const ordered_json* device = reader.take("device"); device != nullptr) {
    if (std::string problem = read_device(*device, row.device); !problem.empty()) {
      reader.fail(fmt::format("its device: {}", problem));
    }
  }
  reader.read("family", row.problem.family, 64);
  reader.read("params", row.problem.params);
  reader.read("rows", row.problem.rows, 1, kMaxRows);
  reader.read("largest", row.problem.largest, 1, kMaxRows);
  reader.read("choice", row.choice);
  std::string unit;
  reader.read("unit", unit);
  if (const auto known = unit_of(unit); known) {
    row.unit = *known;
  } else {
    reader.fail(fmt::format("'unit' is '{}'; known: us, wave instructions", unit));
  }
  if (const ordered_json* candidates = reader.take("candidates"); candidates != nullptr) {
    for (const ordered_json& candidate : *candidates) {
      if (std::string problem = read_candidate(candidate, row.candidates.emplace_back()); !problem.empty()) {
        reader.fail(fmt::format("candidate {}: {}", row.candidates.size(), problem));
      }
    }
  }
  reader.read("templates", row.templates, 64);
  reader.read("driver", row.driver);
  reader.read("writer", row.writer);
  reader.read("measured_unix_s", row.measured_unix_s, 0);
  if (row.problem.largest > row.problem.rows) {
    reader.fail(fmt::format("its largest group has {} of {} rows", row.problem.largest, row.problem.rows));
  }
  // Nobody may take instructions for microseconds.
  if ((row.unit == TuningUnit::kWaveInstructions) != row.device.simulated) {
    reader.fail("a simulated device, and no other, is measured in wave instructions");
  }
  if (row.choice.empty() || row.candidates.empty() || row.candidates.front().choice != row.choice ||
      !row.candidates.front().problem.empty()) {
    reader.fail("its choice is not the first of its candidates");
  }
  if (!digest_from_hex(row.templates)) {
    reader.fail("'templates' is no digest");
  }
  return reader.problem();
}

// 1 where a family has no groups, or a row's text makes no sense here.
std::int64_t groups_of(const ParamTexts& params) {
  const auto it = std::ranges::find(params, "groups", &ParamTexts::value_type::first);
  std::int64_t groups = 1;
  if (it != params.end()) {
    std::from_chars(it->second.data(), it->second.data() + it->second.size(), groups);
  }
  return std::max<std::int64_t>(1, groups);
}

/// Parses any text into `out`; gives what is wrong.
std::string parse(std::string_view text, ordered_json& out) {
  JsonGuard<ordered_json> guard;
  try {
    out = ordered_json::parse(text, guard.callback());
  } catch (const ordered_json::exception& exception) {
    return exception.what();
  }
  return guard.problem();
}

}  // namespace

bool is_same_kind(const TuningDevice& a, const TuningDevice& b) {
  return a.name == b.name && a.arch == b.arch && a.unit_count == b.unit_count && a.simulated == b.simulated &&
         is_close(a.memory_mib, b.memory_mib) && is_close(a.clock_mhz, b.clock_mhz);
}

std::string to_string(const TuningDevice& device) {
  std::string text = fmt::format("{} ({} units", device.name, device.unit_count);
  if (device.memory_mib > 0) {
    text += fmt::format(", {} MiB", device.memory_mib);
  }
  if (device.clock_mhz > 0) {
    text += fmt::format(", {} MHz", device.clock_mhz);
  }
  return text + fmt::format(", {}{})", device.arch, device.simulated ? ", simulated" : "");
}

std::string to_string(const ParamTexts& params) {
  std::string text;
  for (const auto& [name, value] : params) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, value);
  }
  return text;
}

std::int64_t half_octaves(std::int64_t x) {
  std::int64_t octave = 0;
  while (octave < 62 && (std::int64_t{1} << (octave + 1)) <= x) {
    ++octave;
  }
  // The leading bits, from 2^31 to 2^32, against 2^31.5, squared.
  const auto leading = octave < 31 ? static_cast<std::uint64_t>(x) << (31 - octave) : static_cast<std::uint64_t>(x) >> (octave - 31);
  return 2 * octave + (leading * leading >= std::uint64_t{1} << 63 ? 1 : 0);
}

std::int64_t spread_step(std::int64_t rows, std::int64_t groups, std::int64_t largest) {
  const std::int64_t share = rows / groups + (rows % groups != 0 ? 1 : 0);
  return largest <= share ? 0 : std::max<std::int64_t>(0, half_octaves(1024 * largest / share) - half_octaves(1024));
}

std::string_view tuning_unit_name(TuningUnit unit) {
  return unit == TuningUnit::kMicroseconds ? "us" : "wave instructions";
}

Digest decision_of(const TuningRow& row) {
  const TuningProblem& problem = row.problem;
  DigestBuilder builder;
  builder.field("device", to_string(row.device));
  builder.field("family", problem.family);
  builder.field("params", to_string(problem.params));
  builder.field("rows", fmt::format("{}", half_octaves(problem.rows)));
  builder.field("spread", fmt::format("{}", spread_step(problem.rows, groups_of(problem.params), problem.largest)));
  return builder.finish();
}

std::string to_json(const TuningRow& row) { return one_line(row_json(row)); }

Result<TuningRow> tuning_row_from_json(std::string_view text, std::string_view where) {
  ordered_json document;
  std::string problem = parse(text, document);
  TuningRow row;
  if (problem.empty()) {
    problem = read_row(document, row);
  }
  return problem.empty() ? Result<TuningRow>(std::move(row)) : invalid(fmt::format("{}: {}", where, problem));
}

std::string tuning_file_text(const std::vector<TuningRow>& rows) {
  std::vector<std::pair<Digest, std::string>> lines;
  for (const TuningRow& row : rows) {
    lines.emplace_back(decision_of(row), to_json(row));
  }
  std::ranges::sort(lines);
  std::string text = fmt::format("{{\"{}\": {}, \"rows\": [", kFileMark, kFileFormat);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text += fmt::format("{}\n{}", i == 0 ? "" : ",", lines[i].second);
  }
  return text + "\n]}\n";
}

Result<std::vector<TuningRow>> parse_tuning_file(std::string_view text, std::string_view file_name) {
  ordered_json document;
  if (std::string problem = parse(text, document); !problem.empty()) {
    return invalid(fmt::format("{}: {}", file_name, problem));
  }
  std::int64_t format = 0;
  FieldReader reader(document);
  reader.read(kFileMark, format, 0);
  const ordered_json* array = reader.take("rows");
  if (array != nullptr && !array->is_array()) {
    reader.fail("'rows' is no array");
  }
  if (format != kFileFormat) {
    reader.fail(fmt::format("format {} is not {}, the one this Sinter reads", format, kFileFormat));
  }
  if (const std::string problem = reader.problem(); !problem.empty()) {
    return invalid(fmt::format("{} is no file of tuned rows: {}", file_name, problem));
  }
  std::vector<TuningRow> rows;
  for (const ordered_json& object : *array) {
    TuningRow& row = rows.emplace_back();
    if (const std::string problem = read_row(object, row); !problem.empty()) {
      return invalid(fmt::format("{}: row {}: {}", file_name, rows.size(), problem));
    }
  }
  return rows;
}

}  // namespace sinter
