// SPDX-License-Identifier: Apache-2.0
#pragma once

// Random tensors to try and time kernels with. Real values all over: zeros would cost a GPU less power, and so less time.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "codegen/family.h"

namespace sinter::cli {

/// `count` elements: BF16 and F16 (normal), F32 (uniform in [0.5, 1.5), as scales are) or F8_E4M3 (finite, below a quarter of the
/// largest). The same seed gives the same bytes. Empty for another dtype.
std::vector<std::byte> random_elements(const std::string& dtype, std::size_t count, std::uint64_t seed);

/// Tensors with their memory.
class RandomTensors {
 public:
  /// The inputs of a launch of `spec` whose groups have these rows. Large tensors repeat themselves with a period that no
  /// side of theirs has.
  /// Errors: kInvalidRequest for a mode that takes what random_elements() does not have, such as pointers on the device.
  static Result<RandomTensors> inputs(const KernelSpec& spec, std::span<const std::int64_t> rows_of_groups, std::uint64_t seed);

  std::span<const TensorView> views() const { return views_; }
  std::span<const TensorInfo> infos() const { return infos_; }

 private:
  std::vector<TensorInfo> infos_;
  std::vector<std::vector<std::byte>> bytes_;
  std::vector<TensorView> views_;
};

/// Bytes of all elements of a tensor. REQUIRES: a dtype of TensorInfo.
std::size_t tensor_bytes(const TensorInfo& info);

}  // namespace sinter::cli
