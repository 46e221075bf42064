// SPDX-License-Identifier: Apache-2.0
#pragma once

// GoldenVerdict: what a golden check found out about a code object on one device and driver (docs/devices.md).

#include <cstdint>
#include <string>

#include "base/digest.h"

namespace sinter {

/// Where a verdict holds: an entry serves several devices.
struct GoldenPlace {
  std::string device;  ///< As the driver names it: "NVIDIA H200"; of a simulated one "AMD Instinct MI300X (simulated)".
  std::string driver;  ///< DeviceProperties::driver_version.
  friend bool operator==(const GoldenPlace&, const GoldenPlace&) = default;
};

struct GoldenVerdict {
  GoldenPlace place;
  Digest code;                ///< SHA-256 of the code object that was launched.
  std::int64_t version = 0;   ///< Of the check.
  bool passed = false;
  double relative_error = 0;  ///< The largest of any group; NaN if an element was.
  double allowed_relative_error = 0;
  std::int64_t compared = 0;  ///< Elements.
  std::int64_t checked_unix_s = 0;
  std::string finding;        ///< What was wrong, one sentence; empty if it passed.
  std::string writer;         ///< The Sinter that checked: "sinter 0.1.0".
};

}  // namespace sinter
