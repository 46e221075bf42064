// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/driver.h"

#include <fmt/format.h>

namespace sinter {

Result<std::unique_ptr<LoadedKernel>> Driver::load_with_tensor_maps(int ordinal, const CodeObject& code,
                                                                    const LaunchShape& shape_hint,
                                                                    std::span<const TensorMapPlan> tensor_maps) {
  if (!tensor_maps.empty()) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{} copies by tensor maps, which the {} driver does not have", code.entry, name()));
  }
  return load(ordinal, code, shape_hint);
}

Result<void> Driver::finish(int ordinal, void*) { return synchronize(ordinal); }

}  // namespace sinter
