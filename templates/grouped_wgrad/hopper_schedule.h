// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which tile of dW a block computes next, on Hopper: the tiles of all groups that have any, group by group, in turn.
// All blocks so work on one or two groups at a time, whose rows of dY and X are few enough for the L2 cache.

#include "grouped_gemm/nvidia_schedule.h"
#include "grouped_wgrad/args.h"

namespace sinter {

/// The groups as every block sees them, in shared memory.
struct WgradGroups {
  int* row;     ///< [groups + 1]: the offsets, clamped to [0, rows] and made non-decreasing.
  int* active;  ///< [groups + 1]: how many groups have tiles, then their numbers.
};

/// Whether anything is written to dW of group g.
template <class P>
SINTER_DEVICE bool has_tiles(const WgradGroups& groups, int g) {
  return !P::kAdd || groups.row[g] < groups.row[g + 1];
}

/// Fills the lists. All threads call. `scratch` is shared memory, two ints for each warp.
template <class P>
SINTER_DEVICE void build_wgrad_groups(const WgradGroups& groups, const GroupedWgradArgs& args, int* scratch) {
  constexpr int kRun = (P::kGroups + P::kThreads) / P::kThreads;
  clamp_offsets<P>(groups.row, args.row_offsets, static_cast<int>(args.rows), scratch);
  const int first = thread_index() * kRun;
  int count = 0;
  for (int g = first; g < first + kRun && g < P::kGroups; ++g) count += has_tiles<P>(groups, g) ? 1 : 0;
  int before = exclusive_scan<Sum, P::kThreads>(count, scratch + P::kThreads / kWarpSize);
  for (int g = first; g < first + kRun && g < P::kGroups; ++g) {
    if (has_tiles<P>(groups, g)) groups.active[1 + before++] = g;
  }
  if (first <= P::kGroups - 1 && P::kGroups - 1 < first + kRun) groups.active[0] = before;
  barrier();
}

/// A tile as the producer hands it to the warpgroups, in shared memory.
struct alignas(16) WgradTile {
  int row, column;  ///< Of dW[group].
  int group;
  int steps;  ///< At least 1, or kZeros, or kNoTile.

  static constexpr int kNoTile = 0;  ///< There are no more tiles.
  static constexpr int kZeros = -1;  ///< The group has no rows: the tile takes one slot, to which nothing is copied.
};

SINTER_DEVICE int slots_of(const WgradTile& tile) { return tile.steps == WgradTile::kZeros ? 1 : tile.steps; }

/// Tiles of one group along its rows, and along its columns.
template <class P>
inline constexpr U32 kRowTiles = (P::kN + P::kTileM - 1) / P::kTileM;
template <class P>
inline constexpr U32 kWgradColumnTiles = (P::kK + P::kTileN - 1) / P::kTileN;

/// Tile `index` of all.
template <class P>
SINTER_DEVICE WgradTile wgrad_tile_at(U32 index, const WgradGroups& groups) {
  constexpr U32 kTiles = kRowTiles<P> * kWgradColumnTiles<P>;
  const U32 place = index / kTiles, rest = index % kTiles;
  WgradTile tile = {0, 0, 0, WgradTile::kNoTile};
  if (place >= static_cast<U32>(groups.active[0])) return tile;
  tile.group = groups.active[1 + place];
  tile.row = static_cast<int>(rest % kRowTiles<P>) * P::kTileM;
  tile.column = static_cast<int>(rest / kRowTiles<P>) * P::kTileN;
  const int rows = groups.row[tile.group + 1] - groups.row[tile.group];
  tile.steps = rows <= 0 ? WgradTile::kZeros : (rows + P::kTileK - 1) / P::kTileK;
  return tile;
}

}  // namespace sinter
