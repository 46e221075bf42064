// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two kinds of tensor maps that the bodies of sm_90a share (templates/sinter_device/hopper.h has their coordinates).

#include <cstdint>

#include "codegen/tensor_map.h"

namespace sinter {

/// Makes `plan` a map of rows of which each group's are a part: `columns` elements of so many bytes each.
inline void make_ragged(TensorMapPlan& plan, std::uint64_t columns, std::uint64_t element_bytes) {
  const std::uint64_t pitch = element_bytes * columns;
  plan.rank = 4;
  plan.sizes = {columns, 1ull << 30, 1ull << 31, 1ull << 31};
  plan.strides = {pitch, pitch, (1ull << 34) - pitch};
}

/// Makes `plan`, which has the sizes and the stride of a matrix, a map of such matrices at any 16-byte aligned address.
inline void make_separate(TensorMapPlan& plan) {
  plan.argument_offset = TensorMapPlan::kAllMemory;
  plan.rank = 4;
  plan.sizes[2] = 1ull << 24;
  plan.sizes[3] = 1ull << 29;
  plan.strides[1] = 16;
  plan.strides[2] = 1ull << 28;
}

}  // namespace sinter
