// SPDX-License-Identifier: Apache-2.0

// HIP's other functions about streams, events, contexts and devices. There is one device and one order of things; what
// would change speed alone is accepted and does nothing.

#include <cstddef>
#include <cstring>

#include <fmt/format.h>

#include "tools/simhip/hip_session.h"

using namespace sinter::sim;

#pragma GCC visibility push(default)
extern "C" {

int hipStreamCreate(Stream** stream);
int hipEventRecord(Event* event, Stream* stream);
int hipModuleLaunchKernel(const Function* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                          unsigned block_y, unsigned block_z, unsigned dynamic_lds_bytes, Stream* stream,
                          void** parameters, void** extra);

int hipStreamCreateWithPriority(Stream** stream, unsigned, int) { return hipStreamCreate(stream); }

int hipStreamGetPriority(Stream*, int* priority) {
  *priority = 0;
  return kHipSuccess;
}

int hipStreamGetFlags(Stream*, unsigned* flags) {
  *flags = 0;
  return kHipSuccess;
}

int hipStreamGetDevice(Stream*, int* device) {
  *device = 0;
  return kHipSuccess;
}

int hipDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = *greatest = 0;
  return kHipSuccess;
}

/// Graphs are not simulated: no stream is ever captured.
int hipStreamIsCapturing(Stream*, int* status) {
  *status = 0;
  return kHipSuccess;
}

int hipStreamBeginCapture(Stream*, int) { return failing(kHipNotSupported, "graphs are not simulated"); }

int hipStreamAddCallback(Stream* stream, void (*callback)(Stream*, int, void*), void* data, unsigned) {
  callback(stream, kHipSuccess, data);
  return kHipSuccess;
}

int hipLaunchHostFunc(Stream*, void (*function)(void*), void* data) {
  function(data);
  return kHipSuccess;
}

int hipEventRecordWithFlags(Event* event, Stream* stream, unsigned) { return hipEventRecord(event, stream); }

// Contexts: the one of the device.
int hipCtxCreate(void** context, unsigned, int) {
  *context = device();
  return *context != nullptr ? kHipSuccess : kHipInvalidValue;
}
int hipCtxDestroy(void*) { return kHipSuccess; }
int hipCtxSetCurrent(void*) { return kHipSuccess; }
int hipCtxPushCurrent(void*) { return kHipSuccess; }
int hipCtxGetCurrent(void** context) { return hipCtxCreate(context, 0, 0); }
int hipCtxPopCurrent(void** context) { return hipCtxCreate(context, 0, 0); }
int hipDevicePrimaryCtxRetain(void** context, int) { return hipCtxCreate(context, 0, 0); }
int hipDevicePrimaryCtxRelease(int) { return kHipSuccess; }

int hipSetDeviceFlags(unsigned) { return kHipSuccess; }
int hipGetDeviceFlags(unsigned* flags) {
  *flags = 0;
  return kHipSuccess;
}
int hipDeviceSetCacheConfig(int) { return kHipSuccess; }
int hipFuncSetCacheConfig(const void*, int) { return kHipSuccess; }
int hipFuncSetAttribute(const void*, int, int) { return kHipSuccess; }
int hipProfilerStart() { return kHipSuccess; }
int hipProfilerStop() { return kHipSuccess; }

int hipDeviceCanAccessPeer(int* can, int, int) {
  *can = 0;
  return kHipSuccess;
}

/// As the runtime derives it from the arch: gfx942 is 9.4.
int hipDeviceComputeCapability(int* major, int* minor, int) {
  const SimulatedDevice* const simulated = device();
  if (simulated == nullptr) {
    return kHipInvalidValue;
  }
  *major = simulated->arch()[3] - '0';
  *minor = simulated->arch()[4] - '0';
  return kHipSuccess;
}

struct hipUUID {
  char bytes[16];
};

int hipDeviceGetUuid(hipUUID* uuid, int) {
  std::memcpy(uuid->bytes, "GPU-simulated-00", sizeof uuid->bytes);
  return kHipSuccess;
}

int hipDrvGetErrorName(int status, const char** name) {
  *name = status_name(status);
  return kHipSuccess;
}

int hipDrvGetErrorString(int status, const char** text) {
  *text = status_text(status);
  return kHipSuccess;
}

/// Global sizes are in threads. The events are recorded before and after.
int hipExtModuleLaunchKernel(const Function* function, unsigned threads_x, unsigned threads_y, unsigned threads_z,
                             unsigned block_x, unsigned block_y, unsigned block_z, std::size_t dynamic_lds_bytes,
                             Stream* stream, void** parameters, void** extra, Event* start, Event* stop, unsigned) {
  if (block_x == 0 || block_y == 0 || block_z == 0 || threads_x % block_x != 0 || threads_y % block_y != 0 ||
      threads_z % block_z != 0) {
    return failing(kHipInvalidConfiguration, "the threads are no whole blocks, which is not simulated");
  }
  if (start != nullptr) {
    hipEventRecord(start, stream);
  }
  const int status = hipModuleLaunchKernel(function, threads_x / block_x, threads_y / block_y, threads_z / block_z,
                                           block_x, block_y, block_z, static_cast<unsigned>(dynamic_lds_bytes), stream,
                                           parameters, extra);
  if (stop != nullptr) {
    hipEventRecord(stop, stream);
  }
  return status;
}

}  // extern "C"
#pragma GCC visibility pop
