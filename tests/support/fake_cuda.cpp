// SPDX-License-Identifier: Apache-2.0

// libcuda.so.1 as far as runtime/device/cuda_api.cpp knows it. With FAKE_CUDA_OLD it lacks what came with CUDA 12.0 and
// 12.4.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string_view>

#include "tests/support/fake_gpu.h"

namespace {

using sinter::testing::FakeGpu;
using sinter::testing::FakeLaunch;
using sinter::testing::record;

constexpr int kInvalidValue = 1;
constexpr int kErrorLogBuffer = 5;

FakeGpu& fake() {
  static FakeGpu state;
  return state;
}

// The thread's stack of contexts; a context is an address.
thread_local std::vector<void*> context_stack;
int primary_contexts[64] = {};  // By ordinal.

std::map<std::uintptr_t, std::size_t> allocations;  // Guarded by the control block's mutex.

int called(const char* name) {
  if (fake().is_silent) {
    return 0;
  }
  const std::lock_guard lock(fake().mutex);
  return record(fake(), name);
}

struct LaunchConfig {
  unsigned grid[3], block[3], shared_bytes;
  void* stream;
  void* attributes;
  unsigned attribute_count;
};

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

FakeGpu* fake_gpu() { return &fake(); }

int cuInit(unsigned) { return called("cuInit"); }

int cuDriverGetVersion(int* version) {
  *version = 12040;
  return 0;
}

int cuGetErrorName(int status, const char** name) {
  static const std::map<int, const char*> names = {{1, "CUDA_ERROR_INVALID_VALUE"},
                                                   {2, "CUDA_ERROR_OUT_OF_MEMORY"},
                                                   {4, "CUDA_ERROR_DEINITIALIZED"},
                                                   {200, "CUDA_ERROR_INVALID_IMAGE"},
                                                   {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
                                                   {218, "CUDA_ERROR_INVALID_PTX"},
                                                   {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"},
                                                   {500, "CUDA_ERROR_NOT_FOUND"},
                                                   {719, "CUDA_ERROR_LAUNCH_FAILED"}};
  const auto found = names.find(status);
  *name = found == names.end() ? nullptr : found->second;
  return found == names.end() ? kInvalidValue : 0;
}

int cuGetErrorString(int, const char** text) {
  *text = "a fake error";
  return 0;
}

int cuDeviceGetCount(int* count) {
  const std::lock_guard lock(fake().mutex);
  *count = fake().device_count;
  return record(fake(), "cuDeviceGetCount");
}

int cuDeviceGet(int* device, int ordinal) {
  *device = 10 + ordinal;  // A handle is not an ordinal.
  return 0;
}

int cuDeviceGetName(char* name, int bytes, int) {
  std::strncpy(name, "Fake H200", static_cast<std::size_t>(bytes));
  return 0;
}

int cuDeviceGetAttribute(int* value, int attribute, int) {
  const std::lock_guard lock(fake().mutex);
  const int capability = fake().compute_capability;
  const std::map<int, int> values = {{1, 1024},   {5, 0x7fffffff}, {6, 65535},           {7, 65535},
                                     {10, 32},    {12, 65536},     {16, 132},            {39, 2048},
                                     {81, 233472}, {97, 232448},   {75, capability / 10}, {76, capability % 10}};
  const auto found = values.find(attribute);
  if (found == values.end()) {
    return kInvalidValue;
  }
  *value = found->second;
  return 0;
}

int cuDeviceTotalMem_v2(std::size_t* bytes, int) {
  *bytes = std::size_t{141} << 30;
  return 0;
}

int cuDeviceGetPCIBusId(char* bus, int bytes, int) {
  std::strncpy(bus, "00000000:1B:00.0", static_cast<std::size_t>(bytes));
  return 0;
}

int cuDevicePrimaryCtxRetain(void** context, int device) {
  const std::lock_guard lock(fake().mutex);
  if (const int status = record(fake(), "cuDevicePrimaryCtxRetain"); status != 0) {
    return status;
  }
  ++fake().primary_references;
  *context = &primary_contexts[device - 10];
  return 0;
}

int cuDevicePrimaryCtxRelease_v2(int) {
  const std::lock_guard lock(fake().mutex);
  --fake().primary_references;
  return record(fake(), "cuDevicePrimaryCtxRelease");
}

int cuCtxGetCurrent(void** context) {
  *context = context_stack.empty() ? nullptr : context_stack.back();
  return 0;
}

int cuCtxSetCurrent(void* context) {
  if (!context_stack.empty()) {
    context_stack.pop_back();
  }
  if (context != nullptr) {
    context_stack.push_back(context);
  }
  return called("cuCtxSetCurrent");
}

int cuCtxPushCurrent_v2(void* context) {
  const int status = called("cuCtxPushCurrent");
  if (status == 0) {
    context_stack.push_back(context);
  }
  return status;
}

int cuCtxPopCurrent_v2(void** context) {
  *context = context_stack.back();
  context_stack.pop_back();
  return called("cuCtxPopCurrent");
}

int cuCtxSynchronize() { return called("cuCtxSynchronize"); }

int cuStreamIsCapturing(void*, int* status) {
  const std::lock_guard lock(fake().mutex);
  *status = fake().capturing;
  return fake().capture_status;
}

int cuThreadExchangeStreamCaptureMode(int* mode) {
  static thread_local int current = 0;
  std::swap(*mode, current);
  return called(current == 2 ? "capture relaxed" : "capture restored");
}

int cuModuleLoadDataEx(void** module, const void* image, unsigned option_count, int* options, void** values) {
  const std::lock_guard lock(fake().mutex);
  static_cast<void>(std::strlen(static_cast<const char*>(image)));  // PTX: read to its end, under AddressSanitizer too.
  if (const int status = record(fake(), "cuModuleLoadDataEx"); status != 0) {
    for (unsigned i = 0; i < option_count; ++i) {
      if (options[i] == kErrorLogBuffer) {
        std::strcpy(static_cast<char*>(values[i]), fake().jit_log.c_str());
      }
    }
    return status;
  }
  ++fake().live_modules;
  *module = &fake();
  return 0;
}

int cuModuleUnload(void*) {
  const std::lock_guard lock(fake().mutex);
  --fake().live_modules;
  return record(fake(), "cuModuleUnload");
}

int cuModuleGetFunction(void** function, void*, const char*) {
  *function = &fake();
  return called("cuModuleGetFunction");
}

int cuFuncGetAttribute(int* value, int attribute, void*) {
  const std::lock_guard lock(fake().mutex);
  const std::map<int, int> values = {{0, 512}, {1, 1024}, {3, fake().local_bytes}, {4, 168}, {8, fake().max_dynamic_shared_bytes}};
  *value = values.at(attribute);
  return 0;
}

int cuFuncSetAttribute(void*, int attribute, int value) {
  const std::lock_guard lock(fake().mutex);
  const int status = record(fake(), "cuFuncSetAttribute");
  if (status == 0 && attribute == 8) {
    fake().max_dynamic_shared_bytes = value;
  }
  return status;
}

int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void*, int, std::size_t) {
  const std::lock_guard lock(fake().mutex);
  *blocks = fake().blocks_per_unit;
  return record(fake(), "cuOccupancyMaxActiveBlocksPerMultiprocessor");
}

#ifndef FAKE_CUDA_OLD
int cuFuncLoad(void*) { return called("cuFuncLoad"); }

int cuFuncGetParamInfo(void*, std::size_t index, std::size_t* offset, std::size_t* bytes) {
  const std::lock_guard lock(fake().mutex);
  if (index > 0) {
    return kInvalidValue;
  }
  *offset = fake().args_offset;
  *bytes = fake().args_bytes;
  return 0;
}

// A fake map is the address, then the rank, the type and the first size, stride and side of the box.
int cuTensorMapEncodeTiled(void* map, int type, std::uint32_t rank, void* address, const std::uint64_t* sizes,
                           const std::uint64_t* strides, const std::uint32_t* box, const std::uint32_t*, int, int, int,
                           int) {
  const std::uint64_t words[16] = {reinterpret_cast<std::uintptr_t>(address), rank,      static_cast<unsigned>(type),
                                   sizes[0],                                  strides[0], box[0]};
  if (reinterpret_cast<std::uintptr_t>(map) % 64 != 0 || context_stack.empty()) {
    return kInvalidValue;
  }
  std::memcpy(map, words, sizeof words);
  return called("cuTensorMapEncodeTiled");
}

int cuTensorMapReplaceAddress(void* map, void* address) {
  if (reinterpret_cast<std::uintptr_t>(map) % 64 != 0 || context_stack.empty()) {
    return kInvalidValue;
  }
  std::memcpy(map, &address, sizeof address);
  return called("cuTensorMapReplaceAddress");
}
#endif

int cuLaunchKernelEx(const void* config_pointer, void*, void** parameters, void**) {
  LaunchConfig config{};
  std::memcpy(&config, config_pointer, sizeof(config));
  if (fake().on_launch) {
    fake().on_launch(config.stream);
  }
  if (fake().is_silent) {
    return 0;
  }
  const std::lock_guard lock(fake().mutex);
  if (const int status = record(fake(), "cuLaunchKernelEx"); status != 0) {
    return status;
  }
  FakeLaunch launch;
  std::memcpy(launch.grid, config.grid, sizeof(launch.grid));
  std::memcpy(launch.block, config.block, sizeof(launch.block));
  launch.dynamic_shared_bytes = config.shared_bytes;
  launch.stream = config.stream;
  launch.args.assign(static_cast<const char*>(parameters[0]), fake().args_bytes);
  launch.context = context_stack.empty() ? nullptr : context_stack.back();
  fake().launches.push_back(launch);
  return 0;
}

int cuMemAlloc_v2(unsigned long long* address, std::size_t bytes) {
  const std::lock_guard lock(fake().mutex);
  if (const int status = record(fake(), "cuMemAlloc"); status != 0) {
    return status;
  }
  if (bytes == 0) {
    return kInvalidValue;
  }
  *address = reinterpret_cast<std::uintptr_t>(std::malloc(bytes));
  allocations[*address] = bytes;
  ++fake().live_buffers;
  return 0;
}

int cuMemFree_v2(unsigned long long address) {
  const std::lock_guard lock(fake().mutex);
  allocations.erase(address);
  std::free(reinterpret_cast<void*>(address));
  --fake().live_buffers;
  return record(fake(), "cuMemFree");
}

int cuMemGetAddressRange_v2(unsigned long long* base, std::size_t* bytes, unsigned long long address) {
  const std::lock_guard lock(fake().mutex);
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin() || std::prev(after)->first + std::prev(after)->second <= address) {
    return kInvalidValue;
  }
  *base = std::prev(after)->first;
  *bytes = std::prev(after)->second;
  return 0;
}

int cuMemcpyHtoD_v2(unsigned long long to, const void* from, std::size_t bytes) {
  std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  return called("cuMemcpyHtoD");
}

int cuMemcpyDtoH_v2(void* to, unsigned long long from, std::size_t bytes) {
  std::memcpy(to, reinterpret_cast<void*>(from), bytes);
  return called("cuMemcpyDtoH");
}

int cuStreamCreate(void** stream, unsigned flags) {
  const std::lock_guard lock(fake().mutex);
  *stream = &fake();
  ++fake().live_streams;
  return record(fake(), flags == 1 ? "cuStreamCreate non-blocking" : "cuStreamCreate");
}

int cuStreamDestroy_v2(void*) {
  const std::lock_guard lock(fake().mutex);
  --fake().live_streams;
  return record(fake(), "cuStreamDestroy");
}

int cuStreamSynchronize(void*) { return called("cuStreamSynchronize"); }

int cuMemcpyHtoDAsync_v2(unsigned long long to, const void* from, std::size_t bytes, void*) {
  std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  return called("cuMemcpyHtoDAsync");
}

int cuMemcpyDtoHAsync_v2(void* to, unsigned long long from, std::size_t bytes, void*) {
  std::memcpy(to, reinterpret_cast<void*>(from), bytes);
  return called("cuMemcpyDtoHAsync");
}

int cuEventCreate(void** event, unsigned) {
  const std::lock_guard lock(fake().mutex);
  *event = &fake();
  ++fake().live_events;
  return record(fake(), "cuEventCreate");
}

int cuEventDestroy_v2(void*) {
  const std::lock_guard lock(fake().mutex);
  --fake().live_events;
  return record(fake(), "cuEventDestroy");
}

int cuEventRecord(void*, void*) { return called("cuEventRecord"); }
int cuEventSynchronize(void*) { return called("cuEventSynchronize"); }

int cuEventElapsedTime(float* ms, void*, void*) {
  *ms = 1.5F;
  return called("cuEventElapsedTime");
}

}  // extern "C"
#pragma GCC visibility pop
