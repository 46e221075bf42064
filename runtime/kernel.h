// SPDX-License-Identifier: Apache-2.0
#pragma once

// Kernel: a launchable, checked kernel on one device.

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "codegen/family.h"
#include "runtime/caps/validate.h"
#include "runtime/device/driver.h"
#include "runtime/kernel_handle.h"
#include "runtime/launch_ring.h"
#include "runtime/launch_watch.h"
#include "runtime/packed_launch.h"

namespace sinter {

/// Immutable after construction; thread-safe. Owned by its Runtime.
class Kernel {
 public:
  struct Parts {
    KernelSpec spec;
    BodyPlan plan;
    std::shared_ptr<const CodeObject> code;
    std::unique_ptr<LoadedKernel> loaded;
    LaunchLimits limits;
    LaunchTarget target;
    Driver* driver = nullptr;
    int ordinal = 0;
    bool checked = false;  ///< Every launch compares its buffers with the declared footprint, and is waited for.
    LaunchRing* launches = nullptr;  ///< Of the device; may be null.
    std::vector<LaunchQuirk> quirks;  ///< Launches that must not be.
    const LaunchWatch* watch = nullptr;  ///< Null: nobody is told of launches.
    std::string device;                  ///< "cuda:0", for the watch.
  };
  explicit Kernel(Parts parts);

  const std::string& name() const { return name_; }
  const KernelSpec& spec() const { return parts_.spec; }
  const BodyPlan& plan() const { return parts_.plan; }
  const CodeObject& code() const { return *parts_.code; }
  const LoadedAttributes& attributes() const { return parts_.loaded->attributes(); }
  /// Leads here for ever.
  const KernelHandle* handle() const { return &handle_; }

  /// Enqueues one launch of the family's argument struct; nothing is allocated, locked or formatted on success.
  /// `buffer_bytes` has one size per argument, kUnknownBytes for unknown ones, or is empty.
  /// Errors: kInvalidRequest (arguments), kUnsupported (launch limits, quirks), kDriverError; where the device had failed
  /// before, it names the launches that may have done it, and in checked mode the one that did.
  Result<void> launch(const void* args, std::size_t args_bytes, void* stream,
                      std::span<const std::uint64_t> buffer_bytes = {}) const;

  /// The same, remembered in `packed`: with the arguments that it holds already, the launch is neither checked nor
  /// encoded again. In checked mode it is launch().
  Result<void> launch_packed(const void* args, std::size_t args_bytes, PackedLaunch& packed, void* stream) const;

  /// A launch of the runtime's own, before anybody has the kernel: checked like the others, but in no log and not among
  /// the device's recent launches.
  Result<void> launch_unseen(const void* args, std::size_t args_bytes, void* stream) const;

 private:
  Result<void> check(const void* args, std::size_t args_bytes, LaunchShape& shape) const;
  Result<void> pack(const void* args, std::size_t args_bytes, PackedLaunch& packed) const;
  template <class Launch>
  Result<void> enqueue(const LaunchShape& shape, void* stream, Launch&& launch) const;
  Result<void> check_buffers(const void* args, std::span<const std::uint64_t> buffer_bytes) const;
  Error explain_failure(Error error) const;

  Parts parts_;
  const Body* body_;
  std::string name_;
  KernelHandle handle_{this};
};

}  // namespace sinter
