// SPDX-License-Identifier: Apache-2.0

// HIP's C functions about devices, memory, streams and events: those that Sinter and small programs of the module API
// call. Everything has finished when its function returns; what a kernel did wrong is told by the next call that waits,
// as on a device. The signatures are HIP's; compared with the headers of 5.2.3.

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include <fmt/format.h>

#include "tools/simhip/hip_properties.h"
#include "tools/simhip/hip_session.h"

using namespace sinter::sim;

namespace {

constexpr int kHostToHost = 0, kHostToDevice = 1, kDeviceToHost = 2, kDeviceToDevice = 3, kDefault = 4;
constexpr int kRuntimeVersion = 60443482;  // HIP 6.4

/// For calls that only need the device.
template <class Call>
int with_device(const Call& call) {
  SimulatedDevice* const simulated = device();
  return simulated != nullptr ? call(*simulated) : kHipInvalidValue;
}

HipStatus check_ordinal(int ordinal) {
  return ordinal == 0 ? kHipSuccess : failing(kHipInvalidDevice, fmt::format("device {} of 1", ordinal));
}

/// Whether device memory of that size is there.
HipStatus check_device_side(SimulatedDevice& simulated, const void* pointer, std::size_t bytes) {
  const auto range = simulated.memory().find(pointer);
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  if (bytes == 0 || (range && range->holds(address, bytes))) {
    return kHipSuccess;
  }
  return failing(kHipInvalidValue, fmt::format("{} bytes at {} are not inside one allocation", bytes, pointer));
}

void copy_text(char* to, std::size_t bytes, std::string_view text) {
  if (bytes == 0) {
    return;
  }
  const std::size_t kept = std::min(bytes - 1, text.size());
  std::memcpy(to, text.data(), kept);
  to[kept] = '\0';
}

int properties(void* to, int ordinal, PropertiesLayout layout) {
  return with_device([&](SimulatedDevice& simulated) -> int {
    if (const HipStatus status = check_ordinal(ordinal); status != kHipSuccess) {
      return status;
    }
    write_properties(simulated.caps(), layout, to);
    return kHipSuccess;
  });
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

extern const int sinter_simhip_simulated = 1;

int sinter_simhip_select(const char* name, char* problem, std::uint64_t bytes) {
  const sinter::Result<void> selected = select_device(name);
  if (!selected) {
    copy_text(problem, bytes, selected.error().message);
  }
  return selected ? 0 : 1;
}

const char* sinter_simhip_driver(void) { return simulated_driver(); }

void sinter_simhip_get_counters(sinter_simhip_counters* counters) {
  const SimulatedDevice* const simulated = device();
  *counters = simulated != nullptr ? simulated->counters() : sinter_simhip_counters{};
}

void sinter_simhip_get_fault(char* text, std::uint64_t bytes) {
  const SimulatedDevice* const simulated = device();
  const auto fault = simulated != nullptr ? simulated->fault() : std::nullopt;
  copy_text(text, bytes, fault ? fault->message : std::string());
}

void sinter_simhip_set_checks(std::uint32_t checks) {
  if (SimulatedDevice* const simulated = device(); simulated != nullptr) {
    simulated->set_checks(checks);
  }
}

void sinter_simhip_fault_on_unwritten_lds(int on) {
  if (SimulatedDevice* const simulated = device(); simulated != nullptr) {
    const std::uint32_t others = simulated->checks() & ~std::uint32_t{kCheckUnwrittenLds};
    simulated->set_checks(others | (on != 0 ? kCheckUnwrittenLds : 0U));
  }
}

void sinter_simhip_set_preemption(std::uint32_t one_in, std::uint32_t seed, int fixed_handler) {
  if (SimulatedDevice* const simulated = device(); simulated != nullptr) {
    const TrapHandler handler = fixed_handler != 0 ? TrapHandler::kFixed : TrapHandler::kOld;
    simulated->set_preemption({.one_in = one_in, .seed = seed, .handler = handler});
  }
}

int hipInit(unsigned) {
  return with_device([](SimulatedDevice&) -> int { return kHipSuccess; });
}

int hipRuntimeGetVersion(int* version) {
  *version = kRuntimeVersion;
  return kHipSuccess;
}

int hipDriverGetVersion(int* version) { return hipRuntimeGetVersion(version); }
const char* hipGetErrorName(int status) { return status_name(status); }
const char* hipGetErrorString(int status) { return status_text(status); }
int hipGetLastError() { return take_last_error(); }
int hipPeekAtLastError() { return last_error(); }

int hipGetDeviceCount(int* count) {
  return with_device([count](SimulatedDevice&) -> int {
    *count = 1;
    return kHipSuccess;
  });
}

int hipGetDevice(int* ordinal) {
  *ordinal = 0;
  return kHipSuccess;
}

int hipSetDevice(int ordinal) { return check_ordinal(ordinal); }

int hipDeviceSynchronize() {
  return with_device([](SimulatedDevice& simulated) -> int { return device_status(simulated); });
}

/// Forgets a fault; memory stays.
int hipDeviceReset() {
  return with_device([](SimulatedDevice& simulated) -> int {
    simulated.reset();
    return kHipSuccess;
  });
}

int hipDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return check_ordinal(ordinal);
}

int hipDeviceGetName(char* name, int bytes, int ordinal) {
  return with_device([&](SimulatedDevice& simulated) -> int {
    const auto& caps = simulated.caps();
    copy_text(name, static_cast<std::size_t>(bytes), caps.aliases.empty() ? caps.name : caps.aliases.front());
    return check_ordinal(ordinal);
  });
}

int hipDeviceGetAttribute(int* value, int attribute, int ordinal) {
  return with_device([&](SimulatedDevice& simulated) -> int {
    const auto found = device_attribute(simulated.caps(), attribute);
    *value = found.value_or(0);
    return found ? check_ordinal(ordinal)
                 : failing(kHipInvalidValue, fmt::format("attribute {} is not simulated", attribute));
  });
}

int hipDeviceTotalMem(std::size_t* bytes, int ordinal) {
  return with_device([&](SimulatedDevice& simulated) -> int {
    *bytes = static_cast<std::size_t>(simulated.caps().memory_bytes.value.value_or(0));
    return check_ordinal(ordinal);
  });
}

/// A bus that no machine has, so that nobody takes another device's data from sysfs for this one's.
int hipDeviceGetPCIBusId(char* bus, int bytes, int ordinal) {
  copy_text(bus, static_cast<std::size_t>(bytes), "ffff:00:00.0");
  return check_ordinal(ordinal);
}

int hipGetDeviceProperties(void* to, int ordinal) { return properties(to, ordinal, PropertiesLayout::kHip5); }
int hipGetDevicePropertiesR0600(void* to, int ordinal) { return properties(to, ordinal, PropertiesLayout::kHip6); }

int hipMalloc(void** pointer, std::size_t bytes) {
  return with_device([&](SimulatedDevice& simulated) -> int {
    *pointer = bytes == 0 ? nullptr : simulated.memory().allocate(bytes);
    return *pointer != nullptr || bytes == 0 ? kHipSuccess : failing(kHipOutOfMemory);
  });
}

int hipFree(void* pointer) {
  return with_device([&](SimulatedDevice& simulated) -> int {
    return simulated.memory().release(pointer) ? kHipSuccess
                                               : failing(kHipInvalidValue, "the pointer is not hipMalloc's");
  });
}

int hipMemcpy(void* to, const void* from, std::size_t bytes, int kind) {
  return with_device([&](SimulatedDevice& simulated) -> int {
    if (kind < kHostToHost || kind > kDefault) {
      return failing(kHipInvalidValue, fmt::format("{} is no kind of copy", kind));
    }
    HipStatus status = device_status(simulated);
    if (status == kHipSuccess && (kind == kHostToDevice || kind == kDeviceToDevice)) {
      status = check_device_side(simulated, to, bytes);
    }
    if (status == kHipSuccess && (kind == kDeviceToHost || kind == kDeviceToDevice)) {
      status = check_device_side(simulated, from, bytes);
    }
    if (status == kHipSuccess && bytes != 0) {
      std::memmove(to, from, bytes);
    }
    return status;
  });
}

int hipMemcpyAsync(void* to, const void* from, std::size_t bytes, int kind, Stream*) {
  return hipMemcpy(to, from, bytes, kind);
}

int hipMemcpyHtoD(void* to, void* from, std::size_t bytes) { return hipMemcpy(to, from, bytes, kHostToDevice); }
int hipMemcpyDtoH(void* to, void* from, std::size_t bytes) { return hipMemcpy(to, from, bytes, kDeviceToHost); }
int hipMemcpyDtoD(void* to, void* from, std::size_t bytes) { return hipMemcpy(to, from, bytes, kDeviceToDevice); }
int hipMemcpyHtoDAsync(void* to, void* from, std::size_t bytes, Stream*) { return hipMemcpyHtoD(to, from, bytes); }
int hipMemcpyDtoHAsync(void* to, void* from, std::size_t bytes, Stream*) { return hipMemcpyDtoH(to, from, bytes); }

int hipMemset(void* to, int value, std::size_t bytes) {
  return with_device([&](SimulatedDevice& simulated) -> int {
    const HipStatus status = check_device_side(simulated, to, bytes);
    if (status == kHipSuccess && bytes != 0) {
      std::memset(to, value, bytes);
    }
    return status;
  });
}

int hipMemsetAsync(void* to, int value, std::size_t bytes, Stream*) { return hipMemset(to, value, bytes); }
int hipMemsetD8(void* to, unsigned char value, std::size_t bytes) { return hipMemset(to, value, bytes); }

int hipMemsetD32(void* to, int value, std::size_t count) {
  return with_device([&](SimulatedDevice& simulated) -> int {
    const HipStatus status = check_device_side(simulated, to, count * sizeof value);
    if (status == kHipSuccess) {
      std::fill_n(static_cast<int*>(to), count, value);
    }
    return status;
  });
}

/// The device's memory is the host's: pinned memory is an allocation like others.
int hipHostMalloc(void** pointer, std::size_t bytes, unsigned) { return hipMalloc(pointer, bytes); }
int hipHostFree(void* pointer) { return hipFree(pointer); }

int hipMemGetInfo(std::size_t* free, std::size_t* total) {
  const int status = hipDeviceTotalMem(total, 0);
  *free = *total;
  return status;
}

int hipMemGetAddressRange(void** base, std::size_t* bytes, void* pointer) {
  return with_device([&](SimulatedDevice& simulated) -> int {
    const auto range = simulated.memory().find(pointer);
    if (!range) {
      return failing(kHipInvalidValue, fmt::format("{} is in no allocation", pointer));
    }
    *base = reinterpret_cast<void*>(range->begin);
    *bytes = range->end - range->begin;
    return kHipSuccess;
  });
}

int hipStreamCreate(Stream** stream) {
  *stream = new (std::nothrow) Stream;
  return *stream != nullptr ? kHipSuccess : failing(kHipOutOfMemory);
}

int hipStreamCreateWithFlags(Stream** stream, unsigned) { return hipStreamCreate(stream); }
int hipStreamQuery(Stream*) { return hipDeviceSynchronize(); }
int hipStreamWaitEvent(Stream*, Event*, unsigned) { return kHipSuccess; }
int hipStreamSynchronize(Stream*) { return hipDeviceSynchronize(); }

int hipStreamDestroy(Stream* stream) {
  delete stream;
  return kHipSuccess;
}

int hipEventCreate(Event** event) {
  *event = new (std::nothrow) Event;
  return *event != nullptr ? kHipSuccess : failing(kHipOutOfMemory);
}

int hipEventCreateWithFlags(Event** event, unsigned) { return hipEventCreate(event); }
int hipEventQuery(Event*) { return hipDeviceSynchronize(); }

int hipEventDestroy(Event* event) {
  delete event;
  return kHipSuccess;
}

int hipEventRecord(Event* event, Stream*) {
  event->recorded = std::chrono::steady_clock::now();
  event->is_recorded = true;
  return kHipSuccess;
}

int hipEventSynchronize(Event*) { return hipDeviceSynchronize(); }

/// The host's time, which says nothing of a device's.
int hipEventElapsedTime(float* milliseconds, Event* start, Event* stop) {
  if (!start->is_recorded || !stop->is_recorded) {
    return failing(kHipNotReady);
  }
  *milliseconds = std::chrono::duration<float, std::milli>(stop->recorded - start->recorded).count();
  return kHipSuccess;
}

}  // extern "C"
#pragma GCC visibility pop
