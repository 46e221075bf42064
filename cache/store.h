// SPDX-License-Identifier: Apache-2.0
#pragma once

// Store: one layer of the cache, key -> code object. The memory layer and the SQLite file are stores.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cache/cache_key.h"
#include "codegen/code_object.h"

namespace sinter {

/// One row without its code, for tools.
struct EntryInfo {
  std::string key;  ///< Hex digest.
  std::string spec;
  std::string family;
  std::string arch;
  std::string format;
  std::string backend, compiler;
  std::int64_t code_bytes = 0;
  std::int64_t created_unix_s = 0;
  double compile_ms = 0;
};

/// A row that failed its checks and was set aside.
struct BadEntry {
  std::string key;
  std::string spec;
  std::string reason;
};

/// Thread-safe. No call throws.
class Store {
 public:
  virtual ~Store() = default;
  virtual std::string_view name() const = 0;  ///< "memory", "local".
  /// The verified code object, or nullopt on a miss; a damaged row is a miss and is set aside for study.
  /// Errors: kCacheError when the storage itself failed (the caller degrades to a miss and counts it).
  virtual Result<std::optional<CodeObject>> get(const CacheKey& key) = 0;
  virtual Result<void> put(const CacheKey& key, const CodeObject& code) = 0;
};

}  // namespace sinter
