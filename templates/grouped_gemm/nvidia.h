// SPDX-License-Identifier: Apache-2.0
#pragma once

// Grouped GEMM by mma.sync: one body for sm_80 to sm_90 and for PTX of compute_80.
//
// A block computes tiles of D one after the other. cp.async brings steps of tile.k columns of A and B into a ring of
// stages in shared memory; the ring does not stop between tiles, so that the first steps of the next tile arrive while
// the present one is finished. Each warp computes a part of the tile from fragments that ldmatrix reads one
// instruction's depth ahead.
//
// fp8_block: the products of one step are summed on their own, then scaled and added in fp32. Steps are at most one
// scale block long, so no sum of the matrix unit, which keeps few bits of e4m3 products, is longer than 128. fp8_token
// does the same without scales where e4m3 is what the matrix unit multiplies; it scales once, at the end.
//
// Every element of D is one chain of sums over K in ascending order, whatever else is in its tile or its launch.

#include "grouped_gemm/args.h"
#include "grouped_gemm/nvidia_schedule.h"
#include "sinter_device/nvidia.h"
#include "sinter_device/nvidia_mma.h"

namespace sinter {

using Args = GroupedGemmArgs;

inline constexpr int kScaleBlock = 128;

/// Everything that follows from the parameters.
template <class P>
struct Layout {
  static constexpr int kElementBytes = P::kFp8 ? 1 : 2;
  static constexpr int kChunkElements = 16 / kElementBytes;
  static_assert(P::kN > 0 && P::kK > 0 && P::kGroups > 0, "sizes are positive");
  static_assert(P::kN % 8 == 0, "a row of D is whole 16-byte chunks");
  static_assert(P::kK % kChunkElements == 0, "a row of A or B is whole 16-byte chunks");
  static_assert(!P::kBlockScales || kScaleBlock % P::kTileK == 0, "a step lies in one scale block");
  static_assert(P::kTileN % kScaleBlock == 0 || kScaleBlock % P::kTileN == 0, "warps do not straddle scales of B");
  static_assert(P::kStages >= 2, "one stage is read while another is filled");
  static_assert(!P::kTransposedB && !P::kSwiglu, "this body reads B as [N, K] and has no swiglu");

  // Warps and fragments.
  static constexpr int kWarpTileM = P::kTileM / P::kWarpsM;
  static constexpr int kWarpTileN = P::kTileN / P::kWarpsN;
  static constexpr int kFragmentsM = kWarpTileM / 16;
  static constexpr int kFragmentsN = kWarpTileN / 8;
  static_assert(P::kThreads == P::kWarpsM * P::kWarpsN * kWarpSize, "each warp has one part of the tile");
  static_assert(kFragmentsM * 16 * P::kWarpsM == P::kTileM, "a warp's rows are whole fragments");
  static_assert(kFragmentsN * 8 * P::kWarpsN == P::kTileN, "a warp's columns are whole fragments");
  static_assert(kFragmentsN == 4 || kFragmentsN == 8, "a lane's columns are one or two 16-byte chunks of D");

  // Steps: tile.k columns are a row of shared memory, and 32 bytes of it one instruction's depth.
  static constexpr int kRowBytes = P::kTileK * kElementBytes;
  static constexpr int kRowChunks = kRowBytes / 16;
  static constexpr int kDepths = kRowBytes / 32;
  static constexpr int kSteps = (P::kK + P::kTileK - 1) / P::kTileK;
  static constexpr bool kTailK = P::kK % P::kTileK != 0;
  static constexpr long long kPitch = static_cast<long long>(P::kK) * kElementBytes;  ///< Bytes of a row of A or B.
  static_assert(kRowBytes == 64 || kRowBytes == 128, "the swizzle knows rows of 64 and 128 bytes");

  // Copies: in one pass the block's threads bring kPassRows rows, 16 bytes each thread.
  static constexpr int kPassRows = P::kThreads / kRowChunks;
  static constexpr int kPassesA = P::kTileM / kPassRows;
  static constexpr int kPassesB = P::kTileN / kPassRows;
  static_assert(kPassesA * kPassRows == P::kTileM && kPassesB * kPassRows == P::kTileN, "passes are whole");
  static_assert(kPassRows % 8 == 0, "a thread's chunk has the same swizzle in every pass");

  // Scales of one step: one for each row, then one for each 128 columns.
  static constexpr int kScaleBlocksK = (P::kK + kScaleBlock - 1) / kScaleBlock;
  static constexpr int kScaleBlocksN = (P::kN + kScaleBlock - 1) / kScaleBlock;
  static constexpr int kTileScalesB = (P::kTileN + kScaleBlock - 1) / kScaleBlock;

  // Shared memory: the stages, then the group table. Stages start at a multiple of 128 bytes for the swizzle.
  static constexpr int kStageB = P::kTileM * kRowBytes;
  static constexpr int kStageScaleA = kStageB + P::kTileN * kRowBytes;
  static constexpr int kStageScaleB = kStageScaleA + 4 * P::kTileM;
  static constexpr int kStageBytes = P::kBlockScales ? (kStageScaleB + 4 * kTileScalesB + 127) / 128 * 128 : kStageScaleA;
  static constexpr int kTable = P::kStages * kStageBytes;
  static constexpr int kSharedBytes = kTable + 8 * (P::kGroups + 1) + 8 * (P::kThreads / kWarpSize);
  static_assert(kSharedBytes == P::kSharedBytes, "the plan's shared memory is this layout");
};

/// Chunk `chunk` of row `row` is kept at this chunk of the row: the eight rows of a matrix that ldmatrix reads lie in
/// different banks, and so do the chunks that eight neighbouring threads write.
template <int kRowBytes>
SINTER_DEVICE int swizzle(int row, int chunk) {
  return kRowBytes == 128 ? chunk ^ (row & 7) : chunk ^ ((row >> 1) & 3);
}

/// The column of the tile whose row of B is kept at row `row` of the stage.
///
/// Lane l of a warp holds columns 2 * (l % 4) and + 1 of each fragment. With the rows of B dealt out like this, these
/// are 2 * kFragmentsN neighbours of D, which are stored 16 bytes at a time.
template <class P>
SINTER_DEVICE constexpr int column_of_row(int row) {
  constexpr int kFragments = Layout<P>::kFragmentsN;
  const int fragment = row / 8 % kFragments, column = row % 8;
  return row / (8 * kFragments) * (8 * kFragments) + column / 2 * (2 * kFragments) + fragment * 2 + column % 2;
}

// --- load ------------------------------------------------------------------------------------------------------------

/// Where this thread's next copies come from.
template <class P>
struct Source {
  TileCursor cursor;
  bool live;  ///< There is such a step.
  int step;
  int bytes_left;     ///< Of the row of K, from this thread's chunk on.
  int rows, columns;  ///< In the operands, counted from this thread's first row of A and of B.
  const U8* a;        ///< This thread's chunk of its first row.
  const U8* b;
  int tile_rows, scale_columns;  ///< Rows and scales of B in the operands, counted from the tile's first.
  const float* a_scale;          ///< fp8_block: of the tile's first row, K block 0.
  const float* b_scale;          ///< fp8_block: of the tile's first columns, K block 0.
};

/// Points `source` at the first step of its cursor's tile.
template <class P>
SINTER_DEVICE void begin_tile(Source<P>& source, const GroupTable& table, const Args& args) {
  using L = Layout<P>;
  source.live = is_tile<P>(source.cursor, table);
  if (!source.live) return;
  const Tile tile = find_tile<P>(source.cursor, table);
  const int row = thread_index() / L::kRowChunks, chunk = thread_index() % L::kRowChunks;
  const int column = column_of_row<P>(row);
  source.step = 0;
  source.bytes_left = static_cast<int>(L::kPitch) - chunk * 16;
  source.rows = tile.rows - row;
  source.columns = P::kN - tile.column - column;
  source.a = static_cast<const U8*>(args.a) + (static_cast<long long>(tile.row) + row) * L::kPitch + chunk * 16;
  if constexpr (P::kSeparateB) {
    source.b = static_cast<const U8* const*>(args.b)[tile.group];
  } else {
    source.b = static_cast<const U8*>(args.b) + static_cast<long long>(tile.group) * P::kN * L::kPitch;
  }
  source.b += (static_cast<long long>(tile.column) + column) * L::kPitch + chunk * 16;
  if constexpr (P::kBlockScales) {
    const int scale_column = tile.column / kScaleBlock;
    source.tile_rows = tile.rows;
    source.scale_columns = L::kScaleBlocksN - scale_column;
    source.a_scale = args.a_scale + static_cast<long long>(tile.row) * L::kScaleBlocksK;
    source.b_scale =
        args.b_scale + (static_cast<long long>(tile.group) * L::kScaleBlocksN + scale_column) * L::kScaleBlocksK;
  }
}

/// Goes to the next step, of the next tile if need be.
template <class P>
SINTER_DEVICE void advance(Source<P>& source, const GroupTable& table, const Args& args) {
  using L = Layout<P>;
  if (!source.live) return;
  if (++source.step < L::kSteps) {
    source.bytes_left -= L::kRowBytes;
    source.a += L::kRowBytes;
    source.b += L::kRowBytes;
  } else {
    source.cursor = next_tile<P>(source.cursor);
    begin_tile(source, table, args);
  }
}

/// Starts the copies of the step's scales.
template <class P>
SINTER_DEVICE void copy_scales(const Source<P>& source, U32 stage) {
  using L = Layout<P>;
  const int block = source.step * P::kTileK / kScaleBlock;
#pragma unroll
  for (int first = 0; first < P::kTileM; first += P::kThreads) {
    const int row = first + thread_index();
    if (row < P::kTileM) {
      copy_async_4(stage + L::kStageScaleA + 4 * row,
                   source.a_scale + static_cast<long long>(row) * L::kScaleBlocksK + block, row < source.tile_rows);
    }
  }
  const int column = thread_index();
  if (column < L::kTileScalesB) {
    copy_async_4(stage + L::kStageScaleB + 4 * column,
                 source.b_scale + static_cast<long long>(column) * L::kScaleBlocksK + block,
                 column < source.scale_columns);
  }
}

/// Starts the copies of part kPart of kParts of the step to `stage`, so that they spread over the arithmetic.
template <class P, int kPart, int kParts>
SINTER_DEVICE void copy_part(const Source<P>& source, U32 stage) {
  using L = Layout<P>;
  if (!source.live) return;
  constexpr int kPasses = L::kPassesA + L::kPassesB;
  const int row = thread_index() / L::kRowChunks, chunk = thread_index() % L::kRowChunks;
  const U32 to = stage + static_cast<U32>(row * L::kRowBytes + swizzle<L::kRowBytes>(row, chunk) * 16);
  const bool in_row = !L::kTailK || source.bytes_left > 0;
#pragma unroll
  for (int pass = kPasses * kPart / kParts; pass < kPasses * (kPart + 1) / kParts; ++pass) {
    const int first = pass * L::kPassRows;  // rows of B follow those of A in the stage
    if (pass < L::kPassesA) {
      copy_async_16(to + first * L::kRowBytes, source.a + first * L::kPitch, in_row && first < source.rows);
    } else {
      const int column = column_of_row<P>(first - P::kTileM);
      copy_async_16(to + first * L::kRowBytes, source.b + column * L::kPitch, in_row && column < source.columns);
    }
  }
  if constexpr (P::kBlockScales && kPart == 0) copy_scales<P>(source, stage);
}

// --- compute ---------------------------------------------------------------------------------------------------------

/// The operands of a warp for one instruction's depth.
template <class P>
struct Fragments {
  FragmentA a[Layout<P>::kFragmentsM];
  FragmentB b[Layout<P>::kFragmentsN];
};

/// The part of the tile that a warp computes.
template <class P>
struct Accumulator {
  FragmentC c[Layout<P>::kFragmentsM][Layout<P>::kFragmentsN];
};

/// What this lane knows of its place in the tile.
struct WarpPlace {
  int row, column;  ///< First of the warp's part.
  U32 a, b;         ///< Byte of the stage that this lane gives to ldmatrix, depth 0, first fragments.
};

template <class P>
SINTER_DEVICE WarpPlace place_of_warp() {
  using L = Layout<P>;
  const int lane = thread_index() % kWarpSize, warp = thread_index() / kWarpSize;
  WarpPlace place;
  place.row = warp / P::kWarpsN * L::kWarpTileM;
  place.column = warp % P::kWarpsN * L::kWarpTileN;
  const int row_a = place.row + lane % 16, chunk_a = lane / 16;
  const int row_b = place.column + lane / 16 * 8 + lane % 8, chunk_b = lane / 8 % 2;
  place.a = static_cast<U32>(row_a * L::kRowBytes + swizzle<L::kRowBytes>(row_a, chunk_a) * 16);
  place.b = static_cast<U32>(L::kStageB + row_b * L::kRowBytes + swizzle<L::kRowBytes>(row_b, chunk_b) * 16);
  return place;
}

/// Reads the fragments at `depth` of a stage. A depth is two chunks, so it only flips bits above the lane's own chunk.
template <class P>
SINTER_DEVICE void load_fragments(Fragments<P>& to, const WarpPlace& place, U32 stage, int depth) {
  using L = Layout<P>;
  const U32 a = stage + (place.a ^ static_cast<U32>(depth * 32));
  const U32 b = stage + (place.b ^ static_cast<U32>(depth * 32));
#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
    load_matrices(to.a[i][0], to.a[i][1], to.a[i][2], to.a[i][3], a + i * 16 * L::kRowBytes);
  }
#pragma unroll
  for (int j = 0; j < L::kFragmentsN; j += 2) {
    load_matrices(to.b[j][0], to.b[j][1], to.b[j + 1][0], to.b[j + 1][1], b + j * 8 * L::kRowBytes);
  }
}

/// Adds the products of e4m3 fragments to `sum` by two fp16 instructions of half the depth.
///
/// The order of K in an instruction is free as long as A and B agree: each takes half of every register's bytes.
template <class P>
SINTER_DEVICE void multiply_decoded(Accumulator<P>& sum, const Fragments<P>& in) {
  using L = Layout<P>;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    FragmentA a[L::kFragmentsM];
    FragmentB b[L::kFragmentsN];
#pragma unroll
    for (int i = 0; i < L::kFragmentsM; ++i) {
      decode_e4m3(in.a[i][2 * half], a[i][0], a[i][2]);
      decode_e4m3(in.a[i][2 * half + 1], a[i][1], a[i][3]);
    }
#pragma unroll
    for (int j = 0; j < L::kFragmentsN; ++j) decode_e4m3(in.b[j][half], b[j][0], b[j][1]);
#pragma unroll
    for (int i = 0; i < L::kFragmentsM; ++i) {
#pragma unroll
      for (int j = 0; j < L::kFragmentsN; ++j) mma_f16(sum.c[i][j], a[i], b[j]);
    }
  }
}

/// Adds the products of the fragments to `sum`.
template <class P>
SINTER_DEVICE void multiply(Accumulator<P>& sum, const Fragments<P>& in) {
  using L = Layout<P>;
  if constexpr (P::kFp8 && !kHasE4m3Mma) {
    multiply_decoded<P>(sum, in);
  } else {
#pragma unroll
    for (int i = 0; i < L::kFragmentsM; ++i) {
#pragma unroll
      for (int j = 0; j < L::kFragmentsN; ++j) {
        if constexpr (P::kFp8) {
          mma_e4m3(sum.c[i][j], in.a[i], in.b[j]);
        } else if constexpr (P::kHalf) {
          mma_f16(sum.c[i][j], in.a[i], in.b[j]);
        } else {
          mma_bf16(sum.c[i][j], in.a[i], in.b[j]);
        }
      }
    }
  }
}

/// What products of decoded e4m3 must be multiplied with.
inline constexpr float kUndoDecode = kHasE4m3Mma ? 1.0f : 1.0f / (kE4m3DecodeFactor * kE4m3DecodeFactor);

/// Scales of a step for the rows of this lane: one of A times the one of B.
template <class P>
struct Scales {
  float row[Layout<P>::kFragmentsM][2];
};

template <class P>
SINTER_DEVICE void load_scales(Scales<P>& to, const WarpPlace& place, U32 stage) {
  using L = Layout<P>;
  const int row = place.row + thread_index() % kWarpSize / 4;
  const float b = load_shared_float(stage + L::kStageScaleB + place.column / kScaleBlock * 4) * kUndoDecode;
#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
    to.row[i][0] = load_shared_float(stage + L::kStageScaleA + 4 * (row + i * 16)) * b;
    to.row[i][1] = load_shared_float(stage + L::kStageScaleA + 4 * (row + i * 16 + 8)) * b;
  }
}

/// sum += scale * part.
template <class P>
SINTER_DEVICE void add_scaled(Accumulator<P>& sum, const Accumulator<P>& part, const Scales<P>& scales) {
#pragma unroll
  for (int i = 0; i < Layout<P>::kFragmentsM; ++i) {
#pragma unroll
    for (int j = 0; j < Layout<P>::kFragmentsN; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) sum.c[i][j][e] = multiply_add(part.c[i][j][e], scales.row[i][e / 2], sum.c[i][j][e]);
    }
  }
}

/// sum += part.
template <class P>
SINTER_DEVICE void add(Accumulator<P>& sum, const Accumulator<P>& part) {
#pragma unroll
  for (int i = 0; i < Layout<P>::kFragmentsM; ++i) {
#pragma unroll
    for (int j = 0; j < Layout<P>::kFragmentsN; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) sum.c[i][j][e] += part.c[i][j][e];
    }
  }
}

// --- epilogue and store ----------------------------------------------------------------------------------------------

/// Applies the scales of fp8_token, and the bias.
template <class P>
SINTER_DEVICE void finish(Accumulator<P>& sum, const Args& args, const Tile& tile, const WarpPlace& place) {
  using L = Layout<P>;
  const int lane = thread_index() % kWarpSize;
  const int row = place.row + lane / 4, column = tile.column + place.column + lane % 4 * (2 * L::kFragmentsN);
  float row_scale[L::kFragmentsM][2];
#pragma unroll
  for (int i = 0; i < 2 * L::kFragmentsM; ++i) {
    const int inside = row + 8 * i < tile.rows ? row + 8 * i : tile.rows - 1;
    row_scale[i / 2][i % 2] = P::kTokenScales ? args.a_scale[tile.row + inside] * kUndoDecode : 1.0f;
  }
#pragma unroll
  for (int j = 0; j < L::kFragmentsN; ++j) {
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const int inside = column + 2 * j + e < P::kN ? column + 2 * j + e : P::kN - 1;
      const long long at = static_cast<long long>(tile.group) * P::kN + inside;
      float scale = 1, bias = 0;
      if constexpr (P::kTokenScales) scale = args.b_scale[at];
      if constexpr (P::kBias) {
        const U16 bits = static_cast<const U16*>(args.bias)[at];
        bias = P::kHalf ? f16_float(bits) : bits_float(static_cast<U32>(bits) << 16);
      }
#pragma unroll
      for (int i = 0; i < L::kFragmentsM; ++i) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          float& value = sum.c[i][j][2 * half + e];
          if constexpr (P::kTokenScales) value *= row_scale[i][half] * scale;
          if constexpr (P::kBias) value += bias;
        }
      }
    }
  }
}

/// Two neighbours in a row of D.
template <class P>
SINTER_DEVICE U32 rounded(float low, float high) {
  return P::kHalf ? f16x2(low, high) : bf16x2(low, high);
}

template <class P>
SINTER_DEVICE void store_tile(void* d, const Accumulator<P>& sum, const Tile& tile, const WarpPlace& place) {
  using L = Layout<P>;
  const int lane = thread_index() % kWarpSize;
  const int first_row = place.row + lane / 4;
  const int column = tile.column + place.column + lane % 4 * (2 * L::kFragmentsN);
  U16* const to = static_cast<U16*>(d) + (static_cast<long long>(tile.row) + first_row) * P::kN + column;
#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = i * 16 + half * 8;
      if (first_row + row >= tile.rows) continue;
#pragma unroll
      for (int j = 0; j < L::kFragmentsN; j += 4) {
        if (column + 2 * j >= P::kN) continue;
        const auto& c = sum.c[i];
        *reinterpret_cast<Vec16*>(to + static_cast<long long>(row) * P::kN + 2 * j) = {
            rounded<P>(c[j][2 * half], c[j][2 * half + 1]), rounded<P>(c[j + 1][2 * half], c[j + 1][2 * half + 1]),
            rounded<P>(c[j + 2][2 * half], c[j + 2][2 * half + 1]),
            rounded<P>(c[j + 3][2 * half], c[j + 3][2 * half + 1])};
      }
    }
  }
}

// --- the kernel ------------------------------------------------------------------------------------------------------

/// The ring of stages, as shared-memory addresses.
template <class P>
SINTER_DEVICE U32 next_stage(U32 stage, U32 ring) {
  const U32 next = stage + Layout<P>::kStageBytes;
  return next == ring + P::kStages * Layout<P>::kStageBytes ? ring : next;
}

/// State of the pipeline between steps.
template <class P>
struct Pipeline {
  U32 ring, read, fill;  ///< Stages: the first, the one that is multiplied, the one that is filled.
  Source<P> source;
  Fragments<P> fragments[2];  ///< Of the depth that is multiplied and of the next.
};

template <class P, int kDepth>
SINTER_DEVICE void run_depth(Pipeline<P>& pipe, Accumulator<P>& sum, const WarpPlace& place, const GroupTable& table,
                             const Args& args) {
  using L = Layout<P>;
  constexpr bool kLast = kDepth == L::kDepths - 1;
  if constexpr (kLast) {
    // The last fragments of this stage have been read: once every warp is here it may be filled again, and the next
    // stage has arrived for all.
    copy_async_wait<P::kStages - 2>();
    barrier();
    pipe.read = next_stage<P>(pipe.read, pipe.ring);
  }
  load_fragments<P>(pipe.fragments[(kDepth + 1) % 2], place, pipe.read, kLast ? 0 : kDepth + 1);
  if constexpr (!kLast) copy_part<P, kDepth, L::kDepths - 1>(pipe.source, pipe.fill);
  if constexpr (kDepth == L::kDepths - 2) {
    copy_async_commit();
    pipe.fill = next_stage<P>(pipe.fill, pipe.ring);
    advance<P>(pipe.source, table, args);
  }
  multiply<P>(sum, pipe.fragments[kDepth % 2]);
  if constexpr (!kLast) run_depth<P, kDepth + 1>(pipe, sum, place, table, args);
}

template <class P>
SINTER_DEVICE void run(const Args& args) {
  using L = Layout<P>;
  extern __shared__ Vec16 sinter_shared[];
  U8* const shared = reinterpret_cast<U8*>(sinter_shared);
  GroupTable table;
  table.row = reinterpret_cast<int*>(shared + L::kTable);
  table.tile = table.row + P::kGroups + 1;
  build_group_table<P>(table, args, table.tile + P::kGroups + 1);

  const WarpPlace place = place_of_warp<P>();
  Pipeline<P> pipe;
  pipe.ring = pipe.read = pipe.fill = shared_address(shared);
  pipe.source.cursor = first_tile<P>();
  begin_tile(pipe.source, table, args);
#pragma unroll 1
  for (int stage = 0; stage < P::kStages - 1; ++stage) {
    copy_part<P, 0, 1>(pipe.source, pipe.fill);
    copy_async_commit();
    pipe.fill = next_stage<P>(pipe.fill, pipe.ring);
    advance<P>(pipe.source, table, args);
  }
  copy_async_wait<P::kStages - 2>();
  barrier();
  load_fragments<P>(pipe.fragments[0], place, pipe.read, 0);

  for (TileCursor cursor = first_tile<P>(); is_tile<P>(cursor, table); cursor = next_tile<P>(cursor)) {
    Accumulator<P> sum = {};
#pragma unroll 1
    for (int step = 0; step < L::kSteps; ++step) {
      if constexpr (P::kBlockScales) {
        Accumulator<P> part = {};
        Scales<P> scales;
        load_scales<P>(scales, place, pipe.read);
        run_depth<P, 0>(pipe, part, place, table, args);
        add_scaled<P>(sum, part, scales);
      } else if constexpr (P::kTokenScales && kHasE4m3Mma) {
        Accumulator<P> part = {};
        run_depth<P, 0>(pipe, part, place, table, args);
        add<P>(sum, part);
      } else {
        run_depth<P, 0>(pipe, sum, place, table, args);
      }
    }
    const Tile tile = find_tile<P>(cursor, table);
    if constexpr (P::kTokenScales || P::kBias) finish<P>(sum, args, tile, place);
    store_tile<P>(args.d, sum, tile, place);
  }
  copy_async_wait<0>();
}

}  // namespace sinter
