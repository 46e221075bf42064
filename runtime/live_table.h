// SPDX-License-Identifier: Apache-2.0
#pragma once

// LiveTable: the kernels this process has, by device and request. Readers take no lock and allocate nothing.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include "base/fork_safe_mutex.h"
#include "codegen/kernel_spec.h"

namespace sinter {

class KernelHandle;

/// Plain memory, hashed and compared whole.
struct LiveKey {
  std::uint64_t device = 0;
  KernelRequest request;
};
static_assert(std::has_unique_object_representations_v<LiveKey>);

/// Open addressing over pointers to immutable entries. Entries are added and never changed or removed, so a reader that
/// sees a pointer sees a finished entry; a full table is replaced by a larger one, and the old ones are kept until the
/// end because a reader may still be in one (together they are smaller than the newest).
class LiveTable {
 public:
  /// Beyond this nothing is added: some 12 MB. A hint is part of a request, so a host that gives every number of rows as it
  /// comes could add without end.
  static constexpr std::size_t kMostEntries = 1 << 16;

  LiveTable();
  ~LiveTable();
  LiveTable(const LiveTable&) = delete;
  LiveTable& operator=(const LiveTable&) = delete;

  /// Where the kernel is, or null. Wait-free.
  const KernelHandle* find(const LiveKey& key) const;
  /// Adds a handle, which must outlive the table. A key that is there already keeps its own. Returns the one that is
  /// there now; null if the table is full. Thread-safe.
  const KernelHandle* insert(const LiveKey& key, const KernelHandle* kernel);

 private:
  struct Entry;
  struct Slots;
  static void place(Slots& slots, const Entry* entry);

  std::atomic<const Slots*> current_;
  ForkSafeMutex writer_mutex_;  // Guards the members below; readers never take it.
  std::vector<std::unique_ptr<Slots>> all_slots_;
  std::vector<std::unique_ptr<const Entry>> entries_;
};

}  // namespace sinter
