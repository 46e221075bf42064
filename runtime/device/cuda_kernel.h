// SPDX-License-Identifier: Apache-2.0
#pragma once

// A cubin or PTX, loaded into a device's primary context.

#include <memory>
#include <span>

#include "base/result.h"
#include "codegen/code_object.h"
#include "runtime/device/cuda_context.h"
#include "runtime/device/driver.h"

namespace sinter::cuda {

/// Loads the code and everything that a first launch would load lazily, raises the limit of dynamic shared memory to
/// what `shape_hint` asks for, asks how many blocks of that shape a multiprocessor holds, and encodes the tensor maps.
/// Errors: as Driver::load; the log of the driver's PTX compiler is in Error::log.
Result<std::unique_ptr<LoadedKernel>> load_kernel(std::shared_ptr<const PrimaryContext> context, const CodeObject& code,
                                                  const LaunchShape& shape_hint,
                                                  std::span<const TensorMapPlan> tensor_maps);

}  // namespace sinter::cuda
