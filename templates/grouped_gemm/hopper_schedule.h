// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which tile of D a block computes next, on Hopper.
//
// Tiles are numbered in two lists, one of the groups with few rows and one of the others; in a list group by group, in
// a group by panels of rows, in a panel by columns and then by rows, so that blocks that run together share rows of B
// and the panel's rows of A in the L2 cache. Position s of the launch takes its tile from either list in proportion to
// their lengths: tiles that wait for memory (few rows, but all of their columns of B) then run beside tiles that
// wait for arithmetic. Block b takes positions b, b + block_count(), ...: the order depends on nothing but the offsets.
//
// Positions from an atomic counter were 3 % faster on a skewed batch (264 to 256 us) and slower on an even one. But the
// counter would be memory that launches of one kernel on two streams share.

#include "grouped_gemm/nvidia_schedule.h"

namespace sinter {

/// Groups of at most so many rows go to the list of small ones. Of 0, 64, 128 and 383 the last was the fastest on an
/// H200 (64 groups, 12,288 rows, skewed), by 3 % over 0.
inline constexpr int kSmallRows = 383;

/// Tiles along m in a panel.
inline constexpr int kPanelHeight = 16;

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

/// A position of the launch. Of those before it, position * small / all took their tile from the list of small groups,
/// where `small` and `all` are the tiles of that list and of both; kept as quotient and remainder, so that to go on
/// takes no division.
struct MixedPlace {
  U64 position, small_before;
  U32 remainder;
};

template <class P>
SINTER_DEVICE U64 tile_count(const TileLists& lists) {
  return static_cast<U64>(lists.groups.tile[P::kGroups]) * kColumnTiles<P>;
}

/// REQUIRES: there are tiles.
template <class P>
SINTER_DEVICE MixedPlace mixed_place(U64 position, const TileLists& lists) {
  const auto all = static_cast<U64>(lists.groups.tile[P::kGroups]), small = static_cast<U64>(lists.small[P::kGroups]);
  return {position, position * small / all, static_cast<U32>(position * small % all)};
}

/// The place at the sum of two positions.
template <class P>
SINTER_DEVICE MixedPlace add(const MixedPlace& a, const MixedPlace& b, const TileLists& lists) {
  const auto all = static_cast<U32>(lists.groups.tile[P::kGroups]);
  MixedPlace sum = {a.position + b.position, a.small_before + b.small_before, a.remainder + b.remainder};
  if (sum.remainder >= all) {
    sum.remainder -= all;
    ++sum.small_before;
  }
  return sum;
}

/// The tile at a place. REQUIRES: place.position < tile_count().
template <class P>
SINTER_DEVICE HopperTile tile_at(const MixedPlace& place, const TileLists& lists) {
  const auto all = static_cast<U32>(lists.groups.tile[P::kGroups]);
  const bool is_small = place.remainder + lists.small[P::kGroups] >= all;
  const U64 index = is_small ? place.small_before : place.position - place.small_before;  // in the list

  const int strip = static_cast<int>(index / kColumnTiles<P>);
  int group = 0, end = P::kGroups;  // tiles_before(group) <= strip < tiles_before(end)
  while (end - group > 1) {
    const int middle = (group + end) / 2;
    const bool below = tiles_before(lists, is_small, middle) <= strip;
    group = below ? middle : group;
    end = below ? end : middle;
  }
  const int first_strip = tiles_before(lists, is_small, group);
  const int in_group = strip - first_strip;
  const int panel = in_group / kPanelHeight;
  const auto in_panel = static_cast<U32>(in_group % kPanelHeight * kColumnTiles<P> +
                                         static_cast<int>(index % kColumnTiles<P>));
  const int left = tiles_before(lists, is_small, group + 1) - first_strip - panel * kPanelHeight;
  const auto height = static_cast<U32>(left < kPanelHeight ? left : kPanelHeight);
  const int group_end = lists.groups.row[group + 1];

  HopperTile tile;
  tile.group = group;
  tile.row = lists.groups.row[group] + (panel * kPanelHeight + static_cast<int>(in_panel % height)) * P::kTileM;
  tile.end = group_end - tile.row < P::kTileM ? group_end : tile.row + P::kTileM;
  tile.column = static_cast<int>(in_panel / height) * P::kTileN;
  return tile;
}

}  // namespace sinter
