// SPDX-License-Identifier: Apache-2.0

// libamdhip64.so as far as runtime/device/hip_api.cpp knows it. FAKE_HIP_VERSION chooses what it exports: 5 has the old
// device properties alone, 6 the new ones too, 7 also answers the attribute of the PCI chip id and is a "simulator".

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include "tests/support/fake_gpu.h"

namespace {

using sinter::testing::FakeGpu;
using sinter::testing::FakeLaunch;
using sinter::testing::record;

constexpr int kInvalidValue = 1;
constexpr int kInvalidDevice = 101;

// Sizes of hipDeviceProp_t and offsets of gcnArchName in the headers of HIP 5.2.3 and 6.3.
constexpr std::size_t kOldBytes = 792, kOldArch = 396;
constexpr std::size_t kNewBytes = 1472, kNewArch = 1160;

FakeGpu& fake() {
  static FakeGpu state;
  return state;
}

thread_local int current_device = 0;
std::map<std::uintptr_t, std::size_t> allocations;  // Guarded by the control block's mutex.

/// As the real library: a failed call is the thread's last error until someone asks for it.
int failing(int status) {
  if (status != 0) {
    fake().last_error = status;
  }
  return status;
}

int called(const char* name) {
  const std::lock_guard lock(fake().mutex);
  return failing(record(fake(), name));
}

int write_properties(void* properties, std::size_t bytes, std::size_t arch_offset) {
  const std::lock_guard lock(fake().mutex);
  std::memset(properties, 0x2a, bytes);
  std::strcpy(static_cast<char*>(properties) + arch_offset, fake().arch.c_str());
  return failing(record(fake(), "hipGetDeviceProperties"));
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

FakeGpu* fake_gpu() { return &fake(); }

#if FAKE_HIP_VERSION >= 7
int sinter_simhip_simulated = 1;
#endif

int hipInit(unsigned) { return called("hipInit"); }

int hipRuntimeGetVersion(int* version) {
  *version = FAKE_HIP_VERSION * 10000000 + 443482;
  return 0;
}

const char* hipGetErrorName(int status) {
  static const std::map<int, const char*> names = {{2, "hipErrorOutOfMemory"},     {200, "hipErrorInvalidImage"},
                                                   {209, "hipErrorNoBinaryForGpu"}, {500, "hipErrorNotFound"},
                                                   {719, "hipErrorLaunchFailure"}};
  const auto found = names.find(status);
  return found == names.end() ? "hipErrorUnknown" : found->second;
}

const char* hipGetErrorString(int) { return "a fake error"; }

int hipGetLastError() {
  const std::lock_guard lock(fake().mutex);
  return std::exchange(fake().last_error, 0);
}

int hipGetDeviceCount(int* count) {
  const std::lock_guard lock(fake().mutex);
  *count = fake().device_count;
  return failing(record(fake(), "hipGetDeviceCount"));
}

int hipGetDevice(int* ordinal) {
  *ordinal = current_device;
  const std::lock_guard lock(fake().mutex);
  const auto failure = fake().failures.find("hipGetDevice");  // Called too often to be recorded.
  return failure == fake().failures.end() ? 0 : failing(failure->second);
}

int hipSetDevice(int ordinal) {
  const std::lock_guard lock(fake().mutex);
  if (ordinal < 0 || ordinal >= fake().device_count) {
    return failing(kInvalidDevice);
  }
  current_device = ordinal;
  return failing(record(fake(), ordinal == 0 ? "hipSetDevice 0" : "hipSetDevice 1"));
}

int hipDeviceSynchronize() { return called("hipDeviceSynchronize"); }

int hipDeviceGetName(char* name, int bytes, int) {
  std::strncpy(name, "Fake MI300X", static_cast<std::size_t>(bytes));
  return 0;
}

int hipDeviceGetAttribute(int* value, int attribute, int) {
  std::map<int, int> values = {{29, 0x7fffffff}, {30, 65536}, {31, 65536}, {56, 1024}, {57, 2048},
                               {63, 304},        {71, 65536}, {74, 65536}, {87, 64},   {10002, 65536}};
#if FAKE_HIP_VERSION >= 7
  values[10020] = 0x74a1;
#endif
  const std::lock_guard lock(fake().mutex);
  const auto found = values.find(attribute);
  if (found == values.end()) {
    return failing(kInvalidValue);
  }
  *value = found->second;
  return 0;
}

int hipDeviceTotalMem(std::size_t* bytes, int) {
  *bytes = std::size_t{192} << 30;
  return 0;
}

int hipDeviceGetPCIBusId(char* bus, int bytes, int) {
  std::strncpy(bus, "0000:C1:00.0", static_cast<std::size_t>(bytes));
  return 0;
}

int hipGetDeviceProperties(void* properties, int) { return write_properties(properties, kOldBytes, kOldArch); }

#if FAKE_HIP_VERSION >= 6
int hipGetDevicePropertiesR0600(void* properties, int) { return write_properties(properties, kNewBytes, kNewArch); }
#endif

int hipModuleLoadData(void** module, const void*) {
  const std::lock_guard lock(fake().mutex);
  if (const int status = record(fake(), "hipModuleLoadData"); status != 0) {
    return failing(status);
  }
  ++fake().live_modules;
  *module = &fake();
  return 0;
}

int hipModuleUnload(void*) {
  const std::lock_guard lock(fake().mutex);
  --fake().live_modules;
  return failing(record(fake(), "hipModuleUnload"));
}

int hipModuleGetFunction(void** function, void*, const char*) {
  *function = &fake();
  return called("hipModuleGetFunction");
}

int hipFuncGetAttribute(int* value, int attribute, void*) {
  const std::map<int, int> values = {{0, 256}, {1, 32768}, {3, 8}, {4, 128}};
  *value = values.at(attribute);
  return 0;
}

int hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void*, int, std::size_t) {
  const std::lock_guard lock(fake().mutex);
  *blocks = fake().blocks_per_unit;
  return failing(record(fake(), "hipModuleOccupancyMaxActiveBlocksPerMultiprocessor"));
}

int hipModuleLaunchKernel(void*, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                          unsigned block_z, unsigned shared_bytes, void* stream, void** parameters, void** extra) {
  const std::lock_guard lock(fake().mutex);
  if (const int status = record(fake(), "hipModuleLaunchKernel"); status != 0) {
    return failing(status);
  }
  const auto key = [&](int index) { return reinterpret_cast<std::uintptr_t>(extra[index]); };
  if (parameters != nullptr || extra == nullptr || key(0) != 1 || key(2) != 2 || key(4) != 3) {
    return failing(kInvalidValue);
  }
  FakeLaunch launch{{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes, stream, {}, nullptr, 0};
  launch.args.assign(static_cast<const char*>(extra[1]), *static_cast<const std::size_t*>(extra[3]));
  launch.device = current_device;
  fake().launches.push_back(launch);
  return 0;
}

int hipMalloc(void** pointer, std::size_t bytes) {
  const std::lock_guard lock(fake().mutex);
  if (const int status = record(fake(), "hipMalloc"); status != 0) {
    return failing(status);
  }
  *pointer = bytes == 0 ? nullptr : std::malloc(bytes);
  allocations[reinterpret_cast<std::uintptr_t>(*pointer)] = bytes;
  ++fake().live_buffers;
  return 0;
}

int hipFree(void* pointer) {
  const std::lock_guard lock(fake().mutex);
  allocations.erase(reinterpret_cast<std::uintptr_t>(pointer));
  std::free(pointer);
  --fake().live_buffers;
  return failing(record(fake(), "hipFree"));
}

int hipMemcpy(void* to, const void* from, std::size_t bytes, int kind) {
  std::memcpy(to, from, bytes);
  return called(kind == 1 ? "hipMemcpy to device" : "hipMemcpy to host");
}

int hipMemGetAddressRange(void** base, std::size_t* bytes, void* pointer) {
  const std::lock_guard lock(fake().mutex);
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin() || std::prev(after)->first + std::prev(after)->second <= address) {
    return failing(kInvalidValue);
  }
  *base = reinterpret_cast<void*>(std::prev(after)->first);
  *bytes = std::prev(after)->second;
  return 0;
}

#if FAKE_HIP_VERSION >= 6
int hipStreamCreateWithFlags(void** stream, unsigned flags) {
  const std::lock_guard lock(fake().mutex);
  *stream = &fake();
  ++fake().live_streams;
  return failing(record(fake(), flags == 1 ? "hipStreamCreate non-blocking" : "hipStreamCreate"));
}

int hipStreamDestroy(void*) {
  const std::lock_guard lock(fake().mutex);
  --fake().live_streams;
  return failing(record(fake(), "hipStreamDestroy"));
}

int hipStreamSynchronize(void*) { return called("hipStreamSynchronize"); }

int hipMemcpyAsync(void* to, const void* from, std::size_t bytes, int kind, void*) {
  std::memcpy(to, from, bytes);
  return called(kind == 1 ? "hipMemcpyAsync to device" : "hipMemcpyAsync to host");
}

int hipEventCreate(void** event) {
  const std::lock_guard lock(fake().mutex);
  *event = &fake();
  ++fake().live_events;
  return failing(record(fake(), "hipEventCreate"));
}

int hipEventDestroy(void*) {
  const std::lock_guard lock(fake().mutex);
  --fake().live_events;
  return failing(record(fake(), "hipEventDestroy"));
}

int hipEventRecord(void*, void*) { return called("hipEventRecord"); }
int hipEventSynchronize(void*) { return called("hipEventSynchronize"); }

int hipEventElapsedTime(float* ms, void*, void*) {
  *ms = 2.5F;
  return called("hipEventElapsedTime");
}
#endif

}  // extern "C"
#pragma GCC visibility pop
