// SPDX-License-Identifier: Apache-2.0
#include "cache/memory_store.h"

#include <utility>

namespace sinter {
namespace {

/// Nodes of list and map, the shared count and the short strings of a CodeObject, roughly.
constexpr std::size_t kBookkeepingBytes = 1024;

std::size_t footprint(const CodeObject& code) {
  return code.code.size() + code.source.size() + code.log.size() + kBookkeepingBytes;
}

}  // namespace

Result<std::shared_ptr<const CodeObject>> MemoryStore::get(const CacheKey& key) {
  std::lock_guard lock(mutex_);
  const auto found = index_.find(key.digest);
  if (found == index_.end()) {
    return std::shared_ptr<const CodeObject>();
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->code;
}

Result<void> MemoryStore::put(const CacheKey& key, std::shared_ptr<const CodeObject> code) {
  const std::size_t bytes = footprint(*code);
  // What is dropped is destroyed after the lock is gone: freeing megabytes takes a while.
  Entries dropped;
  std::lock_guard lock(mutex_);
  if (const auto found = index_.find(key.digest); found != index_.end()) {
    drop(found->second, dropped);
  }
  if (bytes > max_bytes_) {
    return {};
  }
  while (bytes_ + bytes > max_bytes_) {
    drop(std::prev(entries_.end()), dropped);
  }
  entries_.push_front({key.digest, std::move(code), bytes});
  index_.emplace(key.digest, entries_.begin());
  bytes_ += bytes;
  return {};
}

std::size_t MemoryStore::size_bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

std::size_t MemoryStore::entry_count() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

void MemoryStore::drop(Entries::iterator entry, Entries& dropped) {
  bytes_ -= entry->bytes;
  index_.erase(entry->key);
  dropped.splice(dropped.end(), entries_, entry);
}

}  // namespace sinter
