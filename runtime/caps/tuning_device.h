// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which kind of device a capability row or a live device is, in the words of tuned rows.

#include "codegen/tuning_row.h"
#include "runtime/caps/device_caps.h"

namespace sinter {

/// `live` may be null: then what only a driver knows is unknown. A host is called by its processor's name.
TuningDevice tuning_device(const DeviceCaps& caps, const Arch& build_arch, const DeviceProperties* live);

}  // namespace sinter
