// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which tile a request gets that leaves it open and that nobody measured: by rounds and cost where the rows of a launch
// and the device's units are known and the body says what its tiles cost, else the body's general choice. Deterministic:
// equal costs keep the body's order.

#include <cstdint>
#include <string>
#include <vector>

#include "codegen/family.h"

namespace sinter {

struct TileCandidate {
  TileShape tile;
  std::int64_t blocks_per_unit = 0;  ///< Resident at once, by LDS and registers; 0: the body does not say.
  double tile_cost = 0;  ///< Body::tile_cost; 0: the body does not say.
  // Of a launch whose rows are spread over the groups as spread_rows() does; 0 where rows or units are unknown.
  std::int64_t blocks = 0;
  std::int64_t rounds = 0;      ///< How often the device is filled.
  std::int64_t idle_units = 0;  ///< Without work in the last turn.
  double waste = 0;             ///< Share of the computed outputs that nobody wants.
  double cost = 0;              ///< Of the busiest unit: its tiles times tile_cost.
};

struct TileChoice {
  std::vector<TileCandidate> candidates;  ///< The first is chosen.
  bool by_cost = false;                   ///< False: in the body's own order.
  std::string reason;
};

/// REQUIRES: spec's values are set but for the tile.
TileChoice choose_tile(const KernelSpec& spec, const Body& body, const TileProblem& problem, std::int64_t unit_count);

/// "256x128x64: 2 blocks per unit, 96 blocks in 1 round, 208 of 304 units idle, 12.5 % waste, cost 45056".
std::string to_string(const TileCandidate& candidate, std::int64_t unit_count);

}  // namespace sinter
