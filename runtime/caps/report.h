// SPDX-License-Identifier: Apache-2.0
#pragma once

// What `sinter devices` and `sinter check` have to say, as values and as text or JSON. Nothing here prints.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/code_object.h"
#include "codegen/family.h"
#include "runtime/caps/device_caps.h"
#include "runtime/caps/findings.h"
#include "runtime/caps/quirks.h"

namespace sinter {

/// What is asked of the checks. The references must outlive the call.
struct CheckQuestion {
  const KernelSpec& spec;
  const BodyPlan& plan;
  const DeviceCaps& caps;
  std::string_view driver_version;  ///< Empty: unknown.
  std::span<const Quirk> quirks;
  bool exempt_vskip = false;
  const CodeObject* code = nullptr;     ///< Null: nothing is compiled yet, the binary is not checked.
  const LaunchShape* launch = nullptr;  ///< Null: no launch is at hand.
};

/// Every comparison of every check that could be asked, in the order in which a request meets them.
struct CheckReport {
  std::string device;
  std::string arch;
  std::string spec;
  std::vector<Finding> findings;

  bool ok() const;
};

CheckReport make_check_report(const CheckQuestion& question);

/// One line per finding under a line with the verdict.
std::string to_text(const CheckReport& report);
/// {"device", "arch", "spec", "ok", "checks": [{"check", "subject", "ok", "detail"}]}.
std::string to_json(const CheckReport& report);

/// A live device with what the table knows of it: the result of caps_of_live_device.
struct LiveDevice {
  std::string driver;  ///< "cuda", "hip", "host".
  DeviceProperties properties;
  DeviceCaps caps;
  std::vector<std::string> differences;
};

/// A table of the rows: one line each. Unknown cells print as "unknown", unsure ones with a question mark.
std::string devices_to_text(const std::vector<DeviceCaps>& table);
/// Every cell of one row with its source and confidence.
std::string device_to_text(const DeviceCaps& caps);
/// One paragraph per live device: its name, its driver, the row's note and each difference from the row.
std::string live_devices_to_text(std::span<const LiveDevice> devices);
/// {"devices": [row], "live": [{"driver", "ordinal", "simulated", "driver_version", "differences", "caps": row}]};
/// a row is {"name", "aliases", "pci_devices", "arch", "note", and per cell {"value", "confidence", "source"}}.
std::string devices_to_json(const std::vector<DeviceCaps>& table, std::span<const LiveDevice> live);

}  // namespace sinter
