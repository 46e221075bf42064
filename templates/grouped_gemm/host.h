// SPDX-License-Identifier: Apache-2.0
#pragma once

// Grouped GEMM on the host CPU.
//
// One work item is a tile of D: up to kTileM rows of one group by kTileN columns. For each kTileK columns of K the
// operands are packed into this thread's scratch, then a register-blocked micro-kernel of kMicroM x kMicroN outputs
// runs over them; the sums over all of K stay in the scratch in fp32 and are rounded once.
//
// Packed operands consist of 32-bit slots: two neighbours of K in bf16 where the CPU multiplies bf16 pairs
// (AVX512-BF16) and the operands fit bf16, one value of K in fp32 elsewhere. Every output is one chain over K in ascending order, whatever rows
// share its tile: results depend neither on other rows and groups, nor on the tile, nor on the number of threads.

#include "grouped_gemm/args.h"
#include "sinter_device/host.h"

namespace sinter {

using Args = GroupedGemmArgs;

#if defined(__AVX512BF16__)
inline constexpr bool kHasBf16Pairs = true;
#else
inline constexpr bool kHasBf16Pairs = false;
#endif

// Micro-kernel shape. 6 x 4 vectors leave 8 of AVX-512's 32 registers for operands, 6 x 2 leave 4 of AVX2's 16; both
// are enough independent chains for two multiply-adds per cycle.
inline constexpr int kMicroM = 6;
inline constexpr int kMicroVectors = kVectorBytes == 64 ? 4 : 2;
inline constexpr int kMicroN = kMicroVectors * kLanes;
inline constexpr int kScaleBlock = 128;

/// Everything that follows from the parameters.
template <class P>
struct Layout {
  static_assert(P::kN > 0 && P::kK > 0 && P::kGroups > 0, "sizes are positive");
  static_assert(P::kN % 8 == 0, "N is a multiple of 8");
  static_assert(P::kK % (P::kFp8 ? 16 : 8) == 0, "K is a multiple of 8 (bf16) or 16 (e4m3): rows are 16-byte pieces");
  static_assert(P::kTileM > 0, "a tile has rows");
  static_assert(P::kTileN > 0 && P::kTileN % kMicroN == 0, "tile.n is whole micro-kernels");
  static_assert(!P::kSwiglu || (P::kN % 16 == 0 && P::kTileN / 2 % kMicroN == 0), "so is half of it");
  static_assert(!P::kTransposedB || !P::kFp8, "B is packed from rows of N by 16-bit elements");
  static_assert(P::kTileK > 0 && P::kTileK % (P::kFp8 ? kScaleBlock : 32) == 0,
                "tile.k is whole vectors of slots (32 bf16), and whole scale blocks");
  static_assert(kScaleBlock % kMicroN == 0, "the columns of a micro-kernel share one scale of B");

  static constexpr int kElementBytes = P::kFp8 ? 1 : 2;
  static constexpr int kSlotK = kHasBf16Pairs && (P::kFp8 || !P::kHalf) ? 2 : 1;  ///< Elements of K in a slot.
  static constexpr long long kRowBytes = static_cast<long long>(P::kK) * kElementBytes;  ///< Of A, and of B in layout nk.
  static constexpr int kDColumns = P::kSwiglu ? P::kN / 2 : P::kN;
  static constexpr int kTileSlots = P::kTileK / kSlotK;  ///< Slots in a row of a packed tile.
  static constexpr int kVectorK = kLanes * kSlotK;       ///< Elements of K in a vector of slots.
  static constexpr int kScaleBlocksK = (P::kK + kScaleBlock - 1) / kScaleBlock;
  static constexpr int kScaleBlocksN = (P::kN + kScaleBlock - 1) / kScaleBlock;
  /// Columns of D in a tile; with swiglu its right half computes what the left half is multiplied with.
  static constexpr int kTileColumns = P::kSwiglu ? P::kTileN / 2 : P::kTileN;
  static constexpr int kColumnTiles = (kDColumns + kTileColumns - 1) / kTileColumns;

  // Scratch, in 32-bit units: sums [kTileM, kTileN], A [kTileM, kTileSlots], B [kTileN / kMicroN, kTileSlots, kMicroN].
  static constexpr int kPackedA = P::kTileM * P::kTileN;
  static constexpr int kPackedB = kPackedA + P::kTileM * kTileSlots;
  static constexpr int kScratchBytes = 4 * (kPackedB + P::kTileN * kTileSlots);
  static_assert(kScratchBytes == P::kScratchBytes, "the plan's scratch is this layout");
};

/// One tile of D.
struct Tile {
  int group;
  long long row;  ///< First row, of all groups' rows.
  int rows;
  int column;  ///< First column.
  int columns;
};

// --- load and pack -------------------------------------------------------------------------------------------------

/// Reads kLanes slots from consecutive elements of K.
template <class P>
SINTER_DEVICE VecU32 load_slots(const U8* from) {
  constexpr bool kPairs = Layout<P>::kSlotK == 2;
  if constexpr (P::kFp8) {
    if constexpr (kPairs) {
      return bits<VecU32>(e4m3_to_bf16(__builtin_convertvector(load<Vec<U8, 2 * kLanes>>(from), VecU16)));
    } else {
      return e4m3_to_bf16(__builtin_convertvector(load<Vec<U8, kLanes>>(from), VecU32)) << 16;
    }
  } else if constexpr (P::kHalf) {
    return bits<VecU32>(f16_to_f32(load<Vec<U16, kLanes>>(from)));
  } else if constexpr (kPairs) {
    return load<VecU32>(from);
  } else {
    return bits<VecU32>(bf16_to_f32(load<Vec<U16, kLanes>>(from)));
  }
}

/// Copies the last `bytes` of a row, a multiple of 16, to a whole vector: nothing behind the row is read.
SINTER_DEVICE void stage_row_end(U8* to, const U8* from, int bytes) {
  using Piece = Vec<U32, 4>;
  for (int at = 0; at < kVectorBytes; at += 16) store(to + at, at < bytes ? load<Piece>(from + at) : Piece(0));
}

template <int... kLane>
struct LaneList {};
#if defined(__AVX512F__)
using AllLanes = LaneList<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
#else
using AllLanes = LaneList<0, 1, 2, 3, 4, 5, 6, 7>;
#endif

/// One of log2(kLanes) steps of a transposition: exchanges the off-diagonal kStep x kStep blocks.
template <int kStep, int... kLane>
SINTER_DEVICE void transpose_step(VecU32 (&rows)[kLanes], LaneList<kLane...>) {
#pragma unroll
  for (int i = 0; i < kLanes; ++i) {
    if ((i & kStep) != 0) continue;
    const VecU32 low = rows[i], high = rows[i + kStep];
    rows[i] = __builtin_shufflevector(low, high, ((kLane & kStep) != 0 ? kLanes + kLane - kStep : kLane)...);
    rows[i + kStep] = __builtin_shufflevector(low, high, ((kLane & kStep) != 0 ? kLanes + kLane : kLane + kStep)...);
  }
}

/// Exchanges lane j of vector i with lane i of vector j.
SINTER_DEVICE void transpose(VecU32 (&rows)[kLanes]) {
  transpose_step<1>(rows, AllLanes());
  transpose_step<2>(rows, AllLanes());
  transpose_step<4>(rows, AllLanes());
  if constexpr (kLanes == 16) transpose_step<8>(rows, AllLanes());
}

/// Copies `rows` rows of A from element `k` on, `depth` elements each, to [rows, kTileSlots].
template <class P>
SINTER_DEVICE void pack_a(U32* to, const U8* a, int rows, int k, int depth) {
  using L = Layout<P>;
  for (int row = 0; row < rows; ++row) {
    const U8* const from = a + row * L::kRowBytes + k * L::kElementBytes;
    U32* const slots = to + row * L::kTileSlots;
    int done = 0;
    for (; done + L::kVectorK <= depth; done += L::kVectorK) {
      store(slots + done / L::kSlotK, load_slots<P>(from + done * L::kElementBytes));
    }
    if constexpr (P::kK % L::kVectorK != 0) {
      if (done < depth) {
        U8 stage[kVectorBytes];
        stage_row_end(stage, from + done * L::kElementBytes, (depth - done) * L::kElementBytes);
        store(slots + done / L::kSlotK, load_slots<P>(stage));
      }
    }
  }
}

/// Packs one vector of slots from each of kLanes rows of B, transposed: row i of the result has slot i of all of them.
/// Rows behind `last_row` repeat it.
template <class P>
SINTER_DEVICE void pack_square(U32* to, const U8* from, long long row_bytes, int last_row) {
  VecU32 slots[kLanes];
#pragma unroll
  for (int i = 0; i < kLanes; ++i) slots[i] = load_slots<P>(from + (i < last_row ? i : last_row) * row_bytes);
  transpose(slots);
#pragma unroll
  for (int i = 0; i < kLanes; ++i) store(to + i * kMicroN, slots[i]);
}

/// Packs `columns` columns of D, that is rows of B, to [columns / kMicroN, kTileSlots, kMicroN]. The columns that round
/// kLanes up repeat the last one and those beyond keep what was there; the sums of both are never stored.
template <class P>
SINTER_DEVICE void pack_rows_b(U32* to, const U8* b, int columns, int k, int depth) {
  using L = Layout<P>;
  for (int column = 0; column < columns; column += kLanes) {
    const U8* const from = b + column * L::kRowBytes + k * L::kElementBytes;
    const int last_row = columns - column < kLanes ? columns - column - 1 : kLanes - 1;
    U32* const panel = to + column / kMicroN * (L::kTileSlots * kMicroN) + column % kMicroN;
    int done = 0;
    for (; done + L::kVectorK <= depth; done += L::kVectorK) {
      pack_square<P>(panel + done / L::kSlotK * kMicroN, from + done * L::kElementBytes, L::kRowBytes, last_row);
    }
    if constexpr (P::kK % L::kVectorK != 0) {
      if (done < depth) {
        U8 stage[kLanes * kVectorBytes];
        for (int i = 0; i <= last_row; ++i) {
          stage_row_end(stage + i * kVectorBytes, from + i * L::kRowBytes + done * L::kElementBytes,
                        (depth - done) * L::kElementBytes);
        }
        pack_square<P>(panel + done / L::kSlotK * kMicroN, stage, kVectorBytes, last_row);
      }
    }
  }
}

/// The same for layout kn, whose rows have neighbours along N: `b` is the first column at K 0. Only whole eights of
/// columns are read.
template <class P>
SINTER_DEVICE void pack_columns_b(U32* to, const U8* b, int columns, int k, int depth) {
  using L = Layout<P>;
  using Eight = Vec<U16, 8>;
  for (int column = 0; column < columns; column += 8) {
    U32* const panel = to + column / kMicroN * (L::kTileSlots * kMicroN) + column % kMicroN;
    for (int at = 0; at < depth; at += L::kSlotK) {
      const U8* const from = b + ((static_cast<long long>(k) + at) * P::kN + column) * 2;
      Vec<U32, 8> slots = __builtin_convertvector(load<Eight>(from), Vec<U32, 8>);
      if constexpr (L::kSlotK == 2) {
        slots |= __builtin_convertvector(load<Eight>(from + 2 * P::kN), Vec<U32, 8>) << 16;  // K is a multiple of 8
      } else if constexpr (P::kHalf) {
        using Halves = Vec<_Float16, 8>;
        slots = bits<Vec<U32, 8>>(__builtin_convertvector(load<Halves>(from), Vec<float, 8>));
      } else {
        slots <<= 16;
      }
      store(panel + at / L::kSlotK * kMicroN, slots);
    }
  }
}

template <class P>
SINTER_DEVICE void pack_b(U32* to, const U8* b, int columns, int k, int depth) {
  if constexpr (P::kTransposedB) {
    pack_columns_b<P>(to, b, columns, k, depth);
  } else {
    pack_rows_b<P>(to, b, columns, k, depth);
  }
}

// --- compute -------------------------------------------------------------------------------------------------------

/// sum + the products of one slot of A, in every lane, with kLanes slots of B.
template <int kSlotK>
SINTER_DEVICE VecF32 multiply_add(U32 a, VecU32 b, VecF32 sum) {
#if defined(__AVX512BF16__)
  if constexpr (kSlotK == 2) {
    using Pairs = Vec<__bf16, 2 * kLanes>;
    return __builtin_ia32_dpbf16ps_512(sum, bits<Pairs>(splat(a)), bits<Pairs>(b));
  }
#endif
  return fma(bits<VecF32>(splat(a)), bits<VecF32>(b), sum);
}

/// Adds the product of kRows packed rows of A and one panel of B over `slots` slots to sums [kRows, kTileN].
///
/// fp8_block: each run of 128 elements is summed on its own, scaled by scale_a[row, run] * scale_b[run], then added.
template <class P, int kRows>
SINTER_DEVICE void multiply(float* sums, const U32* a, const U32* b, int slots, bool first, const float* scale_a,
                            const float* scale_b) {
  using L = Layout<P>;
  const int run_slots = P::kBlockScales ? kScaleBlock / L::kSlotK : slots;
  for (int begin = 0; begin < slots; begin += run_slots) {
    const int end = begin + run_slots < slots ? begin + run_slots : slots;
    const bool clear = P::kBlockScales || first;
    VecF32 sum[kRows][kMicroVectors];
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int j = 0; j < kMicroVectors; ++j) {
        sum[i][j] = clear ? splat(0.0f) : load<VecF32>(sums + i * P::kTileN + j * kLanes);
      }
    }
#pragma nounroll
    for (int slot = begin; slot < end; ++slot) {
      VecU32 columns[kMicroVectors];
#pragma unroll
      for (int j = 0; j < kMicroVectors; ++j) columns[j] = load<VecU32>(b + slot * kMicroN + j * kLanes);
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        const U32 row = a[i * L::kTileSlots + slot];
#pragma unroll
        for (int j = 0; j < kMicroVectors; ++j) sum[i][j] = multiply_add<L::kSlotK>(row, columns[j], sum[i][j]);
      }
    }
    const int run = begin / (kScaleBlock / L::kSlotK);
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int j = 0; j < kMicroVectors; ++j) {
        float* to = sums + i * P::kTileN + j * kLanes;
        if constexpr (P::kBlockScales) {
          const VecF32 before = first && begin == 0 ? splat(0.0f) : load<VecF32>(to);
          sum[i][j] = fma(sum[i][j], splat(scale_a[i * L::kScaleBlocksK + run] * scale_b[run]), before);
        }
        store(to, sum[i][j]);
      }
    }
  }
}

/// multiply() for a number of rows that is only known now.
template <class P, int kRows = kMicroM>
SINTER_DEVICE void multiply_rows(int rows, float* sums, const U32* a, const U32* b, int slots, bool first,
                                 const float* scale_a, const float* scale_b) {
  if constexpr (kRows == 1) {
    multiply<P, 1>(sums, a, b, slots, first, scale_a, scale_b);
  } else {
    if (rows >= kRows) {
      multiply<P, kRows>(sums, a, b, slots, first, scale_a, scale_b);
    } else {
      multiply_rows<P, kRows - 1>(rows, sums, a, b, slots, first, scale_a, scale_b);
    }
  }
}

// --- store ---------------------------------------------------------------------------------------------------------

/// kLanes values at `from`, of which the last may lie behind a row's end: nothing behind column `left` is read.
template <class T>
SINTER_DEVICE Vec<T, kLanes> load_row_piece(const T* from, int left) {
  if (left >= kLanes) return load<Vec<T, kLanes>>(from);
  Vec<T, kLanes> piece = 0;
  for (int i = 0; i < left; ++i) piece[i] = from[i];
  return piece;
}

/// What one vector of D is before it is rounded: the sums at `from` with their scales and the epilogue.
template <class P>
SINTER_DEVICE VecF32 finish(const Args& args, const float* from, const Tile& tile, int row, int column) {
  using L = Layout<P>;
  VecF32 value = load<VecF32>(from);
  VecF32 other = P::kSwiglu ? load<VecF32>(from + L::kTileColumns) : value;
  const int left = tile.columns - column;
  const long long first = static_cast<long long>(tile.group) * P::kN + tile.column + column;  // of scales and bias
  if constexpr (P::kTokenScales) {
    const float scale = args.a_scale[tile.row + row];
    value *= load_row_piece(args.b_scale + first, left) * scale;
    if constexpr (P::kSwiglu) other *= load_row_piece(args.b_scale + first + P::kN / 2, left) * scale;
  }
  if constexpr (P::kBias) {
    const auto bias = load_row_piece(static_cast<const U16*>(args.bias) + first, left);
    value += P::kHalf ? f16_to_f32(bias) : bf16_to_f32(bias);
  }
  if constexpr (P::kSwiglu) value = value / (1.0f + exponential(-value)) * other;
  return value;
}

template <class P>
SINTER_DEVICE Vec<U16, kLanes> rounded(VecF32 value) {
  return P::kHalf ? f32_to_f16(value) : f32_to_bf16(value);
}

template <class P>
SINTER_DEVICE void store_tile(const Args& args, const float* sums, const Tile& tile) {
  using L = Layout<P>;
  static_assert(L::kDColumns % 8 == 0, "a row of D is whole pieces of 8 columns");
  U16* const d = static_cast<U16*>(args.d) + tile.row * L::kDColumns + tile.column;
  for (int row = 0; row < tile.rows; ++row) {
    const float* from = sums + row * P::kTileN;
    U16* to = d + static_cast<long long>(row) * L::kDColumns;
    int column = 0;
    for (; column + kLanes <= tile.columns; column += kLanes) {
      store(to + column, rounded<P>(finish<P>(args, from + column, tile, row, column)));
    }
    if constexpr (kLanes > 8 && L::kDColumns % kLanes != 0) {
      if (column < tile.columns) {
        const auto last = rounded<P>(finish<P>(args, from + column, tile, row, column));
        store(to + column, __builtin_shufflevector(last, last, 0, 1, 2, 3, 4, 5, 6, 7));
      }
    }
  }
}

// --- the kernel ----------------------------------------------------------------------------------------------------

/// The matrix of a group.
template <class P>
SINTER_DEVICE const U8* matrix_b(const Args& args, int group) {
  if constexpr (P::kSeparateB) {
    return static_cast<const U8* const*>(args.b)[group];
  } else {
    return static_cast<const U8*>(args.b) + static_cast<long long>(group) * P::kN * Layout<P>::kRowBytes;
  }
}

/// Adds K elements k to k + depth - 1 of the products with columns `column` to + tile.columns - 1 of B to `sums`.
template <class P>
SINTER_DEVICE void multiply_columns(const Args& args, const Tile& tile, int column, float* sums, const U32* packed_a,
                                    U32* packed_b, int k, int depth) {
  using L = Layout<P>;
  const long long pitch = P::kTransposedB ? 2 : L::kRowBytes;
  pack_b<P>(packed_b, matrix_b<P>(args, tile.group) + column * pitch, tile.columns, k, depth);
  for (int at = 0; at < tile.columns; at += kMicroN) {
    const float* scale_a = nullptr;
    const float* scale_b = nullptr;
    if constexpr (P::kBlockScales) {
      const long long first_block = static_cast<long long>(tile.group) * L::kScaleBlocksN;
      const long long block = first_block + (column + at) / kScaleBlock;
      scale_b = args.b_scale + block * L::kScaleBlocksK + k / kScaleBlock;
    }
    for (int row = 0; row < tile.rows; row += kMicroM) {
      if constexpr (P::kBlockScales) scale_a = args.a_scale + (tile.row + row) * L::kScaleBlocksK + k / kScaleBlock;
      multiply_rows<P>(tile.rows - row, sums + row * P::kTileN + at, packed_a + row * L::kTileSlots,
                       packed_b + at * L::kTileSlots, depth / L::kSlotK, k == 0, scale_a, scale_b);
    }
  }
}

template <class P>
SINTER_DEVICE void compute_tile(const Args& args, const Tile& tile, U32* scratch) {
  using L = Layout<P>;
  float* const sums = reinterpret_cast<float*>(scratch);
  U32* const packed_a = scratch + L::kPackedA;
  U32* const packed_b = scratch + L::kPackedB;
  const U8* const a = static_cast<const U8*>(args.a) + tile.row * L::kRowBytes;

  for (int k = 0; k < P::kK; k += P::kTileK) {
    const int depth = P::kK - k < P::kTileK ? P::kK - k : P::kTileK;
    pack_a<P>(packed_a, a, tile.rows, k, depth);
    multiply_columns<P>(args, tile, tile.column, sums, packed_a, packed_b, k, depth);
    if constexpr (P::kSwiglu) {
      multiply_columns<P>(args, tile, P::kN / 2 + tile.column, sums + L::kTileColumns, packed_a,
                          packed_b + L::kTileColumns * L::kTileSlots, k, depth);
    }
  }
  store_tile<P>(args, sums, tile);
}

/// Tiles are numbered group by group, in a group by columns and then by rows, so that neighbours share their part of B.
/// A block takes tiles `index`, `index + count`, ...
template <class P>
SINTER_DEVICE void run(const Args& args, const HostBlock& block) {
  using L = Layout<P>;
  long long next = block.index;  // this block's next tile, counted from the group's first one
  long long begin = 0;
  for (int group = 0; group <= P::kGroups && begin < args.rows; ++group) {
    // The offsets are data: clamped and made non-decreasing before they become addresses.
    long long end = args.row_offsets[group];
    end = end > args.rows ? args.rows : end;
    end = end < begin ? begin : end;
    if (group == 0) {
      begin = end;
      continue;
    }
    const long long row_tiles = (end - begin + P::kTileM - 1) / P::kTileM;
    for (; next < row_tiles * L::kColumnTiles; next += block.count) {
      Tile tile;
      tile.group = group - 1;
      tile.column = static_cast<int>(next / row_tiles) * L::kTileColumns;
      tile.columns = L::kDColumns - tile.column < L::kTileColumns ? L::kDColumns - tile.column : L::kTileColumns;
      tile.row = begin + next % row_tiles * P::kTileM;
      tile.rows = end - tile.row < P::kTileM ? static_cast<int>(end - tile.row) : P::kTileM;
      compute_tile<P>(args, tile, static_cast<U32*>(block.scratch));
    }
    next -= row_tiles * L::kColumnTiles;
    begin = end;
  }
}

}  // namespace sinter
