// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the kernel says of a PCI device and of a GPU's kernel driver, where the vendor's library does not.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace sinter {

struct PciIds {
  std::optional<std::uint32_t> vendor;  ///< 0x10de NVIDIA, 0x1002 AMD.
  std::optional<std::uint32_t> device;  ///< 0x2335: the chip, not the slot.
};

/// A bus id as sysfs spells it, "0000:1b:00.0": lower case, the domain with four digits unless it needs more.
std::string canonical_pci_bus(std::string_view bus);

/// The ids of the device at `pci_bus`; nullopt where sysfs is not mounted or does not have it.
PciIds read_pci_ids(const std::filesystem::path& sys, std::string_view pci_bus);

/// Version of the loaded amdgpu kernel module: "6.10.5" (AMD's packages), "srcversion:0A1B..." (a distribution's
/// kernel has no version), or empty. KFD runs the compute queues and is part of that module.
std::string read_amdgpu_version(const std::filesystem::path& sys);

/// Version of KFD's interface, "1.17", asked of its device file; empty where that cannot be opened or is another's.
std::string read_kfd_version(const std::filesystem::path& device);

}  // namespace sinter
