// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which planned kernels are there: what `sinter coverage` looks up, and what of it a certificate keeps.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "runtime/runtime.h"
#include "tools/sinter/certificate.h"
#include "tools/sinter/selection.h"

namespace sinter::cli {

/// A planned kernel and whether it is there.
struct Finding {
  const PlannedKernel* kernel = nullptr;
  bool present = false;
  CodeOrigin origin = CodeOrigin::kLocal;
  Digest key;          ///< If it is there.
  Digest stored;       ///< Over what is stored under the key.
  std::string reason;  ///< If it is not.
};

/// What a device may ask for.
struct DeviceCount {
  std::string_view arch;
  std::string device;
  std::size_t declared = 0, present = 0, refused = 0;
};

struct Coverage {
  std::vector<Finding> findings;
  std::vector<DeviceCount> devices;

  std::size_t missing() const;
};

/// Looks up every kernel as a process with SINTER_COMPILE=off does. REQUIRES: the runtime's settings say off.
Coverage measure_coverage(Runtime& runtime, const Selection& selection);

/// What a restart must find unchanged: declared kernels, what is stored for them, bundles, devices and drivers.
Certificate certificate_of(const Coverage& coverage, const Selection& selection, const Settings& settings);

}  // namespace sinter::cli
