// SPDX-License-Identifier: Apache-2.0
#pragma once

// What matrix instructions share: where lanes hold elements, and the product.
//
// D [M, M] = A [M, K] * B [K, M] + C, in one or more independent blocks over the whole wave, EXEC notwithstanding. A
// lane holds neighbouring elements along K, of row lane % M of A and of column lane % M of B; then lanes count blocks,
// then the next elements along K. Of C and D a lane holds column lane % M, in groups of kGroup rows (4, of 64-bit
// results 1); groups go to lanes first, then to registers. As in AMD's CDNA ISA documents and matrix calculator.
//
// Products are summed in double and rounded to float once. The device's order and rounding are not published, so that
// last bits may differ from silicon's.

#include <array>
#include <cstdint>

#include "tools/simhip/wave.h"

namespace sinter::sim {

template <unsigned kM, unsigned kK, unsigned kB>
struct MatrixShape {
  static constexpr unsigned kSize = kM, kDepth = kK, kBlocks = kB;
  static constexpr unsigned kPerLane = kM * kK * kB / kLanes;  ///< Elements of A, and of B.
  static constexpr unsigned kResults = kM * kM * kB / kLanes;  ///< Of D.
};

/// A by rows, B by depth, so that the innermost loop runs over columns.
template <class Shape>
struct MatrixOperands {
  alignas(64) std::array<std::array<std::array<double, Shape::kDepth>, Shape::kSize>, Shape::kBlocks> a;
  alignas(64) std::array<std::array<std::array<double, Shape::kSize>, Shape::kDepth>, Shape::kBlocks> b;
};

template <class Shape>
using MatrixProduct = std::array<std::array<std::array<double, Shape::kSize>, Shape::kSize>, Shape::kBlocks>;

/// Where a lane's elements of A or B are: row or column, block, and the first one along K.
struct LanePlace {
  unsigned row = 0, block = 0, depth = 0;
};

template <class Shape>
constexpr LanePlace place_of(unsigned lane) {
  return {lane % Shape::kSize, lane / Shape::kSize % Shape::kBlocks,
          lane / (Shape::kSize * Shape::kBlocks) * Shape::kPerLane};
}

/// Calls `body(lane, item, block, row, column)` for every element of D; `item` counts the results of a lane.
template <class Shape, unsigned kGroup, class Body>
void for_results(const Body& body) {
  constexpr unsigned kRowGroups = Shape::kSize / kGroup;
  // As many blocks and row groups as there are lanes beside each other.
  constexpr unsigned kLaneGroups = kLanes / Shape::kSize;
  constexpr unsigned kBlocksInLanes = kRowGroups >= kLaneGroups ? 1 : kLaneGroups / kRowGroups;
  constexpr unsigned kGroupsInLanes = kLaneGroups / kBlocksInLanes;
  constexpr unsigned kGroupsInRegisters = kRowGroups / kGroupsInLanes;
  for (unsigned block = 0; block < Shape::kBlocks; ++block) {
    for (unsigned row = 0; row < Shape::kSize; ++row) {
      const unsigned group = row / kGroup;
      const unsigned lanes = block % kBlocksInLanes + kBlocksInLanes * (group % kGroupsInLanes);
      const unsigned item =
          row % kGroup + kGroup * (group / kGroupsInLanes + kGroupsInRegisters * (block / kBlocksInLanes));
      for (unsigned column = 0; column < Shape::kSize; ++column) {
        body(column + Shape::kSize * lanes, item, block, row, column);
      }
    }
  }
}

template <class Shape>
void multiply_matrices(const MatrixOperands<Shape>& operands, MatrixProduct<Shape>& product) {
  for (unsigned block = 0; block < Shape::kBlocks; ++block) {
    for (unsigned m = 0; m < Shape::kSize; ++m) {
      std::array<double, Shape::kSize> sums{};
      for (unsigned k = 0; k < Shape::kDepth; ++k) {
        const double factor = operands.a[block][m][k];
        const std::array<double, Shape::kSize>& row = operands.b[block][k];
        for (unsigned n = 0; n < Shape::kSize; ++n) {
          // Products of the formats are exact in double, so that joining them with the addition changes nothing.
          sums[n] = __builtin_fma(factor, row[n], sums[n]);
        }
      }
      product[block][m] = sums;
    }
  }
}

}  // namespace sinter::sim
