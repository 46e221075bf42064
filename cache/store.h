// SPDX-License-Identifier: Apache-2.0
#pragma once

// Store: one layer of the cache, key -> code object. The memory layer and the SQLite file are stores.

#include <memory>
#include <string_view>

#include "base/result.h"
#include "cache/cache_key.h"
#include "codegen/code_object.h"

namespace sinter {

/// Thread-safe. No call throws.
class Store {
 public:
  virtual ~Store() = default;
  virtual std::string_view name() const = 0;  ///< "memory", "local".
  /// The verified code object, or null on a miss; a damaged entry is a miss and is set aside for study.
  /// Errors: kCacheError when the storage itself failed (the caller degrades to a miss and counts it).
  virtual Result<std::shared_ptr<const CodeObject>> get(const CacheKey& key) = 0;
  /// Keeps `code` under `key`, in place of what was there. REQUIRES: `code` is not null.
  /// Errors: kCacheError, as above; the store is then as it was before.
  virtual Result<void> put(const CacheKey& key, std::shared_ptr<const CodeObject> code) = 0;
};

}  // namespace sinter
