// SPDX-License-Identifier: Apache-2.0
#pragma once

// The functions of AMD's HIP runtime that Sinter calls, found by dlopen, so that nothing links or includes HIP.
// Types and numbers follow the runtime's ABI. Compared with the headers of HIP 5.2.3, 6.3 and 7: every number here is
// the same in all three; only the struct of hipGetDeviceProperties differs (device_arch below).

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/dyn_lib.h"
#include "base/result.h"

namespace sinter::hip {

struct Module;    // ihipModule_t
struct Function;  // ihipModuleSymbol_t
struct Stream;    // ihipStream_t
struct Event;     // ihipEvent_t

/// hipError_t: the values that Sinter tells apart.
enum Status : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kNoDevice = 100,
  kInvalidDevice = 101,
  kInvalidImage = 200,
  kNoBinaryForGpu = 209,
  kInvalidKernelFile = 218,
  kNotFound = 500,
  kStreamCaptureImplicit = 906,  ///< Asked of the default stream: one that it waits for is captured.
};

/// hipDeviceAttribute_t.
enum DeviceAttribute : int {
  kClockKhz = 5,
  kMaxGridX = 29,
  kMaxGridY = 30,
  kMaxGridZ = 31,
  kMaxThreadsPerBlock = 56,
  kMaxThreadsPerMultiprocessor = 57,
  kMultiprocessorCount = 63,
  kMaxRegistersPerBlock = 71,
  kMaxSharedMemoryPerBlock = 74,
  kWarpSize = 87,
  kMaxSharedMemoryPerMultiprocessor = 10002,
  kPciChipId = 10020,  ///< HIP 7; older ones refuse it. (kPciDeviceId, 68, is the slot.)
};

/// hipFunction_attribute.
enum FunctionAttribute : int {
  kFunctionMaxThreadsPerBlock = 0,
  kFunctionSharedBytes = 1,
  kFunctionLocalBytes = 3,
  kFunctionRegisters = 4,
};

/// The beginning of sinter_simhip_counters (tools/simhip/simhip.h), with room for what a later simulator counts.
struct SimulatedCounters {
  std::uint64_t launches = 0, wave_instructions = 0;
  std::uint64_t others[30] = {};
};

/// hipStreamNonBlocking: no waiting for the default stream, and none of it for this one.
inline constexpr unsigned kStreamNonBlocking = 1;

/// hipMemcpyKind.
enum CopyKind : int { kHostToDevice = 1, kDeviceToHost = 2 };

/// The keys of hipModuleLaunchKernel's `extra` list.
inline constexpr std::uintptr_t kLaunchArgsPointer = 1, kLaunchArgsBytes = 2, kLaunchListEnd = 3;

/// The table. The functions that run kernels are always there. What describes devices and kernels, and events, may be
/// null: then it is unknown, or an error where it is asked for. Thread-safe: immutable after open_api.
struct Api {
  explicit Api(DynLib opened) : library(std::move(opened)) {}

  DynLib library;

  Status (*init)(unsigned flags) = nullptr;
  Status (*runtime_version)(int* version) = nullptr;
  const char* (*error_name)(Status status) = nullptr;
  const char* (*error_text)(Status status) = nullptr;
  Status (*last_error)() = nullptr;  ///< Optional. Returns and clears.

  Status (*device_count)(int* count) = nullptr;
  Status (*device_get)(int* ordinal) = nullptr;
  Status (*device_set)(int ordinal) = nullptr;
  Status (*device_synchronize)() = nullptr;
  Status (*stream_is_capturing)(Stream* stream, int* status) = nullptr;                     ///< Optional. 0: it is not.
  Status (*device_name)(char* name, int bytes, int ordinal) = nullptr;                      ///< Optional.
  Status (*device_attribute)(int* value, DeviceAttribute attribute, int ordinal) = nullptr;  ///< Optional.
  Status (*device_memory)(std::size_t* bytes, int ordinal) = nullptr;                       ///< Optional.
  Status (*device_pci_bus)(char* bus, int bytes, int ordinal) = nullptr;                    ///< Optional.
  Status (*device_properties_r0600)(void* properties, int ordinal) = nullptr;               ///< From HIP 6 on.
  Status (*device_properties)(void* properties, int ordinal) = nullptr;  ///< The layout of HIP 5 in every library.

  Status (*module_load)(Module** module, const void* image) = nullptr;
  Status (*module_unload)(Module* module) = nullptr;
  Status (*module_function)(Function** function, Module* module, const char* name) = nullptr;
  Status (*function_attribute)(int* value, FunctionAttribute attribute, Function* function) = nullptr;  ///< Optional.
  Status (*occupancy)(int* blocks, Function* function, int block_threads,
                      std::size_t dynamic_shared_bytes) = nullptr;  ///< Optional.
  Status (*launch)(Function* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned shared_bytes, Stream* stream, void** parameters,
                   void** extra) = nullptr;

  Status (*memory_allocate)(void** pointer, std::size_t bytes) = nullptr;
  Status (*memory_free)(void* pointer) = nullptr;
  Status (*memory_copy)(void* to, const void* from, std::size_t bytes, CopyKind kind) = nullptr;
  Status (*memory_range)(void** base, std::size_t* bytes, void* pointer) = nullptr;  ///< Optional.

  Status (*stream_create)(Stream** stream, unsigned flags) = nullptr;  ///< Streams: all of these or none.
  Status (*stream_destroy)(Stream* stream) = nullptr;
  Status (*stream_synchronize)(Stream* stream) = nullptr;
  Status (*copy_in)(void* to, const void* from, std::size_t bytes, CopyKind kind, Stream* stream) = nullptr;
  bool has_streams() const {
    return stream_create != nullptr && stream_destroy != nullptr && stream_synchronize != nullptr && copy_in != nullptr;
  }

  Status (*event_create)(Event** event) = nullptr;                          ///< Events: all of them or none.
  Status (*event_destroy)(Event* event) = nullptr;
  Status (*event_record)(Event* event, Stream* stream) = nullptr;
  Status (*event_synchronize)(Event* event) = nullptr;
  Status (*event_elapsed)(float* ms, Event* start, Event* stop) = nullptr;

  const int* simulated = nullptr;  ///< `sinter_simhip_simulated`: only a simulator exports it.
  const char* (*simulated_driver)() = nullptr;  ///< `sinter_simhip_driver`: likewise.
  void (*simulated_counters)(SimulatedCounters* counters) = nullptr;  ///< `sinter_simhip_get_counters`: likewise.
};

/// Opens the library and fills the table; initializes nothing. `library` overrides the search for
/// libamdhip64.so.{7,6,5}. Errors: kDriverError naming what was tried, or the first missing symbol.
Result<Api> open_api(const std::string& library);

/// "hipModuleLoadData failed: hipErrorNoBinaryForGpu (209), ...", as kDriverError. Clears the thread's last error,
/// which is now ours: the host, asking for the state of its own calls, must not find it.
Error call_error(const Api& api, std::string_view call, Status status);

/// True if a call that is allowed to fail did not; clears the thread's last error if it did.
bool succeeded(const Api& api, Status status);

/// "gfx942:sramecc+:xnack-", or empty where the library does not say.
std::string device_arch(const Api& api, int ordinal);

}  // namespace sinter::hip
