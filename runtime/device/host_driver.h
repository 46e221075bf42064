// SPDX-License-Identifier: Apache-2.0
#pragma once

// The host CPU as a device: code objects are shared objects without imports, launches run on a thread pool.
// make_host_driver() (runtime/device/driver.h) makes the driver; this header is its loader alone.

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "runtime/device/thread_pool.h"

namespace sinter {

/// A shared object that was opened from memory, without a file. Closes when destroyed. Immutable.
class HostModule {
 public:
  /// Opens `code` (see check_host_code for what is refused) and finds its function `entry`.
  /// Errors: kUnsupported, kDriverError with the loader's words. Thread-safe.
  static Result<std::unique_ptr<HostModule>> open(std::span<const std::byte> code, const std::string& entry);

  HostModule(const HostModule&) = delete;
  HostModule& operator=(const HostModule&) = delete;
  ~HostModule();

  HostEntry entry() const { return entry_; }

 private:
  explicit HostModule(int descriptor) : descriptor_(descriptor) {}
  Result<void> load(const std::string& entry);

  // The loader knows a library by its name, here /proc/self/fd/N, and returns what it has under that name without
  // looking at the file. So N stays taken for as long as the library is loaded.
  const int descriptor_;
  void* handle_ = nullptr;
  HostEntry entry_ = nullptr;
};

}  // namespace sinter
