// SPDX-License-Identifier: Apache-2.0
#include "runtime/live_table.h"

#include <cstring>

#define XXH_INLINE_ALL  // the size is a constant here, which lets the hash be unrolled
#include <xxhash.h>

namespace sinter {

struct LiveTable::Entry {
  LiveKey key;
  std::uint64_t hash;
  const KernelHandle* kernel;
};

struct LiveTable::Slots {
  explicit Slots(std::size_t size) : mask(size - 1), slots(size) {}
  std::size_t mask;
  std::vector<std::atomic<const Entry*>> slots;
};

namespace {

constexpr std::size_t kFirstSize = 256;

std::uint64_t hash_of(const LiveKey& key) { return XXH3_64bits(&key, sizeof key); }

bool same(const LiveKey& a, const LiveKey& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

}  // namespace

LiveTable::LiveTable() {
  all_slots_.push_back(std::make_unique<Slots>(kFirstSize));
  current_.store(all_slots_.back().get(), std::memory_order_release);
}

LiveTable::~LiveTable() = default;

const KernelHandle* LiveTable::find(const LiveKey& key) const {
  const Slots& table = *current_.load(std::memory_order_acquire);
  const std::uint64_t hash = hash_of(key);
  for (std::size_t i = hash & table.mask;; i = (i + 1) & table.mask) {
    const Entry* entry = table.slots[i].load(std::memory_order_acquire);
    if (entry == nullptr) {
      return nullptr;  // never full: insert keeps a half empty
    }
    if (entry->hash == hash && same(entry->key, key)) {
      return entry->kernel;
    }
  }
}

const KernelHandle* LiveTable::insert(const LiveKey& key, const KernelHandle* kernel) {
  const std::lock_guard lock(writer_mutex_);
  if (const KernelHandle* const present = find(key); present != nullptr) {
    return present;
  }
  if (entries_.size() == kMostEntries) {
    return nullptr;
  }
  entries_.push_back(std::make_unique<const Entry>(Entry{key, hash_of(key), kernel}));
  if (2 * entries_.size() > all_slots_.back()->slots.size()) {
    auto larger = std::make_unique<Slots>(2 * all_slots_.back()->slots.size());
    for (const auto& entry : entries_) {
      place(*larger, entry.get());
    }
    all_slots_.push_back(std::move(larger));
    current_.store(all_slots_.back().get(), std::memory_order_release);
  } else {
    place(*all_slots_.back(), entries_.back().get());
  }
  return kernel;
}

void LiveTable::place(Slots& slots, const Entry* entry) {
  std::size_t i = entry->hash & slots.mask;
  while (slots.slots[i].load(std::memory_order_relaxed) != nullptr) {
    i = (i + 1) & slots.mask;
  }
  slots.slots[i].store(entry, std::memory_order_release);
}

}  // namespace sinter
