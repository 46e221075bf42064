// SPDX-License-Identifier: Apache-2.0
#pragma once

// The argument segment of a launch, as the HIP runtime makes it: the caller's arguments, the hidden ones behind them,
// and the dispatch packet.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "tools/simhip/work_group.h"

namespace sinter::sim {

class LaunchArguments {
 public:
  /// From a buffer that holds all arguments that are not hidden. `launch` has kernel and shape.
  /// Errors: kInvalidRequest if the buffer has another size.
  static Result<LaunchArguments> from_buffer(const Launch& launch, std::span<const std::byte> buffer);
  /// From a pointer per argument that is not hidden: kernelParams.
  static Result<LaunchArguments> from_pointers(const Launch& launch, void** pointers);

  /// Lets a launch use this; it has to live until the launch has ended.
  void attach(Launch& launch) const;

 private:
  explicit LaunchArguments(const Launch& launch);
  std::byte* begin();
  void finish(const Launch& launch);
  template <class T>
  void put(std::size_t offset, T value);

  std::vector<std::byte> storage_;
  std::size_t first_ = 0, bytes_ = 0, packet_offset_ = 0;
};

}  // namespace sinter::sim
