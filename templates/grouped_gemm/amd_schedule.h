// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which tile of D a block works on. Found anew for every tile by all threads of the block, from the row offsets alone:
// two scans over the groups, no list of tiles in memory and none made by the host.

#include "sinter_device/amd.h"
#include "sinter_device/amd_scan.h"

namespace sinter {

/// One tile of D. Uniform over the block.
struct Tile {
  int group;
  int row;     ///< First row, in A and D.
  int rows;    ///< At least 1; beyond kTileM the group has more tiles.
  int column;  ///< First column, in D.
};

/// LDS that find_tile() uses, in ints: a maximum and a sum per wave, and the answer.
inline constexpr int kScheduleInts = 16;

/// Row tiles that are walked together, column by column: blocks that run at the same time then share columns of B and
/// these rows of A in the caches.
inline constexpr int kPanelTiles = 8;

/// The tile of D that `index` stands for: rows count the row tiles of all groups. Returns false if there are fewer.
///
/// Row offsets are trusted with nothing: each is clamped to [0, rows] and to the largest before it.
template <class P>
SINTER_DEVICE bool find_tile(TileIndex index, Global<const int>* row_offsets, int rows, int* lds, Tile& tile) {
  constexpr int kWaves = P::kThreads / kWaveSize;
  constexpr int kPerThread = (P::kGroups + P::kThreads - 1) / P::kThreads;
  constexpr U32 kColumnTiles = (P::kN + P::kTileN - 1) / P::kTileN;
  static_assert(2 * kWaves + 5 <= kScheduleInts, "a maximum and a sum per wave, and five ints of answer");
  const int thread = thread_index();
  int* answer = lds + 2 * kWaves;  // First row, end row, row tile in the group, tiles of the group, group.
  if (thread == 0) answer[3] = 0;

  // This thread's groups are first ... first + kPerThread - 1; start[i] and start[i + 1] bound the rows of one. Beyond
  // the last group all starts are equal: no rows.
  const int first = thread * kPerThread;
  int start[kPerThread + 1];
#pragma unroll
  for (int i = 0; i <= kPerThread; ++i) {
    start[i] = clamp(row_offsets[min(first + i, P::kGroups)], 0, rows);
    if (i > 0) start[i] = max(start[i], start[i - 1]);
  }
  const int before = block_scan<kWaves>(start[kPerThread], thread, lds, Maximum{});
#pragma unroll
  for (int i = 0; i <= kPerThread; ++i) start[i] = max(start[i], before);

  int tiles = 0;
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) tiles += (start[i + 1] - start[i] + P::kTileM - 1) / P::kTileM;
  int end = block_scan<kWaves>(tiles, thread, lds + kWaves, Sum{});

  const int row_tile = static_cast<int>(index.row);
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    const int begin = end;
    const int count = (start[i + 1] - start[i] + P::kTileM - 1) / P::kTileM;
    end += count;
    if (row_tile >= begin && row_tile < end) {
      answer[0] = start[i];
      answer[1] = start[i + 1];
      answer[2] = row_tile - begin;
      answer[3] = count;
      answer[4] = first + i;
    }
  }
  block_barrier();
  const int group_tiles = uniform(answer[3]);
  if (group_tiles == 0) return false;  // Nobody wrote the others.
  const int group_row = uniform(answer[0]), group_end = uniform(answer[1]);
  const int tile_in_group = uniform(answer[2]);
  tile.group = uniform(answer[4]);
  block_barrier();  // The caller reuses the LDS.

  // A panel of row tiles owns that many times kColumnTiles indices; inside of it rows come first.
  const int panel = tile_in_group / kPanelTiles * kPanelTiles;
  const U32 panel_tiles = static_cast<U32>(min(kPanelTiles, group_tiles - panel));
  const U32 position = static_cast<U32>(tile_in_group - panel) * kColumnTiles + index.column;
  // The division leaves its results in vector registers; addresses are to be computed in scalar ones.
  const int row_in_panel = uniform(static_cast<int>(position % panel_tiles));
  const int column_tile = uniform(static_cast<int>(position / panel_tiles));
  tile.row = group_row + (panel + row_in_panel) * P::kTileM;
  tile.rows = group_end - tile.row;
  tile.column = column_tile * (P::kSwiglu ? P::kTileN / 2 : P::kTileN);
  return true;
}

}  // namespace sinter
