// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "runtime/caps/cells.h"
#include "runtime/caps/device_caps.h"

namespace sinter {

namespace {

constexpr std::uint32_t kPciAmd = 0x1002, kPciNvidia = 0x10de;

// A device of compute capability 9.0 runs sm_90a code, whatever the driver calls it.
const Arch* widest_arch(const Arch* arch) {
  if (arch == nullptr || arch->vendor != Vendor::kNvidia) {
    return arch;
  }
  for (const Arch& other : all_archs()) {
    if (other.vendor == Vendor::kNvidia && other.compute_capability == arch->compute_capability &&
        other.name.back() == 'a') {
      return &other;
    }
  }
  return arch;
}

bool is_same_hardware(const DeviceCaps& row, const Arch* live) {
  if (live == nullptr) {
    return false;
  }
  if (row.arch->vendor == Vendor::kHost) {
    return live->vendor == Vendor::kHost;
  }
  return widest_arch(row.arch) == widest_arch(live);
}

bool has_pci_id(const DeviceCaps& row, const DeviceProperties& device) {
  if (!device.pci_device || row.arch->vendor == Vendor::kHost) {
    return false;
  }
  const std::uint32_t vendor = row.arch->vendor == Vendor::kAmd ? kPciAmd : kPciNvidia;
  return device.pci_vendor.value_or(vendor) == vendor &&
         std::find(row.pci_devices.begin(), row.pci_devices.end(), *device.pci_device) != row.pci_devices.end();
}

/// What matching a live device to a row found out.
struct Match {
  const DeviceCaps* row = nullptr;
  std::string conflict;  ///< A row of this PCI id or name that is of another arch.
};

Match match_row(const std::vector<DeviceCaps>& table, const DeviceProperties& device, const Arch* live) {
  Match match;
  const auto consider = [&](const DeviceCaps& row, std::string_view by) {
    if (is_same_hardware(row, live)) {
      match.row = &row;
    } else if (match.conflict.empty()) {
      match.conflict = fmt::format("{}: the table has this {} for {} ({}), the driver says {}: the row is not used",
                                   device.name, by, row.name, row.arch->name, device.arch);
    }
  };
  for (const DeviceCaps& row : table) {
    if (match.row == nullptr && has_pci_id(row, device)) {
      consider(row, fmt::format("PCI id {:04x}", *device.pci_device));
    }
  }
  if (match.row == nullptr) {
    if (const auto named = find_device_caps(table, device.name)) {
      consider(**named, "name");
    }
  }
  // There is one host, whatever its processor is called.
  for (const DeviceCaps& row : table) {
    if (match.row == nullptr && live != nullptr && live->vendor == Vendor::kHost && row.arch->vendor == Vendor::kHost) {
      match.row = &row;
    }
  }
  return match;
}

template <class T>
Sourced<T> arch_limit(T value, const Arch& arch) {
  return {value, fmt::format("limit of the arch {}", arch.name), Confidence::kDocumented};
}

DeviceCaps caps_without_row(const DeviceProperties& device, const Arch* arch) {
  DeviceCaps caps = arch != nullptr ? caps_of_arch(*arch) : DeviceCaps();
  caps.name = device.name;
  caps.note = arch != nullptr ? fmt::format("no row in the capability table; the limits are those of its arch {}", arch->name)
                              : fmt::format("no row in the capability table, and its arch '{}' is not known", device.arch);
  return caps;
}

// Lays the driver's number over a cell and notes a disagreement of more than `tolerance` of the row's number.
void overlay(DeviceCaps& caps, std::string_view field, std::optional<std::int64_t> live, Sourced<std::int64_t>& cell,
             double tolerance, std::vector<std::string>* differences) {
  if (!live) {
    return;
  }
  const auto gap = static_cast<double>(std::llabs(cell.value.value_or(*live) - *live));
  if (differences != nullptr && gap > tolerance * static_cast<double>(cell.value.value_or(0))) {
    const bool partition = field == "unit_count" && *live < *cell.value;
    differences->push_back(fmt::format("{}: {} is {} in the table ({}), the driver says {}{}", caps.name, field,
                                       *cell.value, cell.source, *live,
                                       partition ? "; a partition of a device reports its own share" : ""));
  }
  cell = {live, "reported by the driver", Confidence::kReported};
}

}  // namespace

DeviceCaps caps_of_arch(const Arch& arch) {
  DeviceCaps caps;
  caps.name = arch.name;
  caps.arch = &arch;
  caps.wave_size = arch_limit<std::int64_t>(arch.wave_size, arch);
  caps.max_threads_per_block = arch_limit<std::int64_t>(arch.max_threads_per_block, arch);
  caps.shared_bytes_per_block = arch_limit(arch.max_shared_memory_bytes, arch);
  caps.fp8_format = arch_limit<std::string>(arch.fp8 == Fp8Hardware::kOcp    ? "ocp"
                                            : arch.fp8 == Fp8Hardware::kFnuz ? "fnuz"
                                                                             : "none",
                                            arch);
  caps.has_setvskip = arch_limit(arch.has_setvskip, arch);
  return caps;
}

DeviceCaps caps_of_live_device(const std::vector<DeviceCaps>& table, const DeviceProperties& device,
                               std::vector<std::string>* differences) {
  const Arch* live = widest_arch(find_arch(device.arch));
  const Match match = match_row(table, device, live);
  DeviceCaps caps = match.row != nullptr ? *match.row : caps_without_row(device, live);
  caps.arch = live;
  caps.driver_version = device.driver_version;
  if (differences != nullptr && match.row == nullptr && !match.conflict.empty()) {
    differences->push_back(match.conflict);
  }
  constexpr double kMemoryKeptByDriver = 0.1;
  overlay(caps, "unit_count", device.unit_count, caps.unit_count, 0, differences);
  overlay(caps, "wave_size", device.wave_size, caps.wave_size, 0, differences);
  overlay(caps, "max_threads_per_block", device.max_threads_per_block, caps.max_threads_per_block, 0, differences);
  overlay(caps, "max_threads_per_unit", device.max_threads_per_unit, caps.max_threads_per_unit, 0, differences);
  overlay(caps, "shared_bytes_per_block", device.shared_bytes_per_block, caps.shared_bytes_per_block, 0, differences);
  overlay(caps, "shared_bytes_per_unit", device.shared_bytes_per_unit, caps.shared_bytes_per_unit, 0, differences);
  overlay(caps, "memory_bytes", device.memory_bytes, caps.memory_bytes, kMemoryKeptByDriver, differences);
  return caps;
}

}  // namespace sinter
