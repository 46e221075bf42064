// SPDX-License-Identifier: Apache-2.0
#pragma once

// The parameter of a kernel that has tensor maps: encoded maps, then the argument struct (codegen/tensor_map.h).

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "codegen/tensor_map.h"
#include "runtime/device/cuda_api.h"

namespace sinter::cuda {

/// The maps of one kernel. Immutable; thread-safe.
class TensorMaps {
 public:
  /// Bytes of arguments that fit a Parameter.
  static constexpr std::size_t kMaxArgsBytes = 256;
  struct alignas(kTensorMapAlignment) Parameter {
    std::array<std::byte, kMaxTensorMaps * kTensorMapBytes + kMaxArgsBytes> bytes;
  };

  /// No maps.
  TensorMaps() = default;
  /// Encodes the plan's maps, without their addresses. `entry` is for messages. The driver wants a current context.
  /// Errors: kUnsupported if the driver has no tensor maps; kDriverError if it refuses one.
  static Result<TensorMaps> encode(const Api& api, std::span<const TensorMapPlan> plans, std::string_view entry);

  bool empty() const { return count_ == 0; }
  std::size_t count() const { return count_; }

  /// Writes the parameter for `args`: the maps with the addresses that it holds, then `args` itself. No allocation. The
  /// driver wants a current context.
  /// `args_bytes` above kMaxArgsBytes is kInvalidValue.
  Status write(const Api& api, const void* args, std::size_t args_bytes, Parameter& parameter) const;

 private:
  std::array<decltype(TensorMap::words), kMaxTensorMaps> maps_ = {};  ///< Without the alignment that only calls need.
  std::array<std::int32_t, kMaxTensorMaps> argument_offsets_ = {};
  std::size_t count_ = 0;
};

}  // namespace sinter::cuda
