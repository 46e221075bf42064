// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "runtime/device/cuda_context.h"
#include "runtime/device/driver.h"

namespace sinter::cuda {

/// A non-blocking stream of the context. May be made, used and destroyed while other threads capture graphs.
/// Errors: kDriverError.
Result<std::unique_ptr<DeviceStream>> make_stream(std::shared_ptr<const PrimaryContext> context);

}  // namespace sinter::cuda
