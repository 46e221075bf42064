// SPDX-License-Identifier: Apache-2.0
#pragma once

// A golden trial: one launch of a kernel on small random data, judged against float64. What to do about it is
// golden_check.h's.

#include <cstdint>

#include "base/result.h"
#include "codegen/random_tensors.h"
#include "runtime/device/driver.h"
#include "runtime/kernel.h"

namespace sinter {

/// What a kernel is tried on. N, K and the number of groups are the kernel's own; the rows are chosen here.
struct GoldenProblem {
  RowLayout rows;
  std::int64_t matrices = 0;  ///< Of each tensor that has one per group, so many are made; 0: all.
  std::int64_t bytes = 0;     ///< Of all operands.
};

/// Operands above this are not made for a trial: a serving process needs its memory.
inline constexpr std::int64_t kMostGoldenBytes = std::int64_t{1} << 30;

/// A group without rows, one of a single row, one of a tile and some rows more, small ones, and rows of no group: as many
/// of them as the kernel has groups. Where all matrices would be large, only the first groups have rows.
GoldenProblem golden_problem(const KernelSpec& spec);

/// Launches the kernel on a stream and on buffers of its own, and waits. A launch that ends with a fault is a report that
/// says so. Errors: what kept the trial from being made: no memory, a device that had failed before, a launch that was
/// refused.
Result<ReferenceReport> try_kernel(Driver& driver, int ordinal, const Kernel& kernel, const GoldenProblem& problem);

}  // namespace sinter
