// SPDX-License-Identifier: Apache-2.0
#include "codegen/tile_choice.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "codegen/row_spread.h"

namespace sinter {

namespace {

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

void measure(TileCandidate& candidate, const TileProblem& problem, std::span<const std::int64_t> rows_of_groups,
             std::int64_t unit_count) {
  const std::int64_t m = candidate.tile.m, n = candidate.tile.n;
  std::int64_t row_tiles = 0;
  for (const std::int64_t rows : rows_of_groups) {
    row_tiles += divide_up(rows, m);
  }
  candidate.blocks = row_tiles * divide_up(problem.columns, n);
  candidate.rounds = divide_up(candidate.blocks, unit_count * std::max<std::int64_t>(1, candidate.blocks_per_unit));
  candidate.idle_units = (unit_count - candidate.blocks % unit_count) % unit_count;
  const double computed = static_cast<double>(candidate.blocks) * static_cast<double>(m * n);
  candidate.waste = 1 - static_cast<double>(problem.rows) * static_cast<double>(problem.columns) / computed;
  candidate.cost = static_cast<double>(divide_up(candidate.blocks, unit_count)) * candidate.tile_cost;
}

}  // namespace

TileChoice choose_tile(const KernelSpec& spec, const Body& body, const TileProblem& problem, std::int64_t unit_count) {
  TileChoice choice;
  for (const TileShape tile : body.tiles(spec)) {
    choice.candidates.push_back({.tile = tile,
                                 .blocks_per_unit = body.blocks_per_unit(spec, tile),
                                 .tile_cost = body.tile_cost(spec, tile)});
  }
  const bool is_known = std::all_of(choice.candidates.begin(), choice.candidates.end(),
                                    [](const TileCandidate& candidate) { return candidate.tile_cost > 0; });
  if (problem.rows <= 0 || unit_count <= 0 || !is_known) {
    choice.reason = problem.rows <= 0   ? "the rows of a launch are not known: the general choice"
                    : unit_count <= 0   ? "the units of the device are not known: the general choice"
                                        : "this body does not tell what its tiles cost: the general choice";
    return choice;
  }
  const std::vector<std::int64_t> rows_of_groups = spread_rows(problem.rows, problem.groups, problem.largest);
  for (TileCandidate& candidate : choice.candidates) {
    measure(candidate, problem, rows_of_groups, unit_count);
  }
  std::stable_sort(choice.candidates.begin(), choice.candidates.end(), [](const TileCandidate& a, const TileCandidate& b) {
    return a.cost != b.cost ? a.cost < b.cost : a.idle_units < b.idle_units;
  });
  choice.by_cost = true;
  choice.reason = fmt::format("least work for the busiest of {} units with {} rows in {} groups{}", unit_count, problem.rows, problem.groups,
                              problem.largest > 0 ? fmt::format(", the largest of {}", rows_of_groups.front()) : "");
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
