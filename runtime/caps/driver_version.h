// SPDX-License-Identifier: Apache-2.0
#pragma once

// Versions of drivers, and ranges of them, as quirks and capability rows state them.
//
// A driver reports one text (DeviceProperties::driver_version): "13.0" (CUDA), "60443482 amdgpu 6.10.5 kfd 1.17" (HIP's
// own number, then pairs of name and version), "60443482 simhip 1" (the simulator), "60443482 amdgpu srcversion:0A1B"
// (a distribution's kernel, which has no version). Empty: unknown.

#include <string>
#include <string_view>

namespace sinter {

/// Inclusive; an empty bound is open. `driver` names one of the pairs; empty: the driver that owns the queues, which is
/// amdgpu on AMD and CUDA's single version on NVIDIA.
struct DriverRange {
  std::string driver;
  std::string min, max;
  friend bool operator==(const DriverRange&, const DriverRange&) = default;
  bool is_open() const { return driver.empty() && min.empty() && max.empty(); }
};

enum class InRange { kNo, kYes, kUnclear };

/// Is the reported driver in the range? kUnclear: it says nothing that can be compared. A driver of another name than
/// the range's is not in it; one without any name might be.
InRange driver_in_range(const DriverRange& range, std::string_view reported);

/// "amdgpu 6.10.5 to 6.12", "drivers 13.0 and later", "simhip-fixed of any version", "any driver".
std::string to_string(const DriverRange& range);

/// Compares dotted numbers: -1, 0, 1. Missing parts are 0; whatever follows the numbers ("6.8.5-rc1") is ignored.
int compare_versions(std::string_view a, std::string_view b);

/// Dotted numbers and nothing else: "6", "6.8.5".
bool is_dotted_number(std::string_view text);

}  // namespace sinter
