// SPDX-License-Identifier: Apache-2.0

// HIP's other ways to allocate, copy and fill memory. Device memory is the host's, and everything has happened when a
// function returns, so that most are other names of what hip_api.cpp has.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "tools/simhip/hip_session.h"

using namespace sinter::sim;

#pragma GCC visibility push(default)
extern "C" {

int hipMalloc(void** pointer, std::size_t bytes);
int hipFree(void* pointer);
int hipMemcpy(void* to, const void* from, std::size_t bytes, int kind);
int hipMemset(void* to, int value, std::size_t bytes);
int hipMemsetD32(void* to, int value, std::size_t count);

int hipMallocAsync(void** pointer, std::size_t bytes, Stream*) { return hipMalloc(pointer, bytes); }
int hipFreeAsync(void* pointer, Stream*) { return hipFree(pointer); }
int hipMallocManaged(void** pointer, std::size_t bytes, unsigned) { return hipMalloc(pointer, bytes); }
int hipExtMallocWithFlags(void** pointer, std::size_t bytes, unsigned) { return hipMalloc(pointer, bytes); }
int hipMallocHost(void** pointer, std::size_t bytes) { return hipMalloc(pointer, bytes); }
int hipHostAlloc(void** pointer, std::size_t bytes, unsigned) { return hipMalloc(pointer, bytes); }
int hipFreeHost(void* pointer) { return hipFree(pointer); }
int hipMemPrefetchAsync(const void*, std::size_t, int, Stream*) { return kHipSuccess; }
int hipMemAdvise(const void*, std::size_t, int, int) { return kHipSuccess; }

/// Rows begin at multiples of 256 bytes.
int hipMallocPitch(void** pointer, std::size_t* pitch, std::size_t width, std::size_t height) {
  constexpr std::size_t kRowAlignment = 256;
  *pitch = (width + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
  return hipMalloc(pointer, *pitch * height);
}

/// Of pinned memory the device's address is the host's.
int hipHostGetDevicePointer(void** device_pointer, void* host_pointer, unsigned) {
  *device_pointer = host_pointer;
  return kHipSuccess;
}

/// From now on kernels may touch it.
int hipHostRegister(void* pointer, std::size_t bytes, unsigned) {
  SimulatedDevice* const simulated = device();
  if (simulated == nullptr || pointer == nullptr || bytes == 0) {
    return simulated == nullptr ? kHipInvalidValue : failing(kHipInvalidValue, "there is no memory to register");
  }
  const auto begin = reinterpret_cast<std::uintptr_t>(pointer);
  simulated->memory().attach({begin, begin + bytes, true, 0});
  return kHipSuccess;
}

int hipHostUnregister(void* pointer) {
  SimulatedDevice* const simulated = device();
  if (simulated == nullptr) {
    return kHipInvalidValue;
  }
  simulated->memory().detach(reinterpret_cast<std::uintptr_t>(pointer));
  return kHipSuccess;
}

int hipMemcpyDtoDAsync(void* to, void* from, std::size_t bytes, Stream*) {
  constexpr int kDeviceToDevice = 3;
  return hipMemcpy(to, from, bytes, kDeviceToDevice);
}

int hipMemcpyWithStream(void* to, const void* from, std::size_t bytes, int kind, Stream*) {
  return hipMemcpy(to, from, bytes, kind);
}

int hipMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
                std::size_t height, int kind) {
  for (std::size_t row = 0; row < height; ++row) {
    const int status = hipMemcpy(static_cast<std::byte*>(to) + row * to_pitch,
                                 static_cast<const std::byte*>(from) + row * from_pitch, width, kind);
    if (status != kHipSuccess) {
      return status;
    }
  }
  return kHipSuccess;
}

int hipMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
                     std::size_t height, int kind, Stream*) {
  return hipMemcpy2D(to, to_pitch, from, from_pitch, width, height, kind);
}

int hipMemset2D(void* to, std::size_t pitch, int value, std::size_t width, std::size_t height) {
  for (std::size_t row = 0; row < height; ++row) {
    if (const int status = hipMemset(static_cast<std::byte*>(to) + row * pitch, value, width); status != kHipSuccess) {
      return status;
    }
  }
  return kHipSuccess;
}

int hipMemset2DAsync(void* to, std::size_t pitch, int value, std::size_t width, std::size_t height, Stream*) {
  return hipMemset2D(to, pitch, value, width, height);
}

int hipMemsetD8Async(void* to, unsigned char value, std::size_t bytes, Stream*) { return hipMemset(to, value, bytes); }
int hipMemsetD32Async(void* to, int value, std::size_t count, Stream*) { return hipMemsetD32(to, value, count); }

/// The first hipMemset tells whether the memory is there.
int hipMemsetD16(void* to, unsigned short value, std::size_t count) {
  const int status = hipMemset(to, 0, count * sizeof value);
  if (status == kHipSuccess) {
    std::fill_n(static_cast<unsigned short*>(to), count, value);
  }
  return status;
}

int hipMemsetD16Async(void* to, unsigned short value, std::size_t count, Stream*) {
  return hipMemsetD16(to, value, count);
}

}  // extern "C"
#pragma GCC visibility pop
