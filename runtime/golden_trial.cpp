// SPDX-License-Identifier: Apache-2.0
#include "runtime/golden_trial.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "codegen/families/tensors.h"
#include "runtime/operands.h"

namespace sinter {

namespace {

/// Matrices of all groups are made if all operands are no larger: some tenths of a second.
constexpr std::int64_t kWantedBytes = std::int64_t{128} << 20;
constexpr std::int64_t kHighestTile = 256;
constexpr std::uint64_t kSeed = 1;

std::int64_t tile_rows(const KernelSpec& spec) {
  const auto params = spec.family->params();
  const auto tile = std::ranges::find(params, ParamKind::kTile, &ParamInfo::kind);
  const std::int64_t rows = tile == params.end() ? 1 : spec.tile(static_cast<int>(tile - params.begin())).m;
  return std::clamp<std::int64_t>(rows, 1, kHighestTile);
}

/// Rows in the first `used` of `groups` groups.
RowLayout layout_of(std::int64_t groups, std::int64_t used, std::int64_t tile) {
  RowLayout layout{.of_groups = std::vector<std::int64_t>(static_cast<std::size_t>(groups)), .before = 2, .after = 3};
  const std::vector<std::int64_t> kinds = used >= 3 ? std::vector<std::int64_t>{1, 0, tile + 5, 3} : std::vector<std::int64_t>{tile + 5, 0};
  for (std::int64_t g = 0; g < std::min(used, std::ssize(kinds)); ++g) {
    layout.of_groups[static_cast<std::size_t>(g)] = kinds[static_cast<std::size_t>(g)];
  }
  if (used > std::ssize(kinds)) {
    layout.of_groups[static_cast<std::size_t>(used - 1)] = 7;  // the last one has the highest addresses
  }
  return layout;
}

std::int64_t bytes_of(const KernelSpec& spec, const RowLayout& rows, std::int64_t matrices) {
  const std::vector<TensorInfo> inputs = RandomTensors::describe(spec, rows.rows(), matrices);
  std::size_t bytes = 0;
  for (const TensorInfo& info : inputs) bytes += tensor_bytes(info);
  for (const TensorInfo& info : spec.family->outputs(spec, inputs)) bytes += tensor_bytes(info);
  return static_cast<std::int64_t>(bytes);
}

ReferenceReport fault(const Error& error) {
  ReferenceReport report;
  report.relative_error = HUGE_VAL;
  report.first_wrong = fmt::format("the launch ended with {}", error.message);
  return report;
}

}  // namespace

GoldenProblem golden_problem(const KernelSpec& spec) {
  const int groups_param = spec.family->param_index("groups");
  GoldenProblem problem;
  if (groups_param < 0) {
    problem.rows.of_groups = {tile_rows(spec) + 5};
    problem.bytes = bytes_of(spec, problem.rows, 0);
    return problem;
  }
  const std::int64_t groups = spec[groups_param];
  for (const std::int64_t used : {groups, std::int64_t{5}, std::int64_t{3}, std::int64_t{1}}) {
    if (used > groups) {
      continue;
    }
    problem.rows = layout_of(groups, used, tile_rows(spec));
    problem.matrices = used == groups ? 0 : used;
    problem.bytes = bytes_of(spec, problem.rows, problem.matrices);
    if (problem.bytes <= kWantedBytes) {
      break;
    }
  }
  return problem;
}

Result<ReferenceReport> try_kernel(Driver& driver, int ordinal, const Kernel& kernel, const GoldenProblem& problem) {
  SINTER_TRY(const RandomTensors inputs, RandomTensors::inputs(kernel.spec(), problem.rows, kSeed, problem.matrices));
  // Waits for its copies, so that the device is known to work just before the launch.
  SINTER_TRY(Operands operands, Operands::prepare(driver, ordinal, kernel.spec(), inputs.views(), Operands::Place::kOwnStream));
  SINTER_TRY_VOID(operands.launch_unseen(kernel));
  if (const auto finished = operands.wait(); !finished) {
    return fault(finished.error());
  }
  return operands.judge(ReferenceEffort::kThorough, kSeed);
}

}  // namespace sinter
