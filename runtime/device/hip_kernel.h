// SPDX-License-Identifier: Apache-2.0
#pragma once

// An AMD code object, loaded into one device.

#include <memory>

#include "base/result.h"
#include "codegen/code_object.h"
#include "runtime/device/driver.h"
#include "runtime/device/hip_api.h"

namespace sinter::hip {

/// Loads the code, reads what the runtime says of the kernel and asks how many blocks of that shape a compute unit
/// holds. Errors: as Driver::load.
Result<std::unique_ptr<LoadedKernel>> load_kernel(std::shared_ptr<const Api> api, int ordinal, const CodeObject& code,
                                                  const LaunchShape& shape_hint);

}  // namespace sinter::hip
