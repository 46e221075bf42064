// SPDX-License-Identifier: Apache-2.0
#pragma once

// What HIP says of a device: attributes, and hipDeviceProp_t in the layouts of HIP 5 and HIP 6.

#include <cstdint>
#include <optional>

#include "runtime/caps/device_caps.h"

namespace sinter::sim {

enum class PropertiesLayout : std::uint8_t { kHip5, kHip6 };

/// "gfx942:sramecc+:xnack-".
std::string arch_detail(const DeviceCaps& caps);

/// The value of a hipDeviceAttribute_t; nullopt for those that are not simulated.
std::optional<int> device_attribute(const DeviceCaps& caps, int attribute);

/// Fills a hipDeviceProp_t. Fields that are not simulated are zero.
void write_properties(const DeviceCaps& caps, PropertiesLayout layout, void* properties);

}  // namespace sinter::sim
