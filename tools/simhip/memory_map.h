// SPDX-License-Identifier: Apache-2.0
#pragma once

// The device's memory: the allocations of hipMalloc, whose device addresses are the host's, and what a kernel may
// touch of them. Ranges are exact to the byte, where a device's are exact to the page.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace sinter::sim {

enum class Access : std::uint8_t { kRead, kWrite, kAtomic };

struct MemoryRange {
  std::uint64_t begin = 0, end = 0;
  bool is_writable = true;
  std::uint32_t number = 0;  ///< Allocations are counted from 1; 0 is a kernel's arguments, code or variables.

  bool holds(std::uint64_t address, std::uint64_t bytes) const {
    return address >= begin && address < end && bytes <= end - address;
  }
};

/// What one launch may touch: sorted, immutable, shared by its waves.
using MemoryRanges = std::vector<MemoryRange>;

/// One wave's view, which remembers the range it touched last.
class MemoryView {
 public:
  void attach(const MemoryRanges* ranges) {
    ranges_ = ranges;
    last_ = {};
  }

  /// Whether an access stays inside one range.
  bool allows(std::uint64_t address, std::uint64_t bytes, Access access) {
    if (!last_.holds(address, bytes) && !find(address, bytes)) {
      return false;
    }
    return access == Access::kRead || last_.is_writable;
  }

  /// Where a refused access lies: "256 bytes behind the end of allocation 3 (0x7f..., 4096 bytes)".
  std::string describe(std::uint64_t address, std::uint64_t bytes) const;

 private:
  bool find(std::uint64_t address, std::uint64_t bytes);

  const MemoryRanges* ranges_ = nullptr;
  MemoryRange last_;
};

/// Thread-safe.
class MemoryMap {
 public:
  /// Null if the host has not that much. New memory is filled with 0xcd, so that reading it unwritten shows.
  void* allocate(std::size_t bytes);
  /// False for a pointer that is no allocation's begin. Null is allowed.
  bool release(void* pointer);
  /// The allocation that holds a pointer.
  std::optional<MemoryRange> find(const void* pointer) const;
  MemoryRanges ranges() const;
  /// Memory of others that kernels may touch, until it is detached.
  void attach(const MemoryRange& range);
  void detach(std::uint64_t begin);

 private:
  struct FreeMemory {
    void operator()(std::byte* memory) const noexcept;
  };
  struct Allocation {
    std::unique_ptr<std::byte, FreeMemory> memory;
    MemoryRange range;
  };

  mutable std::mutex mutex_;
  std::vector<Allocation> allocations_;
  MemoryRanges attached_;
  std::uint32_t count_ = 0;
};

}  // namespace sinter::sim
