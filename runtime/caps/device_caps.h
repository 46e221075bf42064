// SPDX-License-Identifier: Apache-2.0
#pragma once

// DeviceCaps: what is known of one *device* (not arch), each number with its source. The rows are data:
// runtime/caps/devices.json, compiled in. What a live device reports wins over its row. docs/capability_table.md has
// the format and the meaning of each field.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codegen/arch.h"
#include "codegen/family.h"
#include "runtime/caps/driver_version.h"
#include "runtime/device/driver.h"

namespace sinter {

struct Settings;

enum class Confidence : std::uint8_t { kUnsourced, kUnsure, kDocumented, kMeasured, kReported };

/// One cell of the table. Unsourced cells have no value and print as "unknown".
template <class T>
struct Sourced {
  std::optional<T> value;
  std::string source;  ///< Where the number comes from, one sentence; "reported by the driver" for live devices.
  Confidence confidence = Confidence::kUnsourced;
};

/// Whether preempted waves keep their registers while VSKIP is set. It depends on the driver, whose trap handler saves
/// them, so a claim may be limited to a range of drivers; outside of it nothing is claimed.
struct VskipSafety {
  bool safe = false;
  DriverRange drivers;
  VskipSafety() = default;
  VskipSafety(bool is_safe, DriverRange range = {}) : safe(is_safe), drivers(std::move(range)) {}  // NOLINT: implicit by design
  friend bool operator==(const VskipSafety&, const VskipSafety&) = default;
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
  Sourced<VskipSafety> vskip_safe;  ///< False, unknown, or a driver outside of its range: unsafe.
  /// Of the live device, or the one that is asked about; empty: unknown. Not a cell: no row has it.
  std::string driver_version;
  std::string note;  ///< "seen as two devices of 110 CUs", ...
};

/// True if a sourced cell says that device and driver (caps.driver_version) are safe with vskip. Unknown is unsafe.
/// This is what ResolveTarget::vskip_safe (codegen/family.h) is made from.
bool is_vskip_safe(const DeviceCaps& caps);

/// True if the cell calls some driver of hardware safe: such a device may ask for vskip kernels. A simulator's does not
/// count.
bool may_be_vskip_safe(const DeviceCaps& caps);

/// What a request is resolved for on this device, built for `arch`, under these settings.
ResolveTarget resolve_target(const DeviceCaps& caps, const Arch& arch, const Settings& settings);

/// Why is_vskip_safe says what it says: "a sourced row calls MI300X safe with ... (source)", for messages.
std::string explain_vskip_safety(const DeviceCaps& caps);

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
