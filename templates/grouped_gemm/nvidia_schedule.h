// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which tile of D a block computes next.
//
// Tiles are numbered group by group; in a group by panels of about kPanelRows rows, in a panel by columns and then by
// rows. Blocks that run together so share both the rows of B under one column of tiles and the panel's rows of A in the
// L2 cache. A block takes tiles block_index(), + block_count(), ...: the order depends on nothing but the offsets.

#include "grouped_gemm/args.h"
#include "sinter_device/nvidia.h"

namespace sinter {

/// Rows of A in a panel. Of 1024, 2048 and 4096 the first was the fastest on an H200 (4 groups of 8192 rows).
inline constexpr int kPanelRows = 1024;

/// The groups as every block sees them, in shared memory.
struct GroupTable {
  int* row;   ///< [groups + 1]: the offsets, clamped to [0, rows] and made non-decreasing.
  int* tile;  ///< [groups + 1]: tiles along m in all groups before this one.
};

/// One tile of D.
struct Tile {
  int group;
  int row;     ///< First row, of all groups' rows.
  int rows;    ///< Rows of the group from there on; may exceed the tile.
  int column;  ///< First column.
};

struct Maximum {
  SINTER_DEVICE int of(int a, int b) { return a > b ? a : b; }
};
struct Sum {
  SINTER_DEVICE int of(int a, int b) { return a + b; }
};

/// `value` of all threads with a lower index, combined; 0 in thread 0. Values are not negative; `warp_totals` is shared
/// memory, an int for each warp, that nothing else uses before the next barrier. All threads call.
template <class Op, int kThreads>
SINTER_DEVICE int exclusive_scan(int value, int* warp_totals) {
  const int lane = thread_index() % kWarpSize, warp = thread_index() / kWarpSize;
#pragma unroll
  for (int distance = 1; distance < kWarpSize; distance *= 2) {
    const int below = shuffle_up(value, distance);
    value = lane >= distance ? Op::of(value, below) : value;
  }
  if (lane == kWarpSize - 1) warp_totals[warp] = value;
  barrier();
  const int below = shuffle_up(value, 1);
  int before = lane > 0 ? below : 0;
#pragma unroll
  for (int w = 0; w < kThreads / kWarpSize; ++w) before = w < warp ? Op::of(before, warp_totals[w]) : before;
  return before;
}

/// Writes the offsets to `starts`, clamped to [0, rows] and made non-decreasing. Each thread does a run of neighbouring
/// groups, then what came before the run is added. All threads call; `scratch` is shared memory, an int for each warp.
template <class P>
SINTER_DEVICE void clamp_offsets(int* starts, const int* row_offsets, int rows, int* scratch) {
  constexpr int kRun = (P::kGroups + P::kThreads) / P::kThreads;
  const int first = thread_index() * kRun;
  int highest = 0;
  for (int g = first; g < first + kRun && g <= P::kGroups; ++g) {
    int offset = row_offsets[g];
    offset = offset > rows ? rows : offset;
    highest = Maximum::of(highest, offset);
    starts[g] = highest;
  }
  const int highest_before = exclusive_scan<Maximum, P::kThreads>(highest, scratch);
  for (int g = first; g < first + kRun && g <= P::kGroups; ++g) starts[g] = Maximum::of(starts[g], highest_before);
  barrier();
}

/// Fills the table. All threads call. `scratch` is shared memory, two ints for each warp.
template <class P>
SINTER_DEVICE void build_group_table(const GroupTable& table, const GroupedGemmArgs& args, int* scratch) {
  constexpr int kRun = (P::kGroups + P::kThreads) / P::kThreads;
  const int first = thread_index() * kRun;
  clamp_offsets<P>(table.row, args.row_offsets, static_cast<int>(args.rows), scratch);

  int tiles = 0;
  for (int g = first; g < first + kRun && g < P::kGroups; ++g) {
    tiles += (table.row[g + 1] - table.row[g] + P::kTileM - 1) / P::kTileM;
    table.tile[g + 1] = tiles;
  }
  const int tiles_before = exclusive_scan<Sum, P::kThreads>(tiles, scratch + P::kThreads / kWarpSize);
  for (int g = first; g < first + kRun && g < P::kGroups; ++g) table.tile[g + 1] += tiles_before;
  if (thread_index() == 0) table.tile[0] = 0;
  barrier();
}

/// A tile's number, in two parts so that 32 bits are enough: strip * kColumnTiles + rest.
struct TileCursor {
  int strip, rest;
};

template <class P>
inline constexpr int kColumnTiles = (P::kN + P::kTileN - 1) / P::kTileN;

/// This block's first tile.
template <class P>
SINTER_DEVICE TileCursor first_tile() {
  return {block_index() / kColumnTiles<P>, block_index() % kColumnTiles<P>};
}

/// This block's tile after `cursor`.
template <class P>
SINTER_DEVICE TileCursor next_tile(TileCursor cursor) {
  cursor.strip += block_count() / kColumnTiles<P>;
  cursor.rest += block_count() % kColumnTiles<P>;
  if (cursor.rest >= kColumnTiles<P>) {
    cursor.rest -= kColumnTiles<P>;
    ++cursor.strip;
  }
  return cursor;
}

/// True while there is such a tile.
template <class P>
SINTER_DEVICE bool is_tile(const TileCursor& cursor, const GroupTable& table) {
  return cursor.strip < table.tile[P::kGroups];
}

/// Where the tile of a cursor is. REQUIRES: is_tile(cursor).
template <class P>
SINTER_DEVICE Tile find_tile(const TileCursor& cursor, const GroupTable& table) {
  constexpr int kPanelTiles = kPanelRows / P::kTileM;
  static_assert(kPanelTiles > 0 && kPanelRows % P::kTileM == 0, "a panel is whole tiles");

  int group = 0, end = P::kGroups;  // table.tile[group] <= strip < table.tile[end]
  while (end - group > 1) {
    const int middle = (group + end) / 2;
    const bool below = table.tile[middle] <= cursor.strip;
    group = below ? middle : group;
    end = below ? end : middle;
  }
  const int strip = cursor.strip - table.tile[group];
  const int panel = strip / kPanelTiles;
  const auto in_panel = static_cast<unsigned>(strip % kPanelTiles * kColumnTiles<P> + cursor.rest);
  const int tiles_left = table.tile[group + 1] - table.tile[group] - panel * kPanelTiles;
  const auto height = static_cast<unsigned>(tiles_left < kPanelTiles ? tiles_left : kPanelTiles);
  Tile tile;
  tile.group = group;
  tile.row = table.row[group] + (panel * kPanelTiles + static_cast<int>(in_panel % height)) * P::kTileM;
  tile.rows = table.row[group + 1] - tile.row;
  tile.column = static_cast<int>(in_panel / height) * P::kTileN;
  return tile;
}

}  // namespace sinter
