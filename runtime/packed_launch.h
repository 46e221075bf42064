// SPDX-License-Identifier: Apache-2.0
#pragma once

// PackedLaunch: one launch in its caller's memory, checked and in the form that the driver takes. The same launch again
// needs no check and no encoding: it is compared with this and handed over.

#include <array>
#include <cstddef>
#include <cstdint>

#include "codegen/family.h"
#include "codegen/tensor_map.h"

namespace sinter {

class Kernel;

/// Plain memory; all zeros: nothing is packed yet. For one thread at a time.
struct PackedLaunch {
  /// Room for the maps of a kernel and for any family's argument struct.
  static constexpr std::size_t kParameterBytes = 1792;

  const Kernel* kernel;  ///< That packed it; null: nobody has.
  LaunchShape shape;
  std::uint32_t parameter_bytes;  ///< What the kernel takes.
  std::uint32_t args_offset;      ///< Of the argument struct in it.
  std::uint32_t args_bytes;
  alignas(kTensorMapAlignment) std::array<std::byte, kParameterBytes> parameter;
};

}  // namespace sinter
