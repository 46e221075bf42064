// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "runtime/device/driver.h"
#include "runtime/device/hip_api.h"

namespace sinter::hip {

/// A non-blocking stream of the device. REQUIRES: api->has_streams(). Errors: kDriverError.
Result<std::unique_ptr<DeviceStream>> make_stream(std::shared_ptr<const Api> api, int ordinal);

}  // namespace sinter::hip
