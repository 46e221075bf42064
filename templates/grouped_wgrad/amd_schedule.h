// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which tile of dW a block works on, and the rows that it sums over.

#include "grouped_wgrad/args.h"
#include "sinter_device/amd_scan.h"

namespace sinter {

/// One tile of dW, and the rows of its group. Uniform over the block.
struct Tile {
  int group;
  int row, column;  ///< First ones, in dW[group].
  int first, end;   ///< Rows of dY and X; may be none.
};

/// The tile that `index` stands for: rows count the row tiles of all groups, which have equally many. Returns false
/// behind the last. `lds` holds an int per wave, and is free again after the next barrier.
///
/// Row offsets are trusted with nothing: each is clamped to [0, rows] and to the largest before it.
template <class P>
SINTER_DEVICE bool find_tile(TileIndex index, Global<const int>* row_offsets, int rows, int* lds, Tile& tile) {
  constexpr U32 kRowTiles = (P::kN + P::kTileM - 1) / P::kTileM;
  if (index.row >= kRowTiles * P::kGroups) return false;
  const int group = uniform(static_cast<int>(index.row / kRowTiles));
  tile.group = group;
  tile.row = uniform(static_cast<int>(index.row % kRowTiles)) * P::kTileM;
  tile.column = static_cast<int>(index.column) * P::kTileN;
  int start = 0;
  for (int i = thread_index(); i <= group; i += P::kThreads) start = max(start, clamp(row_offsets[i], 0, rows));
  tile.first = uniform(block_total<P::kThreads / kWaveSize>(start, thread_index(), lds, Maximum{}));
  tile.end = max(tile.first, clamp(row_offsets[group + 1], 0, rows));
  return true;
}

}  // namespace sinter
