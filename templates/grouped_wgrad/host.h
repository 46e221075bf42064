// SPDX-License-Identifier: Apache-2.0
#pragma once

// The gradient of a grouped GEMM's weights on the host CPU.
//
// One work item is a tile of dW: kTileM rows by kTileN columns of one group. Registers hold kMicroM x kMicroVectors
// vectors of sums while all rows of the group go by: a row gives kMicroM values of dY, each for a whole vector, and
// kMicroVectors vectors of X. Every element is one fp32 chain over the group's rows in ascending order.

#include "grouped_wgrad/args.h"
#include "sinter_device/host.h"

namespace sinter {

using Args = GroupedWgradArgs;

// 6 x 4 vectors leave 8 of AVX-512's 32 registers for operands, 6 x 2 leave 4 of AVX2's 16.
inline constexpr int kMicroM = 6;
inline constexpr int kMicroVectors = kVectorBytes == 64 ? 4 : 2;

/// A part of dW: kRows rows and kVectors vectors of kWidth columns from `row` and `column` on.
struct Part {
  int group;
  long long first, end;  ///< Rows of dY and X.
  int row, column;
};

/// kWidth elements of 16 bits as fp32.
template <class P, int kWidth>
SINTER_DEVICE Vec<float, kWidth> load_row(const U16* from) {
  if constexpr (P::kHalf) {
    return __builtin_convertvector(load<Vec<_Float16, kWidth>>(from), Vec<float, kWidth>);
  } else {
    using Wide = Vec<U32, kWidth>;
    return bits<Vec<float, kWidth>>(__builtin_convertvector(load<Vec<U16, kWidth>>(from), Wide) << 16);
  }
}

template <class P>
SINTER_DEVICE float load_value(const U16* from) {
  if constexpr (P::kHalf) {
    return static_cast<float>(__builtin_bit_cast(_Float16, *from));
  } else {
    return __builtin_bit_cast(float, static_cast<U32>(*from) << 16);
  }
}

/// kWidth sums to dW.
template <class P, int kWidth>
SINTER_DEVICE void store_row(void* dw, long long at, Vec<float, kWidth> sum) {
  if constexpr (P::kFloat) {
    float* const to = static_cast<float*>(dw) + at;
    store(to, P::kAdd ? load<Vec<float, kWidth>>(to) + sum : sum);
  } else {
    U16* const to = static_cast<U16*>(dw) + at;
    if constexpr (P::kHalf) {
      store(to, __builtin_convertvector(sum, Vec<_Float16, kWidth>));
    } else if constexpr (kWidth == kLanes) {
      store(to, f32_to_bf16(sum));
    } else {
      const VecF32 wide = __builtin_shufflevector(sum, sum, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
      store(to, __builtin_shufflevector(f32_to_bf16(wide), f32_to_bf16(wide), 0, 1, 2, 3, 4, 5, 6, 7));
    }
  }
}

template <class P>
SINTER_DEVICE void* matrix_dw(const Args& args, int group) {
  if constexpr (P::kSeparate) {
    return static_cast<void* const*>(args.dw)[group];
  } else {
    constexpr long long kBytes = static_cast<long long>(P::kN) * P::kK * (P::kFloat ? 4 : 2);
    return static_cast<U8*>(args.dw) + group * kBytes;
  }
}

template <class P, int kRows, int kVectors, int kWidth>
SINTER_DEVICE void compute_part(const Args& args, const Part& part) {
  using V = Vec<float, kWidth>;
  const U16* const dy = static_cast<const U16*>(args.dy) + part.row;
  const U16* const x = static_cast<const U16*>(args.x) + part.column;
  V sum[kRows][kVectors];
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
#pragma unroll
    for (int j = 0; j < kVectors; ++j) sum[i][j] = V(0.0f);
  }
#pragma nounroll
  for (long long row = part.first; row < part.end; ++row) {
    V columns[kVectors];
#pragma unroll
    for (int j = 0; j < kVectors; ++j) columns[j] = load_row<P, kWidth>(x + row * P::kK + j * kWidth);
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const V value = V(load_value<P>(dy + row * P::kN + i));
#pragma unroll
      for (int j = 0; j < kVectors; ++j) sum[i][j] = __builtin_elementwise_fma(value, columns[j], sum[i][j]);
    }
  }
  void* const dw = matrix_dw<P>(args, part.group);
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
#pragma unroll
    for (int j = 0; j < kVectors; ++j) {
      const long long at = static_cast<long long>(part.row + i) * P::kK + part.column + j * kWidth;
      store_row<P, kWidth>(dw, at, sum[i][j]);
    }
  }
}

/// All columns of the tile for kRows rows of it.
template <class P, int kRows>
SINTER_DEVICE void compute_rows(const Args& args, Part part, int columns) {
  const int end = part.column + columns;
  constexpr int kMicroN = kMicroVectors * kLanes;
  for (; part.column + kMicroN <= end; part.column += kMicroN) compute_part<P, kRows, kMicroVectors, kLanes>(args, part);
  for (; part.column + kLanes <= end; part.column += kLanes) compute_part<P, kRows, 1, kLanes>(args, part);
  if constexpr (kLanes > 8 && P::kK % kLanes != 0) {
    if (part.column < end) compute_part<P, kRows, 1, 8>(args, part);
  }
}

template <class P>
SINTER_DEVICE void compute_tile(const Args& args, Part part) {
  static_assert(P::kN % 8 == 0 && P::kK % 8 == 0, "rows of X are whole pieces of 8 columns");
  const int rows = P::kN - part.row < P::kTileM ? P::kN - part.row : P::kTileM;
  const int columns = P::kK - part.column < P::kTileN ? P::kK - part.column : P::kTileN;
  const int end = part.row + rows;
  for (; part.row + kMicroM <= end; part.row += kMicroM) compute_rows<P, kMicroM>(args, part, columns);
  for (; part.row < end; ++part.row) compute_rows<P, 1>(args, part, columns);
}

/// Tiles are numbered group by group. A block takes tiles `index`, `index + count`, ...
template <class P>
SINTER_DEVICE void run(const Args& args, const HostBlock& block) {
  constexpr long long kColumnTiles = (P::kK + P::kTileN - 1) / P::kTileN;
  constexpr long long kTiles = (P::kN + P::kTileM - 1) / P::kTileM * kColumnTiles;
  long long next = block.index;  // this block's next tile, counted from the group's first one
  long long begin = 0;
  for (int group = 0; group <= P::kGroups; ++group) {
    // The offsets are data: clamped and made non-decreasing before they become addresses.
    long long end = args.row_offsets[group];
    end = end > args.rows ? args.rows : end;
    end = end < begin ? begin : end;
    if (group > 0) {
      const bool has_tiles = !P::kAdd || begin < end;
      for (; has_tiles && next < kTiles; next += block.count) {
        const auto row = static_cast<int>(next / kColumnTiles) * P::kTileM;
        const auto column = static_cast<int>(next % kColumnTiles) * P::kTileN;
        compute_tile<P>(args, Part{group - 1, begin, end, row, column});
      }
      if (has_tiles) next -= kTiles;
    }
    begin = end;
  }
}

}  // namespace sinter
