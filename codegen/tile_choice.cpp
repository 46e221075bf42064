// SPDX-License-Identifier: Apache-2.0
#include "codegen/tile_choice.h"

#include <algorithm>

#include <fmt/format.h>

namespace sinter {

namespace {

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Outputs that a unit computes in the time in which it fetches one operand element of each k: CDNA3 computes 1024
/// bf16 outputs per clock and unit (2048 operations) and its first-level cache gives 64 bytes, 32 elements; fp8 doubles
/// both.
constexpr double kOutputsPerElement = 32;

/// A block that has a unit to itself waits at every barrier with nothing to run meanwhile.
constexpr double kAlone = 1.25;

double tile_cost(const TileCandidate& candidate) {
  const auto m = static_cast<double>(candidate.tile.m), n = static_cast<double>(candidate.tile.n);
  return (m * n + kOutputsPerElement * (m + n)) * (candidate.blocks_per_unit == 1 ? kAlone : 1);
}

void measure(TileCandidate& candidate, const TileProblem& problem, std::int64_t unit_count) {
  const std::int64_t groups = std::min(problem.groups, problem.rows);
  // rows = groups * share + rest: `rest` groups have one row more.
  const std::int64_t share = problem.rows / groups, rest = problem.rows % groups;
  const std::int64_t m = candidate.tile.m, n = candidate.tile.n;
  const std::int64_t row_tiles = rest * divide_up(share + 1, m) + (groups - rest) * divide_up(share, m);
  candidate.blocks = row_tiles * divide_up(problem.columns, n);
  candidate.rounds = divide_up(candidate.blocks, unit_count * candidate.blocks_per_unit);
  candidate.idle_units = (unit_count - candidate.blocks % unit_count) % unit_count;
  const double computed = static_cast<double>(candidate.blocks) * static_cast<double>(m * n);
  candidate.waste = 1 - static_cast<double>(problem.rows) * static_cast<double>(problem.columns) / computed;
  candidate.cost = static_cast<double>(divide_up(candidate.blocks, unit_count)) * tile_cost(candidate);
}

}  // namespace

TileChoice choose_tile(const KernelSpec& spec, const Body& body, const TileProblem& problem, std::int64_t unit_count) {
  TileChoice choice;
  for (const TileShape tile : body.tiles(spec)) {
    choice.candidates.push_back({.tile = tile, .blocks_per_unit = body.blocks_per_unit(spec, tile)});
  }
  const bool is_known = std::all_of(choice.candidates.begin(), choice.candidates.end(),
                                    [](const TileCandidate& candidate) { return candidate.blocks_per_unit > 0; });
  if (problem.rows <= 0 || unit_count <= 0 || !is_known) {
    choice.reason = problem.rows <= 0   ? "the rows of a launch are not known: the general choice"
                    : unit_count <= 0   ? "the units of the device are not known: the general choice"
                                        : "this body does not tell its occupancy: the general choice";
    return choice;
  }
  for (TileCandidate& candidate : choice.candidates) {
    measure(candidate, problem, unit_count);
  }
  std::stable_sort(choice.candidates.begin(), choice.candidates.end(), [](const TileCandidate& a, const TileCandidate& b) {
    return a.cost != b.cost ? a.cost < b.cost : a.idle_units < b.idle_units;
  });
  choice.by_cost = true;
  choice.reason = fmt::format("least work for the busiest of {} units with {} rows in {} groups", unit_count, problem.rows, problem.groups);
  return choice;
}

std::string to_string(const TileCandidate& candidate, std::int64_t unit_count) {
  std::string text = tile_to_string(candidate.tile);
  if (candidate.blocks_per_unit > 0) {
    text += fmt::format(": {} blocks per unit", candidate.blocks_per_unit);
  }
  if (candidate.blocks > 0) {
    text += fmt::format(", {} blocks in {} round{}, {} of {} units idle at the end, {:.1f} % waste, cost {:.0f}", candidate.blocks,
                        candidate.rounds, candidate.rounds == 1 ? "" : "s", candidate.idle_units, unit_count, 100 * candidate.waste,
                        candidate.cost);
  }
  return text;
}

}  // namespace sinter
