// SPDX-License-Identifier: Apache-2.0
#pragma once

// The last launches on one device. A GPU reports a fault to whichever call comes next: this is what to look at then.

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "codegen/family.h"

namespace sinter {

/// Thread-safe; recording neither locks nor allocates. Entries that are written while they are read are left out.
class LaunchRing {
 public:
  /// `kernel` must outlive the ring: kernels live as long as their runtime.
  void record(const std::string& kernel, const LaunchShape& shape, const void* stream);

  /// "grouped_gemm_... (grid 12x1x1, stream 0x0), ...", newest first; empty if nothing was launched.
  std::string recent() const;

 private:
  static constexpr std::size_t kKept = 16;
  static constexpr std::uint64_t kWriting = ~std::uint64_t{0};
  struct Entry {
    std::atomic<std::uint64_t> number{0};  ///< From 1; 0: empty.
    std::atomic<const std::string*> kernel{nullptr};
    std::array<std::atomic<std::uint32_t>, 3> grid{};
    std::atomic<const void*> stream{nullptr};
  };

  std::atomic<std::uint64_t> launches_{0};
  std::array<Entry, kKept> entries_;
};

}  // namespace sinter
