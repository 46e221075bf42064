// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/tuner.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <ctime>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/cpu_count.h"
#include "codegen/random_tensors.h"
#include "codegen/resolve.h"
#include "runtime/caps/tuning_device.h"
#include "runtime/operands.h"
#include "runtime/version.h"
#include "tools/sinter/cold_caches.h"

namespace sinter::cli {

namespace {

/// To four digits or more: what lies below is noise, and would make files long.
double rounded(double value) { return value >= 100 ? std::round(10 * value) / 10 : std::round(1000 * value) / 1000; }

struct Candidate {
  KernelSpec spec;
  const Kernel* kernel = nullptr;  // Null: it could not be built.
  TuningCandidate result;
  std::vector<double> samples;
};

/// The measurement of one request on one device, step by step.
class Tuner {
 public:
  Tuner(Runtime& runtime, int device, const KernelRequest& request, const TunerOptions& options,
        const std::function<void(const std::string&)>& on_step)
      : runtime_(runtime), index_(device), device_(runtime.device(device)), request_(request), options_(options), on_step_(on_step) {}

  Result<TuningOutcome> run(const std::vector<std::int64_t>& rows_of_groups);

 private:
  Result<void> list_candidates();
  void build();
  void build(Candidate& candidate) const;
  Result<void> check(Operands& operands);
  Result<void> measure(const Operands& operands);
  Result<double> sample(const Operands& operands, const Kernel& kernel, ColdCaches& caches) const;
  TuningOutcome outcome(const std::vector<std::int64_t>& rows_of_groups);

  Runtime& runtime_;
  const int index_;
  const Device& device_;
  const KernelRequest& request_;
  const TunerOptions& options_;
  const std::function<void(const std::string&)>& on_step_;
  KernelSpec chosen_;  // Without measurements.
  ChoiceSource source_ = ChoiceSource::kHeuristic;
  std::vector<Candidate> candidates_;
  bool any_wrong_ = false;
};

Result<void> Tuner::list_candidates() {
  ChoiceQuestion question = runtime_.question(index_, request_);
  question.tuned = nullptr;
  SINTER_TRY(const KernelChoice choice, choose_kernel(question));
  SINTER_TRY(const MeasurableSpecs specs, measurable_specs(question));
  chosen_ = specs.chosen;
  source_ = choice.source;
  if (source_ == ChoiceSource::kAsked) {
    return make_error(ErrorCode::kInvalidRequest, "there is nothing to tune: the request names its tile");
  }
  const ParamTexts open = open_params(request_, chosen_);
  const auto add = [&](const KernelSpec& spec, std::string problem) {
    Candidate& candidate = candidates_.emplace_back();
    candidate.spec = spec;
    candidate.result.choice = params_of(spec, open);
    candidate.result.problem = std::move(problem);
  };
  for (const KernelSpec& spec : specs.specs) {
    add(spec, {});
  }
  for (const auto& [spec, refusal] : specs.refused) {
    add(spec, refusal);
  }
  return {};
}

void Tuner::build(Candidate& candidate) const {
  KernelRequest request = request_;
  request.values = candidate.spec.values;
  for (std::size_t i = candidate.spec.family->params().size(); i < request.values.size(); ++i) {
    request.values[i] = kUnset;
  }
  if (auto kernel = runtime_.get_kernel(index_, request); kernel) {
    candidate.kernel = *kernel;
  } else {
    candidate.result.problem = fmt::format("not built: {}", kernel.error().message);
  }
}

// Compilers are processes, so threads keep several of them busy.
void Tuner::build() {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < candidates_.size(); i = next++) {
      if (candidates_[i].result.problem.empty()) {
        build(candidates_[i]);
      }
    }
  };
  std::vector<std::jthread> threads;
  for (int i = 1; i < std::min(available_cpus(), static_cast<int>(candidates_.size())); ++i) {
    threads.emplace_back(work);
  }
  work();
}

Result<void> Tuner::check(Operands& operands) {
  for (Candidate& candidate : candidates_) {
    if (candidate.kernel == nullptr) {
      continue;
    }
    SINTER_TRY_VOID(operands.reset_outputs());
    SINTER_TRY_VOID(operands.launch(*candidate.kernel));
    SINTER_TRY(const ReferenceReport report, operands.judge(ReferenceEffort::kSample, options_.seed));
    candidate.result.relative_error = std::isfinite(report.relative_error) ? std::round(1e6 * report.relative_error) / 1e6 : 1;
    if (!report.ok) {
      any_wrong_ = true;
      candidate.result.problem = fmt::format("wrong: relative error {:.2e} against float64, allowed {:.0e}{}{}", report.relative_error,
                                             report.allowed_relative_error, report.first_wrong.empty() ? "" : "; ", report.first_wrong);
    }
  }
  return {};
}

Result<double> Tuner::sample(const Operands& operands, const Kernel& kernel, ColdCaches& caches) const {
  if (const auto before = device_.driver->simulated_instructions(); before) {
    SINTER_TRY_VOID(operands.launch(kernel));
    SINTER_TRY_VOID(device_.driver->synchronize(device_.properties.ordinal));
    return static_cast<double>(*device_.driver->simulated_instructions() - *before);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(options_.pause_ms));
  SINTER_TRY_VOID(caches.flush());
  SINTER_TRY(const double ms, operands.timed(kernel));
  return 1000 * ms;
}

Result<void> Tuner::measure(const Operands& operands) {
  SINTER_TRY(ColdCaches caches, ColdCaches::prepare(runtime_, index_));
  const bool is_counted = device_.driver->simulated_instructions().has_value();
  for (std::int64_t round = 0; round < (is_counted ? 1 : options_.samples); ++round) {
    for (Candidate& candidate : candidates_) {
      if (candidate.kernel != nullptr && candidate.result.problem.empty()) {
        SINTER_TRY(const double taken, sample(operands, *candidate.kernel, caches));
        candidate.samples.push_back(taken);
      }
    }
  }
  for (Candidate& candidate : candidates_) {
    std::vector<double>& samples = candidate.samples;
    std::ranges::sort(samples);
    if (!samples.empty()) {
      candidate.result.median = rounded(samples[samples.size() / 2]);
      candidate.result.lowest = rounded(samples.front());
      candidate.result.highest = rounded(samples.back());
      candidate.result.samples = static_cast<std::int64_t>(samples.size());
    }
  }
  return {};
}

TuningOutcome Tuner::outcome(const std::vector<std::int64_t>& rows_of_groups) {
  TuningOutcome outcome;
  outcome.any_wrong = any_wrong_;
  outcome.source = source_;
  outcome.heuristic = open_params(request_, chosen_);
  TuningRow& row = outcome.row;
  row.device = tuning_device(device_.caps, *chosen_.arch, &device_.properties);
  row.problem.family = chosen_.family->name();
  row.problem.params = fixed_params(request_, chosen_);
  for (const std::int64_t rows : rows_of_groups) {
    row.problem.rows += rows;
    row.problem.largest = std::max(row.problem.largest, rows);
  }
  row.unit = device_.properties.simulated ? TuningUnit::kWaveInstructions : TuningUnit::kMicroseconds;
  for (const Candidate& candidate : candidates_) {
    row.candidates.push_back(candidate.result);
  }
  // Equal ones stay in the heuristic's order.
  std::ranges::stable_sort(row.candidates, {}, [](const TuningCandidate& candidate) {
    return std::pair(!candidate.problem.empty(), candidate.median);
  });
  const TuningCandidate& best = row.candidates.front();
  row.choice = best.choice;
  const auto heuristic = std::ranges::find(row.candidates, outcome.heuristic, &TuningCandidate::choice);
  if (heuristic != row.candidates.end() && heuristic->problem.empty() && best.median > 0) {
    outcome.heuristic_ratio = heuristic->median / best.median;
  }
  row.templates = template_digest(chosen_);
  row.driver = device_.properties.driver_version;
  row.writer = fmt::format("sinter {}", kVersion);
  row.measured_unix_s = static_cast<std::int64_t>(std::time(nullptr));
  return outcome;
}

Result<TuningOutcome> Tuner::run(const std::vector<std::int64_t>& rows_of_groups) {
  SINTER_TRY_VOID(list_candidates());
  on_step_(fmt::format("building {} candidates", candidates_.size()));
  build();
  SINTER_TRY(const RandomTensors inputs, RandomTensors::inputs(chosen_, {.of_groups = rows_of_groups}, options_.seed));
  SINTER_TRY(Operands operands, Operands::prepare(*device_.driver, device_.properties.ordinal, chosen_, inputs.views()));
  on_step_("checking each against float64");
  SINTER_TRY_VOID(check(operands));
  if (std::ranges::none_of(candidates_, [](const Candidate& candidate) { return candidate.result.problem.empty(); })) {
    const TuningCandidate& first = candidates_.front().result;
    return make_error(ErrorCode::kUnsupported, fmt::format("no candidate can be timed; {}: {}", to_string(first.choice), first.problem));
  }
  on_step_(device_.properties.simulated ? "counting instructions" : "timing");
  SINTER_TRY_VOID(measure(operands));
  return outcome(rows_of_groups);
}

}  // namespace

Result<TuningOutcome> tune(Runtime& runtime, int device, KernelRequest request, const std::vector<std::int64_t>& rows_of_groups,
                           const TunerOptions& options, const std::function<void(const std::string&)>& on_step) {
  std::int64_t rows = 0, largest = 0;
  for (const std::int64_t count : rows_of_groups) {
    rows += count;
    largest = std::max(largest, count);
  }
  SINTER_TRY_VOID(set_param(request, "rows", rows));
  if (rows_of_groups.size() > 1) {
    SINTER_TRY_VOID(set_param(request, "largest", largest));
  }
  return Tuner(runtime, device, request, options, on_step).run(rows_of_groups);
}

}  // namespace sinter::cli
