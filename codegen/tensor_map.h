// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tensor maps: how a body that copies with NVIDIA's copy engine (sm_90 and later) describes its tensors.
//
// A body lists them in its plan. The kernel's parameter then is one struct, aligned to 64 bytes: the maps in that
// order, 128 bytes each, and behind them the family's argument struct. Everything but the address of a tensor is known
// with the spec; the driver encodes the maps when it loads the kernel and sets their addresses at each launch (in
// 23 ns each with CUDA 13.0, where encoding one takes 109).

#include <array>
#include <cstddef>
#include <cstdint>

namespace sinter {

/// kBf16 serves fp16 as well, of which it copies the bits.
enum class TensorMapType : std::uint8_t { kBytes, kBf16, kF32 };

/// One tensor. Boxes of it are swizzled by 128 bytes in shared memory; elements outside it read as zeros, and are not
/// written.
struct TensorMapPlan {
  static constexpr std::size_t kMaxRank = 5;
  /// As argument_offset: the map is of all memory, from kAllMemoryBase on, and coordinates select the tensor.
  static constexpr std::int32_t kAllMemory = -1;
  static constexpr std::uint64_t kAllMemoryBase = 4096;
  std::int32_t argument_offset = 0;  ///< Of the pointer in the argument struct, bytes. REQUIRES: 16-byte aligned.
  TensorMapType type = TensorMapType::kBytes;
  std::uint32_t rank = 0;
  std::array<std::uint64_t, kMaxRank> sizes = {};        ///< Elements, innermost dimension first; up to 2^32.
  std::array<std::uint64_t, kMaxRank - 1> strides = {};  ///< Bytes, from the second dimension on: multiples of 16.
  std::array<std::uint32_t, kMaxRank> box = {};          ///< Elements, up to 256; the innermost 128 bytes at most.
};

inline constexpr std::size_t kTensorMapBytes = 128;
inline constexpr std::size_t kTensorMapAlignment = 64;
/// Maps of one kernel, at most.
inline constexpr std::size_t kMaxTensorMaps = 4;

/// Bytes of the kernel's parameter: the argument struct and the maps before it, if there are any.
constexpr std::size_t parameter_bytes(std::size_t tensor_maps, std::size_t args_bytes) {
  const std::size_t bytes = tensor_maps * kTensorMapBytes + args_bytes;
  return tensor_maps == 0 ? bytes : (bytes + kTensorMapAlignment - 1) / kTensorMapAlignment * kTensorMapAlignment;
}

}  // namespace sinter
