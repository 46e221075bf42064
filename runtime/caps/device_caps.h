// SPDX-License-Identifier: Apache-2.0
#pragma once

// DeviceCaps: what is known of one *device* (not arch), each number with its source. The rows are data:
// runtime/caps/devices.json, compiled in. What a live device reports wins over its row. docs/capability_table.md has
// the format and the meaning of each field.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codegen/arch.h"
#include "runtime/device/driver.h"

namespace sinter {

enum class Confidence : std::uint8_t { kUnsourced, kUnsure, kDocumented, kMeasured, kReported };

/// One cell of the table. Unsourced cells have no value and print as "unknown".
template <class T>
struct Sourced {
  std::optional<T> value;
  std::string source;  ///< Where the number comes from, one sentence; "reported by the driver" for live devices.
  Confidence confidence = Confidence::kUnsourced;
};

/// Sizes in bytes. Immutable.
struct DeviceCaps {
  std::string name;                  ///< "MI308X", "H200 SXM", "host".
  std::vector<std::string> aliases;  ///< Driver names and short names: "NVIDIA H200", "H200".
  std::vector<std::uint32_t> pci_devices;
  const Arch* arch = nullptr;        ///< Never null in a table; null for a live device of an unknown arch.
  Sourced<std::int64_t> unit_count;  ///< CUs or SMs.
  Sourced<std::int64_t> wave_size;
  Sourced<std::int64_t> max_threads_per_block;
  Sourced<std::int64_t> max_threads_per_unit;
  Sourced<std::int64_t> shared_bytes_per_block;
  Sourced<std::int64_t> shared_bytes_per_unit;
  Sourced<std::int64_t> registers_per_thread;  ///< 32-bit; VGPRs and AGPRs together on AMD.
  Sourced<std::int64_t> registers_per_unit;
  Sourced<std::int64_t> l2_bytes;
  Sourced<std::int64_t> memory_bytes;
  Sourced<double> memory_bandwidth;  ///< Bytes per second.
  Sourced<double> bf16_flops;        ///< Dense, per second.
  Sourced<double> fp8_flops;
  Sourced<std::string> fp8_format;  ///< "ocp", "fnuz" or "none".
  Sourced<bool> has_setvskip;       ///< The instruction exists.
  /// Preempted waves keep their registers while VSKIP is set: device and driver known safe. False or unknown: unsafe.
  Sourced<bool> vskip_safe;
  std::string note;  ///< "seen as two devices of 110 CUs", ...
};

/// True if a sourced cell says that device and driver are safe with vskip. Unknown is unsafe.
/// This is what ResolveTarget::vskip_safe (codegen/family.h) is made from.
inline bool is_vskip_safe(const DeviceCaps& caps) { return caps.vskip_safe.value.value_or(false); }

std::string_view confidence_name(Confidence confidence);  ///< "unknown", "unsure", "documented", ...

/// devices.json as compiled in.
std::string_view builtin_capability_json();

/// Reads the compiled-in table. Errors: kInternal if the data is malformed (a test makes that impossible to ship).
Result<std::vector<DeviceCaps>> load_capability_table(std::string_view json);

/// Adds the rows of a file given at run time; a row replaces the one of its name. Pointers into `table` become invalid.
/// Errors: kInvalidRequest naming the file, the row and the field; `table` is then unchanged.
Result<void> merge_capability_table(std::vector<DeviceCaps>& table, std::string_view json, std::string_view file_name);

/// By name or alias, without regard to case. Errors: kInvalidRequest naming every known device.
Result<const DeviceCaps*> find_device_caps(const std::vector<DeviceCaps>& table, std::string_view name);

/// What every device of an arch can be held to: the limits of the arch itself. For code that is built without a device.
DeviceCaps caps_of_arch(const Arch& arch);

/// The row of a live device (by PCI id, then name, then arch alone) with the driver's numbers laid over it.
/// A device without a row gets the limits of its arch, and its note says so. `differences` (may be null) gets a
/// sentence for each number on which row and driver disagree; memory sizes may differ by a tenth, which drivers keep.
DeviceCaps caps_of_live_device(const std::vector<DeviceCaps>& table, const DeviceProperties& device,
                               std::vector<std::string>* differences);

}  // namespace sinter
