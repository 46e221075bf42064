// SPDX-License-Identifier: Apache-2.0
#pragma once

// Grouped GEMM on AMD's matrix cores (gfx90a, gfx942, gfx950).
//
// A block of four waves computes a tile of D: kTileM rows of one group by kTileN columns. Per step of kTileK, both
// operands go from memory through registers to LDS, the next step's loads being in flight while the matrix cores work
// on this one. The tile is computed transposed (rows of the matrix instruction are columns of D), so a lane holds one
// row of D: the scale of that row is one register, and four neighbouring columns are stored together.
//
// Grid: one block per tile, at most kMaxBlocks; the launch computes it from `rows` and may be larger than the number of
// tiles, never smaller. Blocks are not persistent because the hardware's dispatcher balances ragged tiles better than a
// fixed stride, and because the stride would have to come from a hidden argument or from the dispatch packet.

#include "grouped_gemm/amd_schedule.h"
#include "grouped_gemm/args.h"
#include "sinter_device/amd.h"
#include "sinter_device/amd_fp8.h"
#include "sinter_device/amd_mfma.h"
#include "sinter_device/amd_vskip.h"

namespace sinter {

using Args = GroupedGemmArgs;

// --- assumptions and shared-memory layout ----------------------------------------------------------------------------

inline constexpr int kScaleBlock = 128;
inline constexpr int kPieceBytes = 16;
inline constexpr int kFragmentRows = 32;

/// Everything that follows from the parameters.
template <class P>
struct Layout {
#if defined(__gfx90a__)
  static constexpr bool kDecode = P::kFp8;  ///< LDS holds bf16.
#else
  static constexpr bool kDecode = false;
#endif
  static constexpr MatrixType kType = P::kFp8 && !kDecode ? MatrixType::kFp8
                                      : !P::kFp8 && P::kHalf ? MatrixType::kF16
                                                             : MatrixType::kBf16;
  static constexpr int kElementBytes = P::kFp8 ? 1 : 2;
  static constexpr int kRowBytes = P::kK * kElementBytes;       ///< A row of A or B.
  static constexpr int kStepBytes = P::kTileK * kElementBytes;  ///< Of it, one step.
  static constexpr int kSteps = (P::kK + P::kTileK - 1) / P::kTileK;
  static constexpr int kLastStepBytes = kRowBytes - (kSteps - 1) * kStepBytes;
  static constexpr int kRowPieces = kStepBytes / kPieceBytes;  ///< Pieces in memory of one row and step.
  static constexpr int kExpand = kDecode ? 2 : 1;              ///< LDS pieces made of one.
  static constexpr int kLdsRowBytes = kStepBytes * kExpand;

  static constexpr U32 kColumnTiles = (P::kN + P::kTileN - 1) / P::kTileN;
  static constexpr int kWaves = P::kThreads / kWaveSize;
  static constexpr int kWavesN = kWaves / P::kWavesM;
  static constexpr int kWaveM = P::kTileM / P::kWavesM;  ///< Rows of D per wave.
  static constexpr int kWaveN = P::kTileN / kWavesN;
  static constexpr int kFragmentsM = kWaveM / kFragmentRows;
  static constexpr int kFragmentsN = kWaveN / kFragmentRows;
  static constexpr int kLanePieces = kPiecesPerLane<kType>;
  static constexpr int kFragmentsK = kLdsRowBytes / (2 * kLanePieces * kPieceBytes);  ///< Instruction groups per step.

  static constexpr int kScaleBlocksK = (P::kK + kScaleBlock - 1) / kScaleBlock;
  static constexpr int kScaleBlocksN = (P::kN + kScaleBlock - 1) / kScaleBlock;

  // LDS: kStages copies of {A [kTileM, kLdsRowBytes], B [kTileN, kLdsRowBytes]}. Before the first step it holds the
  // schedule's ints, after the last a slab of D [kSlabRows, kSlabRowBytes], 32 rows of each row of waves.
  static constexpr int kStageBytes = (P::kTileM + P::kTileN) * kLdsRowBytes;
  static constexpr int kSlabRows = kFragmentRows * P::kWavesM;
  // 8 bytes more than the row: the 16 lanes that store 8 bytes each in one cycle then meet all 32 banks.
  static constexpr int kSlabRowBytes = P::kTileN * 2 + 8;
  static constexpr int kTileBytes = P::kStages * kStageBytes;
  static constexpr int kSlabBytes = kSlabRows * kSlabRowBytes;
  static constexpr int kSharedBytes = kTileBytes > kSlabBytes ? kTileBytes : kSlabBytes;

  static_assert(P::kThreads == 256, "four waves, one per SIMD");
  static_assert(!P::kTransposedB && !P::kSwiglu, "this body reads B as [N, K] and has no swiglu");
  static_assert(P::kN % 8 == 0, "N is a multiple of 8: four neighbouring columns exist or not together");
  static_assert(kRowBytes % kPieceBytes == 0, "rows of A and B are whole 16-byte pieces");
  static_assert(P::kTileM % (kFragmentRows * P::kWavesM) == 0, "a wave's rows are whole fragments");
  static_assert(P::kTileN % (kFragmentRows * kWavesN) == 0, "a wave's columns are whole fragments");
  static_assert(P::kTileM * kRowPieces % P::kThreads == 0 && P::kTileN * kRowPieces % P::kThreads == 0,
                "every thread loads the same number of pieces");
  static_assert(kLdsRowBytes == 64 || kLdsRowBytes == 128 || kLdsRowBytes == 256, "the swizzle knows these rows");
  static_assert(kFragmentsK * 2 * kLanePieces * kPieceBytes == kLdsRowBytes, "a step is whole instruction groups");
  static_assert(!P::kBlockScales || kScaleBlock % P::kTileK == 0, "a step has one scale");
  static_assert(kScaleBlock % kWaveN == 0, "the columns of a wave share one scale of B");
  static_assert(P::kTileN % kWaveSize == 0 && P::kTileN <= 4 * kWaveSize, "64 lanes store one row of the tile");
  static_assert(static_cast<long long>(P::kTileM > P::kTileN ? P::kTileM : P::kTileN) * kRowBytes < (1ll << 31),
                "offsets inside a tile's operand are 32 bits");
  static_assert(kSharedBytes >= kScheduleInts * static_cast<int>(sizeof(int)),
                "the schedule fits where the tile will be");
  static_assert(kSharedBytes == P::kSharedBytes, "the plan's LDS is this layout");
};

/// Byte of piece `piece` of row `row` in an operand in LDS.
///
/// Pieces are permuted within rows so that 8 rows of equal piece, which is what 8 lanes read at once, lie in 8
/// different places modulo the 128 bytes of the 32 banks; padding would do the same but costs up to a quarter more LDS.
template <class P>
SINTER_DEVICE int swizzled(int row, int piece) {
  constexpr int kLdsRowBytes = Layout<P>::kLdsRowBytes;
  const int permuted = kLdsRowBytes == 64 ? piece ^ ((row >> 1) & 3) : piece ^ (row & 7);
  return row * kLdsRowBytes + permuted * kPieceBytes;
}

// --- load ------------------------------------------------------------------------------------------------------------

/// This thread's share of kRows rows of an operand: piece t, t + kThreads, ... in row-major order.
template <class P, int kRows>
struct Share {
  static constexpr int kPieces = kRows * Layout<P>::kRowPieces / P::kThreads;
  static constexpr int kRowsApart = P::kThreads / Layout<P>::kRowPieces;  ///< Rows between two pieces of a thread.
  U32 offset[kPieces];  ///< In the operand, from the tile's first row.
  U32x4 data[kPieces];
};

/// Rows at and beyond `rows` read the last row: it is in memory, and its results are not stored.
template <class P, int kRows>
SINTER_DEVICE void locate(Share<P, kRows>& share, int rows) {
  using L = Layout<P>;
  const int row = thread_index() / L::kRowPieces, piece = thread_index() % L::kRowPieces;
#pragma unroll
  for (int i = 0; i < share.kPieces; ++i) {
    share.offset[i] = static_cast<U32>(min(row + i * share.kRowsApart, rows - 1) * L::kRowBytes + piece * kPieceBytes);
  }
}

/// Starts loading a step; `from` is its first byte in the tile's first row. The last step may be short: the rest is
/// zero in both operands, because garbage times zero need not be zero.
template <class P, int kRows>
SINTER_DEVICE void load(Share<P, kRows>& share, Global<const U8>* from, bool last) {
  using L = Layout<P>;
  if (L::kLastStepBytes == L::kStepBytes || !last) {
#pragma unroll
    for (int i = 0; i < share.kPieces; ++i) {
      forget(share.offset[i]);
      share.data[i] = *reinterpret_cast<Global<const U32x4>*>(from + share.offset[i]);
    }
    return;
  }
  const bool inside = thread_index() % L::kRowPieces * kPieceBytes < L::kLastStepBytes;
#pragma unroll
  for (int i = 0; i < share.kPieces; ++i) share.data[i] = U32x4{0, 0, 0, 0};
  if (inside) {
#pragma unroll
    for (int i = 0; i < share.kPieces; ++i) {
      forget(share.offset[i]);
      share.data[i] = *reinterpret_cast<Global<const U32x4>*>(from + share.offset[i]);
    }
  }
}

/// Writes the loaded pieces to an operand in LDS, as the matrix instruction wants them.
template <class P, int kRows>
SINTER_DEVICE void store_shared(const Share<P, kRows>& share, U8* operand) {
  using L = Layout<P>;
  const int row = thread_index() / L::kRowPieces, piece = thread_index() % L::kRowPieces;
#pragma unroll
  for (int i = 0; i < share.kPieces; ++i) {
    const U32x4 data = share.data[i];
    // kRowsApart is a multiple of what the swizzle looks at, so this is a constant distance from the first.
    U8* to = operand + i * share.kRowsApart * L::kLdsRowBytes;
    static_assert(Share<P, kRows>::kRowsApart % 8 == 0, "the swizzle repeats every 8 rows");
    if constexpr (L::kDecode) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const U32 low = data[2 * half], high = data[2 * half + 1];
        *reinterpret_cast<U32x4*>(to + swizzled<P>(row, 2 * piece + half)) =
            U32x4{e4m3_to_bf16x2(low), e4m3_to_bf16x2(low >> 16), e4m3_to_bf16x2(high), e4m3_to_bf16x2(high >> 16)};
      }
    } else if constexpr (P::kFp8) {
      *reinterpret_cast<U32x4*>(to + swizzled<P>(row, piece)) =
          U32x4{clean_e4m3(data[0]), clean_e4m3(data[1]), clean_e4m3(data[2]), clean_e4m3(data[3])};
    } else {
      *reinterpret_cast<U32x4*>(to + swizzled<P>(row, piece)) = data;
    }
  }
}

/// Scales of fp8_block, of one step: of this lane's row in each fragment, and of the wave's columns.
template <class P>
struct Scales {
  float row[Layout<P>::kFragmentsM];
  float column;
};

/// Where they are: 32-bit byte offsets of this lane's rows, from the tile's first row.
template <class P>
struct ScaleSource {
  Global<const U8>* a;
  Global<const float>* b;
  U32 row_offset[Layout<P>::kFragmentsM];
};

template <class P>
SINTER_DEVICE ScaleSource<P> locate_scales(const Args& args, const Tile& tile, int wave_m, int wave_n) {
  using L = Layout<P>;
  ScaleSource<P> source;
  source.a = reinterpret_cast<Global<const U8>*>((Global<const float>*)args.a_scale +
                                                 static_cast<long long>(tile.row) * L::kScaleBlocksK);
  const int block = min((tile.column + wave_n) / kScaleBlock, L::kScaleBlocksN - 1);
  source.b = (Global<const float>*)args.b_scale +
             (static_cast<long long>(tile.group) * L::kScaleBlocksN + block) * L::kScaleBlocksK;
#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
    const int row = min(wave_m + i * kFragmentRows + thread_index() % kFragmentRows, tile.rows - 1);
    source.row_offset[i] = static_cast<U32>(row * L::kScaleBlocksK) * sizeof(float);
  }
  return source;
}

template <class P>
SINTER_DEVICE void load_scales(Scales<P>& scales, ScaleSource<P>& source, int step) {
  using L = Layout<P>;
  const int block = step * P::kTileK / kScaleBlock;
  Global<const U8>* a = source.a + block * static_cast<int>(sizeof(float));
#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
    forget(source.row_offset[i]);
    scales.row[i] = *reinterpret_cast<Global<const float>*>(a + source.row_offset[i]);
  }
  scales.column = source.b[block] * kFp8ProductScale;
}

// --- compute ---------------------------------------------------------------------------------------------------------

/// fp32 sums of a wave: [i][j] is 32 rows by 32 columns of D, transposed (amd_mfma.h).
template <class P>
struct Sums {
  F32x16 value[Layout<P>::kFragmentsM][Layout<P>::kFragmentsN];
};

/// Where a lane reads fragments: byte of its pieces in the first fragment's rows, for each instruction group.
template <class P>
struct FragmentSource {
  int offset[Layout<P>::kFragmentsK][Layout<P>::kLanePieces];
};

template <class P>
SINTER_DEVICE FragmentSource<P> locate_fragments() {
  using L = Layout<P>;
  const int lane = thread_index() % kWaveSize, row = lane % kFragmentRows, half = lane / kFragmentRows;
  FragmentSource<P> source;
#pragma unroll
  for (int k = 0; k < L::kFragmentsK; ++k) {
#pragma unroll
    for (int p = 0; p < L::kLanePieces; ++p) {
      source.offset[k][p] = swizzled<P>(row, 2 * (k * L::kLanePieces + p) + half);
    }
  }
  return source;
}

template <class P>
SINTER_DEVICE void read_fragment(Fragment<Layout<P>::kType>& fragment, const FragmentSource<P>& source, const U8* rows,
                                 int k) {
#pragma unroll
  for (int p = 0; p < Layout<P>::kLanePieces; ++p) {
    fragment.piece[p] = *reinterpret_cast<const U32x4*>(rows + source.offset[k][p]);
  }
}

/// Adds one step: operands `a` and `b` are the wave's rows in LDS.
template <class P>
SINTER_DEVICE void multiply_step(Sums<P>& sums, const FragmentSource<P>& source, const U8* a, const U8* b) {
  using L = Layout<P>;
#pragma unroll
  for (int k = 0; k < L::kFragmentsK; ++k) {
    Fragment<L::kType> x[L::kFragmentsN], y[L::kFragmentsM];
#pragma unroll
    for (int j = 0; j < L::kFragmentsN; ++j) read_fragment<P>(x[j], source, b + j * kFragmentRows * L::kLdsRowBytes, k);
#pragma unroll
    for (int i = 0; i < L::kFragmentsM; ++i) read_fragment<P>(y[i], source, a + i * kFragmentRows * L::kLdsRowBytes, k);
#pragma unroll
    for (int i = 0; i < L::kFragmentsM; ++i) {
#pragma unroll
      for (int j = 0; j < L::kFragmentsN; ++j) multiply_add(sums.value[i][j], x[j], y[i]);
    }
  }
}

/// Adds one step of fp8_block: its sum, then times the scales in fp32. Only one fragment's sum is alive at a time.
template <class P>
SINTER_DEVICE void multiply_step_scaled(Sums<P>& sums, const FragmentSource<P>& source, const U8* a, const U8* b,
                                        const Scales<P>& scales) {
  using L = Layout<P>;
  Fragment<L::kType> x[L::kFragmentsN][L::kFragmentsK];
#pragma unroll
  for (int j = 0; j < L::kFragmentsN; ++j) {
#pragma unroll
    for (int k = 0; k < L::kFragmentsK; ++k) {
      read_fragment<P>(x[j][k], source, b + j * kFragmentRows * L::kLdsRowBytes, k);
    }
  }
#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
    Fragment<L::kType> y[L::kFragmentsK];
#pragma unroll
    for (int k = 0; k < L::kFragmentsK; ++k) read_fragment<P>(y[k], source, a + i * kFragmentRows * L::kLdsRowBytes, k);
    const float scale = scales.row[i] * scales.column;
#pragma unroll
    for (int j = 0; j < L::kFragmentsN; ++j) {
      F32x16 step = F32x16(0.0f);
#pragma unroll
      for (int k = 0; k < L::kFragmentsK; ++k) multiply_add(step, x[j][k], y[k]);
#pragma unroll
      for (int r = 0; r < 16; ++r) sums.value[i][j][r] = __builtin_fmaf(step[r], scale, sums.value[i][j][r]);
    }
  }
}

/// The matrix of a group.
template <class P>
SINTER_DEVICE Global<const U8>* matrix_b(const Args& args, int group) {
  if constexpr (P::kSeparateB) {
    return uniform(reinterpret_cast<Global<U8>*>(((Global<const U64>*)args.b)[group]));
  } else {
    return (Global<const U8>*)args.b + static_cast<long long>(group) * P::kN * Layout<P>::kRowBytes;
  }
}

/// Computes a tile into `sums`. All threads; ends with a barrier, so the LDS is free.
template <class P>
SINTER_DEVICE void compute(Sums<P>& sums, const Args& args, const Tile& tile, U8* lds, int wave_m, int wave_n) {
  using L = Layout<P>;
  Global<const U8>* a = (Global<const U8>*)args.a + static_cast<long long>(tile.row) * L::kRowBytes;
  Global<const U8>* b = matrix_b<P>(args, tile.group) + static_cast<long long>(tile.column) * L::kRowBytes;
  Share<P, P::kTileM> share_a;
  Share<P, P::kTileN> share_b;
  locate(share_a, min(tile.rows, P::kTileM));
  locate(share_b, min(P::kN - tile.column, P::kTileN));
  const FragmentSource<P> fragments = locate_fragments<P>();
  ScaleSource<P> scale_source;
  Scales<P> scales, next_scales;
  if constexpr (P::kBlockScales) scale_source = locate_scales<P>(args, tile, wave_m, wave_n);

#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
#pragma unroll
    for (int j = 0; j < L::kFragmentsN; ++j) sums.value[i][j] = F32x16(0.0f);
  }

  load(share_a, a, L::kSteps == 1);
  load(share_b, b, L::kSteps == 1);
  if constexpr (P::kBlockScales) load_scales<P>(scales, scale_source, 0);
  store_shared(share_a, lds);
  store_shared(share_b, lds + P::kTileM * L::kLdsRowBytes);
  block_barrier();

  U8* stage = lds;
#pragma unroll 1  // Unrolled, the scheduler fills the registers with loads of later steps.
  for (int step = 0; step < L::kSteps; ++step) {
    const bool more = step + 1 < L::kSteps;
    if (more) {
      a += L::kStepBytes;
      b += L::kStepBytes;
      load(share_a, a, step + 2 == L::kSteps);
      load(share_b, b, step + 2 == L::kSteps);
      if constexpr (P::kBlockScales) load_scales<P>(next_scales, scale_source, step + 1);
      schedule_barrier();  // Else they are scheduled just before their use, and nothing hides their latency.
    }
    const U8* wave_a = stage + wave_m * L::kLdsRowBytes;
    const U8* wave_b = stage + (P::kTileM + wave_n) * L::kLdsRowBytes;
    if constexpr (P::kBlockScales) {
      multiply_step_scaled<P>(sums, fragments, wave_a, wave_b, scales);
    } else {
      multiply_step<P>(sums, fragments, wave_a, wave_b);
    }
    if (more) {
      if constexpr (P::kStages == 1) {
        block_barrier();  // All waves have read the only stage.
      } else {
        // The other stage was read a step ago, before the last barrier.
        stage = stage == lds ? lds + L::kStageBytes : lds;
      }
      store_shared(share_a, stage);
      store_shared(share_b, stage + P::kTileM * L::kLdsRowBytes);
      if constexpr (P::kBlockScales) scales = next_scales;
    }
    block_barrier();
  }
}

// --- epilogue and store ----------------------------------------------------------------------------------------------

/// One lane's part of a row of the tile.
template <int kBytes>
struct LaneValue;
template <>
struct LaneValue<2> {
  using Type = U16;
};
template <>
struct LaneValue<4> {
  using Type = U32;
};
template <>
struct LaneValue<8> {
  using Type = U64;
};

/// Applies the scales of fp8_token, and the bias.
template <class P>
SINTER_DEVICE void finish(Sums<P>& sums, const Args& args, const Tile& tile, int wave_m, int wave_n) {
  using L = Layout<P>;
  const int lane = thread_index() % kWaveSize, half = lane / kFragmentRows;
  float row_scale[L::kFragmentsM];
#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
    const int row = tile.row + min(wave_m + i * kFragmentRows + lane % kFragmentRows, tile.rows - 1);
    row_scale[i] = P::kTokenScales ? ((Global<const float>*)args.a_scale)[row] * kFp8ProductScale : 1.0f;
  }
  const long long first = static_cast<long long>(tile.group) * P::kN;
#pragma unroll
  for (int j = 0; j < L::kFragmentsN; ++j) {
#pragma unroll
    for (int r = 0; r < 16; ++r) {
      const int column = min(tile.column + wave_n + j * kFragmentRows + 8 * (r / 4) + 4 * half + r % 4, P::kN - 1);
      float scale = 1, bias = 0;
      if constexpr (P::kTokenScales) scale = ((Global<const float>*)args.b_scale)[first + column];
      if constexpr (P::kBias) {
        const U16 bits = ((Global<const U16>*)args.bias)[first + column];
        bias = P::kHalf ? f16_to_f32(bits) : bf16_to_f32(bits);
      }
#pragma unroll
      for (int i = 0; i < L::kFragmentsM; ++i) {
        float value = sums.value[i][j][r];
        if constexpr (P::kTokenScales) value *= row_scale[i] * scale;
        if constexpr (P::kBias) value += bias;
        sums.value[i][j][r] = value;
      }
    }
  }
}

/// Rounds to D's type.
template <class P>
SINTER_DEVICE U32 rounded(float value) {
  return P::kHalf ? f32_to_f16(value) : f32_to_bf16(value);
}

/// Rounds the sums and stores them, slab by slab, through LDS: a store instruction writes one row.
template <class P>
SINTER_DEVICE void store_tile(const Sums<P>& sums, const Args& args, const Tile& tile, U8* lds, int wave, int wave_m,
                              int wave_n) {
  using L = Layout<P>;
  constexpr int kRowsPerWave = L::kSlabRows / L::kWaves;
  constexpr int kLaneColumns = P::kTileN / kWaveSize;
  using Value = typename LaneValue<kLaneColumns * 2>::Type;
  const int lane = thread_index() % kWaveSize, half = lane / kFragmentRows;
  const int slab_wave_row = wave_m / L::kWaveM * kFragmentRows;  // Of the slab, this wave's first row when computing,
  const int slab_row = wave * kRowsPerWave;                      // and when storing.
  const int store_row = slab_row / kFragmentRows * L::kWaveM + slab_row % kFragmentRows;
  constexpr long long kStride = P::kN * 2ll;
  Global<U8>* d = (Global<U8>*)args.d + static_cast<long long>(tile.row + store_row) * kStride + tile.column * 2ll;

#pragma unroll
  for (int i = 0; i < L::kFragmentsM; ++i) {
    U8* row = lds + (slab_wave_row + lane % kFragmentRows) * L::kSlabRowBytes + (wave_n + 4 * half) * 2;
#pragma unroll
    for (int j = 0; j < L::kFragmentsN; ++j) {
#pragma unroll
      for (int r = 0; r < 16; r += 4) {
        const F32x16 v = sums.value[i][j];
        const U32 low = rounded<P>(v[r]) | (rounded<P>(v[r + 1]) << 16);
        const U32 high = rounded<P>(v[r + 2]) | (rounded<P>(v[r + 3]) << 16);
        *reinterpret_cast<U32x2*>(row + (j * kFragmentRows + 2 * r) * 2) = U32x2{low, high};
      }
    }
    block_barrier();
    Value values[kRowsPerWave];
#pragma unroll
    for (int r = 0; r < kRowsPerWave; ++r) {
      values[r] = *reinterpret_cast<const Value*>(lds + (slab_row + r) * L::kSlabRowBytes + lane * kLaneColumns * 2);
    }
    const int valid = tile.rows - store_row - i * kFragmentRows;
    if (tile.column + lane * kLaneColumns < P::kN) {
      const U32 offset = static_cast<U32>(lane * kLaneColumns * 2);
      store_rows<P::kVskip>(valid, d + i * kFragmentRows * kStride, kStride, offset, values);
    }
    block_barrier();  // The slab is read.
  }
}

template <class P>
SINTER_DEVICE void run(const Args& args) {
  using L = Layout<P>;
  __shared__ __attribute__((aligned(16))) U8 lds[L::kSharedBytes];
  const int wave = uniform(thread_index() / kWaveSize);
  const int wave_m = wave / L::kWavesN * L::kWaveM, wave_n = wave % L::kWavesN * L::kWaveN;
  for (TileIndex index = first_tile<L::kColumnTiles>();; index = next_tile<L::kColumnTiles, P::kMaxBlocks>(index)) {
    Tile tile;
    if (!find_tile<P>(index, (Global<const int>*)args.row_offsets, static_cast<int>(args.rows),
                      reinterpret_cast<int*>(lds), tile)) {
      return;
    }
    Sums<P> sums;
    compute<P>(sums, args, tile, lds, wave_m, wave_n);
    if constexpr (P::kTokenScales || P::kBias) finish<P>(sums, args, tile, wave_m, wave_n);
    store_tile<P>(sums, args, tile, lds, wave, wave_m, wave_n);
  }
}

}  // namespace sinter
