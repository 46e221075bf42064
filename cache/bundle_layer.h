// SPDX-License-Identifier: Apache-2.0
#pragma once

// BundleLayer: the bundles that a process was given, asked in order. They are opened when the first kernel of their arch
// is asked for; what cannot be used is said once and is a miss.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/fork_safe_mutex.h"
#include "cache/bundle.h"
#include "cache/cache_key.h"

namespace sinter {

/// Thread-safe.
class BundleLayer {
 public:
  /// `places`: bundle files, and directories of which every *.sinter counts, by name. `trust.keys` must outlive the
  /// layer. `on_problem` gets a sentence about each thing that went wrong; called from any thread.
  BundleLayer(std::vector<std::string> places, BundleTrust trust, std::function<void(std::string)> on_problem);

  /// The checked code object from the first bundle that has it, or null.
  std::shared_ptr<const CodeObject> get(const CacheKey& key);

  /// Keys of rows of this spec, in the order of the bundles; nothing of them is checked but their form.
  std::vector<CacheKey> keys_of_spec(std::string_view spec, std::string_view arch);

  /// Since construction: rows that were not what they should be; bundles and directories that could not be read.
  std::int64_t bad_rows() const { return bad_rows_.load(std::memory_order_relaxed); }
  std::int64_t faults() const { return faults_.load(std::memory_order_relaxed); }

 private:
  struct Slot {
    std::string path;
    std::shared_ptr<Bundle> bundle;                         // Null: not opened yet, or it could not be.
    std::chrono::steady_clock::time_point closed_until{};  // After a failed open, not tried before this.
  };

  /// Bundles that may hold `arch`, opened.
  std::vector<std::shared_ptr<Bundle>> bundles_for(std::string_view arch);
  void list_places();
  std::shared_ptr<Bundle> open(const std::string& path);
  /// Opens anew, in its place, a bundle that was replaced; null if it was not, or cannot be opened.
  std::shared_ptr<Bundle> reopened(const Bundle& bundle);
  void fault(std::string problem);

  const std::vector<std::string> places_;
  const BundleTrust trust_;
  const std::function<void(std::string)> on_problem_;
  std::atomic<std::int64_t> bad_rows_{0}, faults_{0};

  std::once_flag listed_;
  ForkSafeMutex mutex_;  // Guards slots_ once they are listed; not held during I/O.
  std::vector<Slot> slots_;
};

}  // namespace sinter
