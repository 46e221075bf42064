// SPDX-License-Identifier: Apache-2.0

// Compilers and devices, for `sinter doctor`.

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tools/sinter/doctor.h"

namespace sinter::cli {

namespace {

struct Compiler {
  std::string_view backend, archs, mend;
};

constexpr Compiler kCompilers[] = {
    {"llvm", "AMD, the host, and NVIDIA as PTX",
     "install sinter-worker-llvm beside sinter-worker (it is built where clang-22, lld-22 and llvm-22-dev are)"},
    {"nvrtc", "NVIDIA", "pip install nvidia-cuda-nvrtc, or point SINTER_NVRTC to a libnvrtc.so"},
    {"hiprtc", "AMD, where SINTER_AMD_COMPILER is hiprtc",
     "apt-get install libamdhip64-dev libhiprtc-builtins5, or point SINTER_HIPRTC to a libhiprtc.so"},
};

/// A compiler that the settings name must be there; of the others, one.
bool is_asked_for(const Settings& settings, std::string_view backend) {
  return (backend == "hiprtc" && settings.amd_compiler == "hiprtc") || settings.nvidia_compiler == backend ||
         (backend == "nvrtc" && !settings.nvrtc_library.empty()) ||
         (backend == "hiprtc" && !settings.hiprtc_library.empty());
}

void examine_compilers(Runtime& runtime, Diagnoses& findings) {
  const std::size_t first = findings.size();
  bool any = false;
  for (const Compiler& compiler : kCompilers) {
    const std::string subject = fmt::format("compiler {}", compiler.backend);
    const auto info = runtime.compile_service().workers().backend_info(compiler.backend);
    if (info) {
      any = true;
      findings.push_back({subject, Health::kHealthy,
                          fmt::format("{} ({}), for {}", info->version, info->library, fmt::join(info->archs, " "))});
    } else {
      const Health health = is_asked_for(runtime.settings(), compiler.backend) ? Health::kBroken : Health::kNote;
      findings.push_back({subject, health,
                          fmt::format("not here (it compiles for {}): {}", compiler.archs, info.error().message),
                          std::string(compiler.mend)});
    }
  }
  // Without any, only what others compiled can be used; whoever wants that has switched compiling off.
  if (!any && runtime.settings().compile != CompileMode::kOff) {
    for (std::size_t i = first; i < findings.size(); ++i) {
      findings[i].health = Health::kBroken;
    }
  }
}

void examine_device(const Runtime& runtime, std::string_view driver, const DeviceProperties& device,
                    Diagnoses& findings) {
  std::vector<std::string> differences;
  const DeviceCaps caps = caps_of_live_device(runtime.capability_table(), device, &differences);
  const std::string subject =
      driver == "host" ? std::string("device host") : fmt::format("device {}:{}", driver, device.ordinal);
  const std::string name = fmt::format("{}{} ({})", device.name, device.simulated ? ", simulated" : "", device.arch);
  if (caps.arch == nullptr) {
    findings.push_back(
        {subject, Health::kNote, fmt::format("{}: an arch that Sinter does not know; it cannot be used", name)});
    return;
  }
  findings.push_back({subject, differences.empty() ? Health::kHealthy : Health::kNote,
                      fmt::format("{}{}{}", name, differences.empty() ? "" : ": ", fmt::join(differences, "; "))});
}

void examine_driver(const Runtime& runtime, std::string_view name, const Result<std::unique_ptr<Driver>>& driver,
                    bool is_asked, Diagnoses& findings) {
  const std::string subject = fmt::format("driver {}", name);
  if (!driver) {
    const std::string_view variable = name == "cuda" ? "SINTER_LIBCUDA" : "SINTER_LIBHIP";
    findings.push_back(
        {subject, is_asked ? Health::kBroken : Health::kNote, driver.error().message,
         fmt::format("on a machine with such devices: install the vendor's driver, or correct {}", variable)});
    return;
  }
  const auto devices = (*driver)->devices();
  findings.push_back({subject, devices.empty() ? Health::kNote : Health::kHealthy,
                      fmt::format("{} device{}", devices.size(), devices.size() == 1 ? "" : "s")});
  for (const DeviceProperties& device : devices) {
    examine_device(runtime, name, device, findings);
  }
}

}  // namespace

void examine_machine(Runtime& runtime, Diagnoses& findings) {
  const Settings& settings = runtime.settings();
  examine_compilers(runtime, findings);
  examine_driver(runtime, "cuda", make_cuda_driver(settings.cuda_library), !settings.cuda_library.empty(), findings);
  examine_driver(runtime, "hip", make_hip_driver(settings.hip_library), !settings.hip_library.empty(), findings);
  examine_driver(runtime, "host", make_host_driver(static_cast<int>(settings.host_threads)), true, findings);
  findings.push_back(
      {"AMD launches", Health::kNote,
       "untested on hardware: the HIP path and its kernels have run on fake and simulated devices only"});
}

}  // namespace sinter::cli
