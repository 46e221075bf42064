// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/memory_map.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace sinter::sim {

namespace {

constexpr std::size_t kAlignment = 4096;  // hipMalloc's
constexpr int kUnwritten = 0xcd;

std::uint64_t address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

std::string name_of(const MemoryRange& range) {
  const std::string what = range.number != 0 ? fmt::format("allocation {}", range.number)
                           : range.is_writable ? std::string("the code's variables")
                                               : std::string("the kernel's arguments, code or constants");
  return fmt::format("{} ({:#x}, {} bytes)", what, range.begin, range.end - range.begin);
}

}  // namespace

bool MemoryView::find(std::uint64_t address, std::uint64_t bytes) {
  const auto above = std::ranges::upper_bound(*ranges_, address, {}, &MemoryRange::begin);
  if (above == ranges_->begin() || !std::prev(above)->holds(address, bytes)) {
    return false;
  }
  last_ = *std::prev(above);
  return true;
}

std::string MemoryView::describe(std::uint64_t address, std::uint64_t bytes) const {
  const auto above = std::ranges::upper_bound(*ranges_, address, {}, &MemoryRange::begin);
  const MemoryRange* const next = above != ranges_->end() ? &*above : nullptr;
  const MemoryRange* const previous = above != ranges_->begin() ? &*std::prev(above) : nullptr;
  if (previous != nullptr && previous->holds(address, bytes)) {
    return fmt::format("offset {} of {}, which is read-only", address - previous->begin, name_of(*previous));
  }
  if (previous != nullptr && address < previous->end) {
    return fmt::format("offset {} of {}, over its end", address - previous->begin, name_of(*previous));
  }
  const bool is_after =
      previous != nullptr && (next == nullptr || address - previous->end <= next->begin - address);
  if (is_after) {
    return fmt::format("offset {} of {}: {} bytes behind its end", address - previous->begin, name_of(*previous),
                       address - previous->end);
  }
  if (next != nullptr) {
    return fmt::format("{} bytes before {}", next->begin - address, name_of(*next));
  }
  return "there is no allocation";
}

void MemoryMap::FreeMemory::operator()(std::byte* memory) const noexcept { std::free(memory); }

void* MemoryMap::allocate(std::size_t bytes) {
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (rounded < bytes) {
    return nullptr;
  }
  auto* const memory = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
  if (memory == nullptr) {
    return nullptr;
  }
  std::memset(memory, kUnwritten, bytes);
  const std::lock_guard lock(mutex_);
  const MemoryRange range{address_of(memory), address_of(memory) + bytes, true, ++count_};
  allocations_.push_back({std::unique_ptr<std::byte, FreeMemory>(memory), range});
  return memory;
}

bool MemoryMap::release(void* pointer) {
  const std::lock_guard lock(mutex_);
  return pointer == nullptr || std::erase_if(allocations_, [pointer](const Allocation& allocation) {
                                 return allocation.memory.get() == pointer;
                               }) == 1;
}

std::optional<MemoryRange> MemoryMap::find(const void* pointer) const {
  const std::lock_guard lock(mutex_);
  for (const Allocation& allocation : allocations_) {
    if (allocation.range.holds(address_of(pointer), 1)) {
      return allocation.range;
    }
  }
  for (const MemoryRange& range : attached_) {
    if (range.holds(address_of(pointer), 1)) {
      return range;
    }
  }
  return std::nullopt;
}

void MemoryMap::attach(const MemoryRange& range) {
  const std::lock_guard lock(mutex_);
  attached_.push_back(range);
}

void MemoryMap::detach(std::uint64_t begin) {
  const std::lock_guard lock(mutex_);
  std::erase_if(attached_, [begin](const MemoryRange& range) { return range.begin == begin; });
}

MemoryRanges MemoryMap::ranges() const {
  MemoryRanges ranges;
  {
    const std::lock_guard lock(mutex_);
    ranges = attached_;
    for (const Allocation& allocation : allocations_) {
      ranges.push_back(allocation.range);
    }
  }
  std::ranges::sort(ranges, {}, &MemoryRange::begin);
  return ranges;
}

}  // namespace sinter::sim
