// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which tile of D a block computes next, on Hopper.
//
// There are two lists of tiles, one of the groups with few rows and one of the others; in a list tiles are numbered
// group by group, in a group by panels of rows, in a panel by columns and then by rows, so that blocks that run
// together share rows of B and the panel's rows of A in the L2 cache. Blocks take the tiles of the second list in turn,
// and go on with those of the first, so that each has as many of either as any other, give or take one. In time a
// block mixes them evenly: a tile that waits for memory (few rows, but all of its columns of B) then runs beside tiles
// of other blocks that wait for arithmetic. The order depends on nothing but the offsets.
//
// Tiles from an atomic counter balance a skewed batch as well, but are slower on an even one, and the counter would be
// memory that launches of one kernel on two streams share.

#include "grouped_gemm/nvidia_schedule.h"

namespace sinter {

/// Groups of at most so many rows go to the list of small ones: those whose tiles keep one warpgroup busy. With 383 or
/// 128 a skewed batch takes 1 % longer.
inline constexpr int kSmallRows = 64;

/// Tiles along m in a panel. Of 4, 8, 12 and 16 this was the fastest on an H200 (4 groups of 8192 rows).
inline constexpr int kPanelHeight = 12;

/// The groups as every block sees them, in shared memory.
struct TileLists {
  GroupTable groups;
  U16* small;  ///< [groups + 1]: tiles along m in all small groups before this one.
};

/// A tile as the producer hands it to the warpgroups, in shared memory.
struct alignas(16) HopperTile {
  int row;     ///< First row, of all groups' rows.
  int end;     ///< Where its rows end: not after the group, nor after the tile.
  int column;  ///< First column.
  int group;   ///< Below 0: there are no more tiles.
};

/// Fills the lists. All threads call. `scratch` is as for build_group_table.
template <class P>
SINTER_DEVICE void build_tile_lists(const TileLists& lists, const GroupedGemmArgs& args, int* scratch) {
  constexpr int kMostTiles = (kSmallRows + P::kTileM - 1) / P::kTileM * P::kGroups;
  static_assert(kMostTiles < 1 << 16, "16 bits count the tiles of small groups");
  build_group_table<P>(lists.groups, args, scratch);

  constexpr int kRun = (P::kGroups + P::kThreads) / P::kThreads;
  const int first = thread_index() * kRun;
  const GroupTable& groups = lists.groups;
  int tiles = 0;
  for (int g = first; g < first + kRun && g < P::kGroups; ++g) {
    if (groups.row[g + 1] - groups.row[g] <= kSmallRows) tiles += groups.tile[g + 1] - groups.tile[g];
    lists.small[g + 1] = static_cast<U16>(tiles);
  }
  const int before = exclusive_scan<Sum, P::kThreads>(tiles, scratch);
  for (int g = first; g < first + kRun && g < P::kGroups; ++g) {
    lists.small[g + 1] = static_cast<U16>(lists.small[g + 1] + before);
  }
  if (thread_index() == 0) lists.small[0] = 0;
  barrier();
}

/// Tiles along m in the groups before `group` that are in its list.
SINTER_DEVICE int tiles_before(const TileLists& lists, bool small, int group) {
  return small ? lists.small[group] : lists.groups.tile[group] - lists.small[group];
}

/// A block's way through its tiles. 32 bits number them: 2^32 tiles of D would be larger than any memory.
struct TileWalk {
  U32 large, small;  ///< The block's next tile in either list.
  U32 large_left, small_left;
  /// The balance grows with every tile. When that brings it to the limit, the tile is a small one, and the limit is
  /// taken off: growth / limit of the block's tiles are small.
  U64 balance, growth, limit;
  bool is_small;  ///< The present tile's list,
  U32 index;      ///< and its number there.
};

/// How many of first, first + stride, ... are below `count`.
SINTER_DEVICE U32 count_from(U32 first, U32 stride, U32 count) {
  return first < count ? (count - first + stride - 1) / stride : 0;
}

template <class P>
SINTER_DEVICE TileWalk begin_walk(const TileLists& lists) {
  const auto block = static_cast<U32>(block_index()), blocks = static_cast<U32>(block_count());
  const U32 small = static_cast<U32>(lists.small[P::kGroups]) * kColumnTiles<P>;
  const U32 large = static_cast<U32>(lists.groups.tile[P::kGroups]) * kColumnTiles<P> - small;
  TileWalk walk;
  walk.large = block;
  walk.small = (block + blocks - large % blocks) % blocks;
  walk.large_left = count_from(walk.large, blocks, large);
  walk.small_left = count_from(walk.small, blocks, small);
  walk.growth = static_cast<U64>(blocks) * walk.small_left;
  walk.limit = static_cast<U64>(blocks) * (walk.large_left + walk.small_left);
  walk.balance = static_cast<U64>(block) * walk.small_left;  // so that not all blocks take small tiles at a time
  return walk;
}

/// Goes to the block's next tile. False: there is none.
SINTER_DEVICE bool next_tile(TileWalk& walk) {
  if (walk.large_left + walk.small_left == 0) return false;
  const auto blocks = static_cast<U32>(block_count());
  walk.balance += walk.growth;
  walk.is_small = walk.balance >= walk.limit;
  if (walk.is_small) {
    walk.balance -= walk.limit;
    walk.index = walk.small;
    walk.small += blocks;
    --walk.small_left;
  } else {
    walk.index = walk.large;
    walk.large += blocks;
    --walk.large_left;
  }
  return true;
}

/// The walk's present tile.
template <class P>
SINTER_DEVICE HopperTile tile_at(const TileWalk& walk, const TileLists& lists) {
  const bool small = walk.is_small;
  const int strip = static_cast<int>(walk.index / kColumnTiles<P>);
  int group = 0, end = P::kGroups;  // tiles_before(group) <= strip < tiles_before(end)
  while (end - group > 1) {
    const int middle = (group + end) / 2;
    const bool below = tiles_before(lists, small, middle) <= strip;
    group = below ? middle : group;
    end = below ? end : middle;
  }
  const int first_strip = tiles_before(lists, small, group);
  const int in_group = strip - first_strip;
  const int panel = in_group / kPanelHeight;
  const auto in_panel = static_cast<U32>(in_group % kPanelHeight * kColumnTiles<P> +
                                         static_cast<int>(walk.index % kColumnTiles<P>));
  const int left = tiles_before(lists, small, group + 1) - first_strip - panel * kPanelHeight;
  const auto height = static_cast<U32>(left < kPanelHeight ? left : kPanelHeight);
  const int group_end = lists.groups.row[group + 1];

  HopperTile tile;
  tile.group = group;
  tile.row = lists.groups.row[group] + (panel * kPanelHeight + static_cast<int>(in_panel % height)) * P::kTileM;
  tile.end = group_end - tile.row < P::kTileM ? group_end : tile.row + P::kTileM;
  int column = static_cast<int>(in_panel / height);
  if constexpr (P::kN % P::kTileN != 0) {
    // The last tile of a row of tiles takes less time. Groups begin with different columns, so that it is not always
    // the same blocks that have them.
    column += (group + panel) % kColumnTiles<P>;
    if (column >= kColumnTiles<P>) column -= kColumnTiles<P>;
  }
  tile.column = column * P::kTileN;
  return tile;
}

}  // namespace sinter
