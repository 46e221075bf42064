// SPDX-License-Identifier: Apache-2.0
#pragma once

// Random tensors to try, check and time kernels with. Real values all over: zeros would cost a GPU less power, and so
// less time.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "codegen/family.h"

namespace sinter {

/// `count` elements: BF16 and F16 (normal), F32 (uniform in [0.5, 1.5), as scales are) or F8_E4M3 (finite, below a quarter of the
/// largest). The same seed gives the same bytes. Empty for another dtype.
std::vector<std::byte> random_elements(const std::string& dtype, std::size_t count, std::uint64_t seed);

/// How the rows of a launch lie.
struct RowLayout {
  std::vector<std::int64_t> of_groups;  ///< Rows of each group; of a family without groups their sum counts.
  std::int64_t before = 0, after = 0;   ///< Rows that belong to no group.
  std::int64_t rows() const;
};

/// Tensors with their memory.
class RandomTensors {
 public:
  /// The inputs of a launch of `spec` with these rows. Large tensors repeat themselves with a period that no side of
  /// theirs has. Of tensors with a matrix for each group the first `matrices` are made, 0: all; what a kernel adds to is
  /// always whole.
  /// Errors: kInvalidRequest for a mode that takes what random_elements() does not have.
  static Result<RandomTensors> inputs(const KernelSpec& spec, const RowLayout& layout, std::uint64_t seed, std::int64_t matrices = 0);

  /// What inputs() would describe, without their memory.
  static std::vector<TensorInfo> describe(const KernelSpec& spec, std::int64_t rows, std::int64_t matrices);

  std::span<const TensorView> views() const { return views_; }

 private:
  std::vector<std::vector<std::byte>> bytes_;
  std::vector<TensorView> views_;
};

}  // namespace sinter
