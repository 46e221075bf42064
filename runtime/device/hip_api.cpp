// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/hip_api.h"

#include <array>

#include <fmt/format.h>

#include "runtime/device/vendor_library.h"

namespace sinter::hip {

namespace {

constexpr std::array<std::string_view, 3> kNames = {"libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5"};
constexpr LibrarySearch kSearch = {"HIP runtime", kNames,
                                   "install ROCm's HIP runtime, or set SINTER_LIBHIP=/path/to/libamdhip64.so.N"};

// hipDeviceProp_t is the only place of the arch's name. HIP 6 gave the struct a new layout and the function a new name,
// and kept the old pair under the old name. Offsets of gcnArchName by compiling the headers of 5.2.3 (792 bytes) and
// 6.3 (1472 bytes); the buffer is far larger than both, so that a struct that grew does not overflow it.
constexpr std::size_t kPropertiesBytes = 16384;
constexpr std::size_t kArchOffsetR0000 = 396;
constexpr std::size_t kArchOffsetR0600 = 1160;
constexpr std::size_t kArchBytes = 256;

constexpr auto kOptional = DynSymbol::Presence::kOptional;

Result<void> bind(Api& api) {
  return api.library.bind({
      {"hipInit", &api.init},
      {"hipRuntimeGetVersion", &api.runtime_version},
      {"hipGetErrorName", &api.error_name},
      {"hipGetErrorString", &api.error_text},
      {"hipGetLastError", &api.last_error, kOptional},
      {"hipGetDeviceCount", &api.device_count},
      {"hipGetDevice", &api.device_get},
      {"hipSetDevice", &api.device_set},
      {"hipDeviceSynchronize", &api.device_synchronize},
      {"hipDeviceGetName", &api.device_name, kOptional},
      {"hipDeviceGetAttribute", &api.device_attribute, kOptional},
      {"hipDeviceTotalMem", &api.device_memory, kOptional},
      {"hipDeviceGetPCIBusId", &api.device_pci_bus, kOptional},
      {"hipGetDevicePropertiesR0600", &api.device_properties_r0600, kOptional},
      {"hipGetDeviceProperties", &api.device_properties, kOptional},
      {"hipModuleLoadData", &api.module_load},
      {"hipModuleUnload", &api.module_unload},
      {"hipModuleGetFunction", &api.module_function},
      {"hipFuncGetAttribute", &api.function_attribute, kOptional},
      {"hipModuleOccupancyMaxActiveBlocksPerMultiprocessor", &api.occupancy, kOptional},
      {"hipModuleLaunchKernel", &api.launch},
      {"hipMalloc", &api.memory_allocate},
      {"hipFree", &api.memory_free},
      {"hipMemcpy", &api.memory_copy},
      {"hipMemGetAddressRange", &api.memory_range, kOptional},
      {"hipStreamCreateWithFlags", &api.stream_create, kOptional},
      {"hipStreamDestroy", &api.stream_destroy, kOptional},
      {"hipStreamSynchronize", &api.stream_synchronize, kOptional},
      {"hipMemcpyAsync", &api.copy_in, kOptional},
      {"hipEventCreate", &api.event_create, kOptional},
      {"hipEventDestroy", &api.event_destroy, kOptional},
      {"hipEventRecord", &api.event_record, kOptional},
      {"hipEventSynchronize", &api.event_synchronize, kOptional},
      {"hipEventElapsedTime", &api.event_elapsed, kOptional},
      {"hipStreamIsCapturing", &api.stream_is_capturing, kOptional},
      {"sinter_simhip_simulated", &api.simulated, kOptional},
      {"sinter_simhip_driver", &api.simulated_driver, kOptional},
      {"sinter_simhip_get_counters", &api.simulated_counters, kOptional},
  });
}

}  // namespace

Result<Api> open_api(const std::string& library) {
  SINTER_TRY(DynLib opened, open_vendor_library(library, kSearch));
  Api api(std::move(opened));
  if (const Result<void> bound = bind(api); !bound) {
    return make_error(ErrorCode::kDriverError, fmt::format("no HIP runtime: {}", bound.error().message));
  }
  return api;
}

Error call_error(const Api& api, std::string_view call, Status status) {
  static_cast<void>(succeeded(api, status));
  const char* name = api.error_name(status);
  const char* text = api.error_text(status);
  return make_error(ErrorCode::kDriverError,
                    fmt::format("{} failed: {} ({}), {}", call, name != nullptr ? name : "an unknown error",
                                static_cast<int>(status), text != nullptr ? text : "no description"));
}

bool succeeded(const Api& api, Status status) {
  if (status != kSuccess && api.last_error != nullptr) {
    static_cast<void>(api.last_error());
  }
  return status == kSuccess;
}

std::string device_arch(const Api& api, int ordinal) {
  const bool is_r0600 = api.device_properties_r0600 != nullptr;
  auto* const query = is_r0600 ? api.device_properties_r0600 : api.device_properties;
  if (query == nullptr) {
    return {};
  }
  alignas(16) std::array<char, kPropertiesBytes> properties{};
  if (!succeeded(api, query(properties.data(), ordinal))) {
    return {};
  }
  const std::string_view field(properties.data() + (is_r0600 ? kArchOffsetR0600 : kArchOffsetR0000), kArchBytes);
  const std::string_view arch = field.substr(0, field.find('\0'));
  return arch.starts_with("gfx") && arch.size() < kArchBytes ? std::string(arch) : std::string();
}

}  // namespace sinter::hip
