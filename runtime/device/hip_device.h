// SPDX-License-Identifier: Apache-2.0
#pragma once

// HIP works on the device that is current on the calling thread. Sinter makes its own current and gives it back.

#include "runtime/device/hip_api.h"

namespace sinter::hip {

/// Makes a device current on this thread; the destructor restores the one before. Costs one read of thread-local
/// state where it is current already.
class DeviceScope {
 public:
  DeviceScope(const Api& api, int ordinal) : api_(api) {
    status_ = api_.device_get(&previous_);
    if (status_ == kSuccess && previous_ != ordinal) {
      status_ = api_.device_set(ordinal);
      is_changed_ = status_ == kSuccess;
    }
  }
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;
  ~DeviceScope() {
    if (is_changed_) {
      static_cast<void>(api_.device_set(previous_));
    }
  }

  /// False after the runtime's shutdown: then nothing on the device is left to be released.
  bool is_current() const { return status_ == kSuccess; }
  Status status() const { return status_; }

 private:
  const Api& api_;
  int previous_ = 0;
  Status status_ = kSuccess;
  bool is_changed_ = false;
};

}  // namespace sinter::hip
