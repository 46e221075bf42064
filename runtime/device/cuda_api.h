// SPDX-License-Identifier: Apache-2.0
#pragma once

// The functions of NVIDIA's driver library that Sinter calls, found by dlopen, so that nothing links or includes CUDA.
// Types and numbers follow the driver's ABI (cuda.h of CUDA 13.0; unchanged since the version each entry names).

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/dyn_lib.h"
#include "base/result.h"

namespace sinter::cuda {

struct Context;   // CUctx_st
struct Module;    // CUmod_st
struct Function;  // CUfunc_st
struct Stream;    // CUstream_st
struct Event;     // CUevent_st

using Device = int;
using DeviceAddress = unsigned long long;

/// CUresult: the values that Sinter tells apart.
enum Status : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kDeinitialized = 4,
  kNoDevice = 100,
  kInvalidImage = 200,
  kNoBinaryForGpu = 209,
  kInvalidPtx = 218,
  kJitCompilerNotFound = 221,
  kUnsupportedPtxVersion = 222,
  kJitCompilationDisabled = 223,
  kNotFound = 500,
  kStreamCaptureImplicit = 906,  ///< Asked of the default stream: one that it waits for is captured.
};

/// CUdevice_attribute.
enum DeviceAttribute : int {
  kMaxThreadsPerBlock = 1,
  kMaxGridX = 5,
  kMaxGridY = 6,
  kMaxGridZ = 7,
  kWarpSize = 10,
  kMaxRegistersPerBlock = 12,
  kClockKhz = 13,
  kMultiprocessorCount = 16,
  kMaxThreadsPerMultiprocessor = 39,
  kComputeCapabilityMajor = 75,
  kComputeCapabilityMinor = 76,
  kMaxSharedMemoryPerMultiprocessor = 81,
  kMaxSharedMemoryPerBlockOptin = 97,
};

/// CUfunction_attribute.
enum FunctionAttribute : int {
  kFunctionMaxThreadsPerBlock = 0,
  kFunctionSharedBytes = 1,
  kFunctionLocalBytes = 3,
  kFunctionRegisters = 4,
  kFunctionMaxDynamicSharedBytes = 8,
};

/// CUjit_option.
enum JitOption : int {
  kJitErrorLogBuffer = 5,
  kJitErrorLogBufferBytes = 6,
};

/// CUstream_flags: no waiting for the default stream, and none of it for this one.
inline constexpr unsigned kStreamNonBlocking = 1;

/// CUstreamCaptureMode.
enum CaptureMode : int { kCaptureGlobal = 0, kCaptureThreadLocal = 1, kCaptureRelaxed = 2 };

/// CUlaunchConfig.
struct LaunchConfig {
  unsigned grid_x, grid_y, grid_z;
  unsigned block_x, block_y, block_z;
  unsigned shared_bytes;
  Stream* stream;
  void* attributes;
  unsigned attribute_count;
};
static_assert(sizeof(LaunchConfig) == 56 && offsetof(LaunchConfig, stream) == 32, "CUlaunchConfig's layout");

/// CUtensorMap.
struct alignas(64) TensorMap {
  std::array<std::uint64_t, 16> words;
};
static_assert(sizeof(TensorMap) == 128, "CUtensorMap's size");

/// The table. Every pointer is set unless its comment says otherwise. Thread-safe: immutable after open_api.
struct Api {
  explicit Api(DynLib opened) : library(std::move(opened)) {}

  DynLib library;

  Status (*init)(unsigned flags) = nullptr;
  Status (*driver_version)(int* version) = nullptr;
  Status (*error_name)(Status status, const char** name) = nullptr;
  Status (*error_text)(Status status, const char** text) = nullptr;

  Status (*device_count)(int* count) = nullptr;
  Status (*device_get)(Device* device, int ordinal) = nullptr;
  Status (*device_name)(char* name, int bytes, Device device) = nullptr;
  Status (*device_attribute)(int* value, DeviceAttribute attribute, Device device) = nullptr;
  Status (*device_memory)(std::size_t* bytes, Device device) = nullptr;
  Status (*device_pci_bus)(char* bus, int bytes, Device device) = nullptr;

  Status (*primary_retain)(Context** context, Device device) = nullptr;
  Status (*primary_release)(Device device) = nullptr;
  Status (*context_get)(Context** context) = nullptr;
  Status (*context_set)(Context* context) = nullptr;
  Status (*context_push)(Context* context) = nullptr;
  Status (*context_pop)(Context** context) = nullptr;
  Status (*context_synchronize)() = nullptr;
  Status (*exchange_capture_mode)(CaptureMode* mode) = nullptr;
  Status (*stream_is_capturing)(Stream* stream, int* status) = nullptr;  ///< Optional. 0: it is not.

  Status (*module_load)(Module** module, const void* image, unsigned option_count, JitOption* options,
                        void** values) = nullptr;
  Status (*module_unload)(Module* module) = nullptr;
  Status (*module_function)(Function** function, Module* module, const char* name) = nullptr;
  Status (*function_attribute)(int* value, FunctionAttribute attribute, Function* function) = nullptr;
  Status (*set_function_attribute)(Function* function, FunctionAttribute attribute, int value) = nullptr;
  Status (*occupancy)(int* blocks, Function* function, int block_threads, std::size_t dynamic_shared_bytes) = nullptr;
  Status (*function_load)(Function* function) = nullptr;  ///< CUDA 12.4, else null.
  Status (*function_parameter)(Function* function, std::size_t index, std::size_t* offset,
                               std::size_t* bytes) = nullptr;  ///< CUDA 12.4, else null.
  Status (*tensor_map_encode)(TensorMap* map, int type, std::uint32_t rank, void* address, const std::uint64_t* sizes,
                              const std::uint64_t* strides, const std::uint32_t* box,
                              const std::uint32_t* element_strides, int interleave, int swizzle, int l2_promotion,
                              int fill) = nullptr;                            ///< CUDA 12.0, else null.
  Status (*tensor_map_address)(TensorMap* map, void* address) = nullptr;  ///< CUDA 12.0, else null.
  Status (*launch)(const LaunchConfig* config, Function* function, void** parameters, void** extra) = nullptr;

  Status (*memory_allocate)(DeviceAddress* address, std::size_t bytes) = nullptr;
  Status (*memory_free)(DeviceAddress address) = nullptr;
  Status (*memory_range)(DeviceAddress* base, std::size_t* bytes, DeviceAddress address) = nullptr;
  Status (*copy_to_device)(DeviceAddress to, const void* from, std::size_t bytes) = nullptr;
  Status (*copy_to_host)(void* to, DeviceAddress from, std::size_t bytes) = nullptr;

  Status (*stream_create)(Stream** stream, unsigned flags) = nullptr;
  Status (*stream_destroy)(Stream* stream) = nullptr;
  Status (*stream_synchronize)(Stream* stream) = nullptr;
  Status (*copy_to_device_in)(DeviceAddress to, const void* from, std::size_t bytes, Stream* stream) = nullptr;
  Status (*copy_to_host_in)(void* to, DeviceAddress from, std::size_t bytes, Stream* stream) = nullptr;

  Status (*event_create)(Event** event, unsigned flags) = nullptr;
  Status (*event_destroy)(Event* event) = nullptr;
  Status (*event_record)(Event* event, Stream* stream) = nullptr;
  Status (*event_synchronize)(Event* event) = nullptr;
  Status (*event_elapsed)(float* ms, Event* start, Event* stop) = nullptr;
};

/// Opens the library and fills the table; initializes nothing. `library` overrides the search for libcuda.so.1.
/// Errors: kDriverError naming what was tried, or the first missing symbol.
Result<Api> open_api(const std::string& library);

/// "cuLaunchKernelEx failed: CUDA_ERROR_OUT_OF_MEMORY (2), out of memory", as kDriverError.
Error call_error(const Api& api, std::string_view call, Status status);

}  // namespace sinter::cuda
