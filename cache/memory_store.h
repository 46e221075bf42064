// SPDX-License-Identifier: Apache-2.0
#pragma once

// MemoryStore: the first layer. Code objects of this process, the least recently used ones dropped above a byte limit.

#include <cstddef>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "base/digest.h"
#include "base/fork_safe_mutex.h"
#include "base/result.h"
#include "cache/store.h"

namespace sinter {

/// A bounded map from key to code object. Objects are shared with the callers, never copied, and outlive their eviction
/// as long as somebody holds them. Thread-safe; the lock covers the map alone and is held for a lookup, never for I/O.
class MemoryStore final : public Store {
 public:
  /// `max_bytes` bounds the sum of code, source, log and bookkeeping; an object larger than that alone is not kept.
  explicit MemoryStore(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  std::string_view name() const override { return "memory"; }
  Result<std::shared_ptr<const CodeObject>> get(const CacheKey& key) override;
  Result<void> put(const CacheKey& key, std::shared_ptr<const CodeObject> code) override;

  std::size_t size_bytes() const;
  std::size_t entry_count() const;

 private:
  struct Entry {
    Digest key;
    std::shared_ptr<const CodeObject> code;
    std::size_t bytes;
  };
  struct DigestHash {
    std::size_t operator()(const Digest& digest) const {
      std::size_t hash;  // A SHA-256 is uniform: any part of it is a good hash.
      std::memcpy(&hash, digest.bytes.data(), sizeof(hash));
      return hash;
    }
  };
  using Entries = std::list<Entry>;

  /// Moves an entry out of the map into `dropped`.
  void drop(Entries::iterator entry, Entries& dropped);

  const std::size_t max_bytes_;
  mutable ForkSafeMutex mutex_;  // Guards everything below.
  Entries entries_;           // Most recently used first.
  std::unordered_map<Digest, Entries::iterator, DigestHash> index_;
  std::size_t bytes_ = 0;
};

}  // namespace sinter
