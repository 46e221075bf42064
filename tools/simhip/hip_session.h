// SPDX-License-Identifier: Apache-2.0
#pragma once

// What lies under HIP's functions: the one device of this process, modules, and the last error of a thread.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "tools/simhip/code_object.h"
#include "tools/simhip/simulated_device.h"

namespace sinter::sim {

/// hipError_t: the values that are returned here.
enum HipStatus : int {
  kHipSuccess = 0,
  kHipInvalidValue = 1,
  kHipOutOfMemory = 2,
  kHipInvalidConfiguration = 9,
  kHipInvalidDevice = 101,
  kHipInvalidImage = 200,
  kHipNoBinaryForGpu = 209,
  kHipNotFound = 500,
  kHipNotReady = 600,
  kHipIllegalAddress = 700,
  kHipOutOfResources = 701,
  kHipLaunchFailure = 719,
  kHipNotSupported = 801,
};

const char* status_name(int status);
/// The reason of this thread's last failure with that status, else a general sentence. Valid until its next failure.
const char* status_text(int status);

/// Makes a failure the thread's last error; `reason` may be empty.
HipStatus failing(HipStatus status, std::string reason = {});
HipStatus last_error();
HipStatus take_last_error();

/// The device that was selected, else the one that SINTER_SIMHIP_DEVICE names, or null: then failing() was called.
SimulatedDevice* device();
/// Makes the process's device the one of that name. Errors: kInvalidRequest if it cannot be simulated, or if the
/// process has another device already.
Result<void> select_device(std::string_view name);

/// What SINTER_SIMHIP_DRIVER says, else "simhip 1". Valid for the life of the process.
const char* simulated_driver();

/// Success, or the fault that a launch left behind.
HipStatus device_status(const SimulatedDevice& device);

struct Module;

struct Function {
  const Module* module = nullptr;
  const KernelCode* kernel = nullptr;
};

struct Module {
  LoadedCode code;
  std::vector<Function> functions;
};

struct Stream {};

/// Launches have ended when they return, so that a recorded event is a point in the host's time.
struct Event {
  std::chrono::steady_clock::time_point recorded{};
  bool is_recorded = false;
};

}  // namespace sinter::sim
