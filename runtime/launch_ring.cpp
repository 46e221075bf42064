// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch_ring.h"

#include <fmt/format.h>

namespace sinter {

void LaunchRing::record(const std::string& kernel, const LaunchShape& shape, const void* stream) {
  const std::uint64_t number = launches_.fetch_add(1, std::memory_order_relaxed) + 1;
  Entry& entry = entries_[number % kKept];
  // A thread that was stopped for sixteen launches may still be writing here: then this one goes unrecorded. A reader
  // that sees any of the stores below also sees kWriting or what came after it when it looks at the number again, so
  // the same number before and after means one entry. Only the two read-modify-writes cost more than a plain store.
  if (entry.number.exchange(kWriting, std::memory_order_acq_rel) == kWriting) {
    return;
  }
  entry.kernel.store(&kernel, std::memory_order_release);
  for (std::size_t i = 0; i < entry.grid.size(); ++i) {
    entry.grid[i].store(shape.grid[i], std::memory_order_release);
  }
  entry.stream.store(stream, std::memory_order_release);
  entry.number.store(number, std::memory_order_release);
}

std::string LaunchRing::recent() const {
  std::string text;
  const std::uint64_t last = launches_.load();
  for (std::uint64_t number = last; number > 0 && last - number < kKept; --number) {
    const Entry& entry = entries_[number % kKept];
    if (entry.number.load() != number) {
      continue;
    }
    const std::string* const kernel = entry.kernel.load();
    const std::uint32_t grid[] = {entry.grid[0].load(), entry.grid[1].load(), entry.grid[2].load()};
    const void* const stream = entry.stream.load();
    if (entry.number.load() == number) {
      text += fmt::format("{}{} (launch {}, grid {}x{}x{}, stream {})", text.empty() ? "" : ", ", *kernel, number, grid[0], grid[1],
                          grid[2], stream);
    }
  }
  return text;
}

}  // namespace sinter
