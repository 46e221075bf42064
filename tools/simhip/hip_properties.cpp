// SPDX-License-Identifier: Apache-2.0
#include "tools/simhip/hip_properties.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <string>

#include "runtime/device/hip_api.h"

namespace sinter::sim {

namespace {

/// Offsets in hipDeviceProp_t. All of HIP 5's, and HIP 6's size and arch, by compiling the headers of 5.2.3 and 6.3;
/// HIP 6's others by the order of its fields, which is CUDA's.
struct Layout {
  std::size_t bytes, arch, memory, lds, registers, wave, threads, units;
};

constexpr Layout kHip5 = {792, 396, 256, 264, 272, 276, 280, 336};
constexpr Layout kHip6 = {1472, 1160, 288, 296, 304, 308, 320, 388};

constexpr int kMaxGridDimension = 0x7fffffff;
constexpr int kMaxGridMinor = 65536;

int value_or_zero(const Sourced<std::int64_t>& cell) { return static_cast<int>(cell.value.value_or(0)); }

template <class T>
void put(void* properties, std::size_t offset, T value) {
  std::memcpy(static_cast<std::byte*>(properties) + offset, &value, sizeof value);
}

}  // namespace

std::string arch_detail(const DeviceCaps& caps) { return std::string(caps.arch->name) + ":sramecc+:xnack-"; }

std::optional<int> device_attribute(const DeviceCaps& caps, int attribute) {
  switch (static_cast<hip::DeviceAttribute>(attribute)) {
    case hip::kMaxGridX: return kMaxGridDimension;
    case hip::kMaxGridY: return kMaxGridMinor;
    case hip::kMaxGridZ: return kMaxGridMinor;
    case hip::kMaxThreadsPerBlock: return value_or_zero(caps.max_threads_per_block);
    case hip::kMaxThreadsPerMultiprocessor: return value_or_zero(caps.max_threads_per_unit);
    case hip::kMultiprocessorCount: return value_or_zero(caps.unit_count);
    case hip::kMaxRegistersPerBlock: return value_or_zero(caps.registers_per_unit);
    case hip::kMaxSharedMemoryPerBlock: return value_or_zero(caps.shared_bytes_per_block);
    case hip::kWarpSize: return value_or_zero(caps.wave_size);
    case hip::kMaxSharedMemoryPerMultiprocessor: return value_or_zero(caps.shared_bytes_per_unit);
    case hip::kPciChipId: break;
    default: return std::nullopt;
  }
  return caps.pci_devices.empty() ? std::nullopt : std::optional(static_cast<int>(caps.pci_devices.front()));
}

void write_properties(const DeviceCaps& caps, PropertiesLayout layout, void* properties) {
  const Layout& at = layout == PropertiesLayout::kHip5 ? kHip5 : kHip6;
  std::memset(properties, 0, at.bytes);
  const std::string arch = arch_detail(caps);
  const std::string& name = caps.aliases.empty() ? caps.name : caps.aliases.front();
  std::memcpy(properties, name.c_str(), name.size() + 1);
  std::memcpy(static_cast<std::byte*>(properties) + at.arch, arch.c_str(), arch.size() + 1);
  put(properties, at.memory, static_cast<std::size_t>(caps.memory_bytes.value.value_or(0)));
  put(properties, at.lds, static_cast<std::size_t>(caps.shared_bytes_per_block.value.value_or(0)));
  put(properties, at.registers, value_or_zero(caps.registers_per_unit));
  put(properties, at.wave, value_or_zero(caps.wave_size));
  put(properties, at.threads, value_or_zero(caps.max_threads_per_block));
  put(properties, at.units, value_or_zero(caps.unit_count));
}

}  // namespace sinter::sim
