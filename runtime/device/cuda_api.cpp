// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/cuda_api.h"

#include <array>

#include <fmt/format.h>

#include "runtime/device/vendor_library.h"

namespace sinter::cuda {

namespace {

constexpr std::array<std::string_view, 1> kNames = {"libcuda.so.1"};
constexpr LibrarySearch kSearch = {"CUDA driver", kNames,
                                   "install the NVIDIA driver, or set SINTER_LIBCUDA=/path/to/libcuda.so.1"};

// The suffixes name the ABI of each function as cuda.h maps it; the plain names of these are ABIs of CUDA 3 and older.
Result<void> bind(Api& api) {
  return api.library.bind({
      {"cuInit", &api.init},
      {"cuDriverGetVersion", &api.driver_version},
      {"cuGetErrorName", &api.error_name},
      {"cuGetErrorString", &api.error_text},
      {"cuDeviceGetCount", &api.device_count},
      {"cuDeviceGet", &api.device_get},
      {"cuDeviceGetName", &api.device_name},
      {"cuDeviceGetAttribute", &api.device_attribute},
      {"cuDeviceTotalMem_v2", &api.device_memory},
      {"cuDeviceGetPCIBusId", &api.device_pci_bus},
      {"cuDevicePrimaryCtxRetain", &api.primary_retain},
      {"cuDevicePrimaryCtxRelease_v2", &api.primary_release},
      {"cuCtxGetCurrent", &api.context_get},
      {"cuCtxSetCurrent", &api.context_set},
      {"cuCtxPushCurrent_v2", &api.context_push},
      {"cuCtxPopCurrent_v2", &api.context_pop},
      {"cuCtxSynchronize", &api.context_synchronize},
      {"cuThreadExchangeStreamCaptureMode", &api.exchange_capture_mode},
      {"cuModuleLoadDataEx", &api.module_load},
      {"cuModuleUnload", &api.module_unload},
      {"cuModuleGetFunction", &api.module_function},
      {"cuFuncGetAttribute", &api.function_attribute},
      {"cuFuncSetAttribute", &api.set_function_attribute},
      {"cuOccupancyMaxActiveBlocksPerMultiprocessor", &api.occupancy},
      {"cuFuncLoad", &api.function_load, DynSymbol::Presence::kOptional},
      {"cuFuncGetParamInfo", &api.function_parameter, DynSymbol::Presence::kOptional},
      {"cuStreamIsCapturing", &api.stream_is_capturing, DynSymbol::Presence::kOptional},
      {"cuTensorMapEncodeTiled", &api.tensor_map_encode, DynSymbol::Presence::kOptional},
      {"cuTensorMapReplaceAddress", &api.tensor_map_address, DynSymbol::Presence::kOptional},
      {"cuLaunchKernelEx", &api.launch},
      {"cuMemAlloc_v2", &api.memory_allocate},
      {"cuMemFree_v2", &api.memory_free},
      {"cuMemGetAddressRange_v2", &api.memory_range},
      {"cuMemcpyHtoD_v2", &api.copy_to_device},
      {"cuMemcpyDtoH_v2", &api.copy_to_host},
      {"cuStreamCreate", &api.stream_create},
      {"cuStreamDestroy_v2", &api.stream_destroy},
      {"cuStreamSynchronize", &api.stream_synchronize},
      {"cuMemcpyHtoDAsync_v2", &api.copy_to_device_in},
      {"cuMemcpyDtoHAsync_v2", &api.copy_to_host_in},
      {"cuEventCreate", &api.event_create},
      {"cuEventDestroy_v2", &api.event_destroy},
      {"cuEventRecord", &api.event_record},
      {"cuEventSynchronize", &api.event_synchronize},
      {"cuEventElapsedTime", &api.event_elapsed},
  });
}

}  // namespace

Result<Api> open_api(const std::string& library) {
  SINTER_TRY(DynLib opened, open_vendor_library(library, kSearch));
  Api api(std::move(opened));
  if (const Result<void> bound = bind(api); !bound) {
    return make_error(ErrorCode::kDriverError,
                      fmt::format("no CUDA driver: {}; Sinter needs a driver for CUDA 11.8 or later",
                                  bound.error().message));
  }
  return api;
}

Error call_error(const Api& api, std::string_view call, Status status) {
  const char* name = nullptr;
  const char* text = nullptr;
  if (api.error_name(status, &name) != kSuccess || name == nullptr) {
    name = "an unknown error";
  }
  if (api.error_text(status, &text) != kSuccess || text == nullptr) {
    text = "no description";
  }
  return make_error(ErrorCode::kDriverError,
                    fmt::format("{} failed: {} ({}), {}", call, name, static_cast<int>(status), text));
}

}  // namespace sinter::cuda
