// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "runtime/device/cuda_api.h"
#include "runtime/device/cuda_context.h"
#include "runtime/device/cuda_kernel.h"
#include "runtime/device/cuda_stream.h"
#include "runtime/device/driver.h"
#include "runtime/device/sysfs.h"

namespace sinter {

namespace cuda {
namespace {

constexpr int kFirstArchSpecificMajor = 9;

class CudaBuffer final : public DeviceBuffer {
 public:
  CudaBuffer(std::shared_ptr<const PrimaryContext> context, DeviceAddress address, std::size_t bytes)
      : context_(std::move(context)), address_(address), bytes_(bytes) {}
  CudaBuffer(const CudaBuffer&) = delete;
  CudaBuffer& operator=(const CudaBuffer&) = delete;
  ~CudaBuffer() override {
    if (const ContextScope scope(*context_); scope.is_current()) {
      const RelaxedCaptureScope capture(context_->api());
      context_->api().memory_free(address_);
    }
  }

  void* data() const override { return reinterpret_cast<void*>(address_); }
  std::size_t bytes() const override { return bytes_; }

  Result<void> upload(std::span<const std::byte> from) override {
    SINTER_TRY_VOID(check_size("upload", from.size()));
    const ContextScope scope(*context_);
    const Status status =
        scope.is_current() ? context_->api().copy_to_device(address_, from.data(), from.size()) : scope.status();
    return status == kSuccess ? Result<void>() : call_error(context_->api(), "cuMemcpyHtoD", status);
  }

  Result<void> download(std::span<std::byte> to) const override {
    SINTER_TRY_VOID(check_size("download", to.size()));
    const ContextScope scope(*context_);
    const Status status =
        scope.is_current() ? context_->api().copy_to_host(to.data(), address_, to.size()) : scope.status();
    return status == kSuccess ? Result<void>() : call_error(context_->api(), "cuMemcpyDtoH", status);
  }

 private:
  Result<void> check_size(std::string_view verb, std::size_t bytes) const {
    if (bytes <= bytes_) {
      return {};
    }
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("{} of {} bytes: the device buffer has {}", verb, bytes, bytes_));
  }

  std::shared_ptr<const PrimaryContext> context_;
  DeviceAddress address_;
  std::size_t bytes_;
};

class CudaTimer final : public DeviceTimer {
 public:
  static Result<std::unique_ptr<DeviceTimer>> create(std::shared_ptr<const PrimaryContext> context) {
    const ContextScope scope(*context);
    auto timer = std::unique_ptr<CudaTimer>(new CudaTimer(std::move(context)));
    for (Event** event : {&timer->start_, &timer->stop_}) {
      if (const Status status = timer->context_->api().event_create(event, 0); status != kSuccess) {
        return call_error(timer->context_->api(), "cuEventCreate", status);
      }
    }
    return std::unique_ptr<DeviceTimer>(std::move(timer));
  }

  CudaTimer(const CudaTimer&) = delete;
  CudaTimer& operator=(const CudaTimer&) = delete;
  ~CudaTimer() override {
    const ContextScope scope(*context_);
    for (Event* event : {start_, stop_}) {
      if (scope.is_current() && event != nullptr) {
        context_->api().event_destroy(event);
      }
    }
  }

  Result<void> start() override { return record(start_); }

  Result<double> stop() override {
    SINTER_TRY_VOID(record(stop_));
    const Api& api = context_->api();
    const ContextScope scope(*context_);
    if (const Status status = api.event_synchronize(stop_); status != kSuccess) {
      return call_error(api, "cuEventSynchronize", status);
    }
    float ms = 0;
    if (const Status status = api.event_elapsed(&ms, start_, stop_); status != kSuccess) {
      return call_error(api, "cuEventElapsedTime", status);
    }
    return double{ms};
  }

 private:
  explicit CudaTimer(std::shared_ptr<const PrimaryContext> context) : context_(std::move(context)) {}

  Result<void> record(Event* event) const {
    const ContextScope scope(*context_);
    const Status status = scope.is_current() ? context_->api().event_record(event, nullptr) : scope.status();
    return status == kSuccess ? Result<void>() : call_error(context_->api(), "cuEventRecord", status);
  }

  std::shared_ptr<const PrimaryContext> context_;
  Event* start_ = nullptr;
  Event* stop_ = nullptr;
};

/// From compute capability 9.0 on, the kernels want the instructions that exist on that one capability alone ("a").
std::string arch_name(std::int64_t major, std::int64_t minor) {
  return fmt::format("sm_{}{}{}", major, minor, major >= kFirstArchSpecificMajor ? "a" : "");
}

DeviceProperties describe(const Api& api, int ordinal, Device device) {
  const auto attribute = [&](DeviceAttribute which) -> std::optional<std::int64_t> {
    int value = 0;
    return api.device_attribute(&value, which, device) == kSuccess ? std::optional<std::int64_t>(value) : std::nullopt;
  };
  DeviceProperties properties;
  properties.ordinal = ordinal;
  std::array<char, 256> text{};
  if (api.device_name(text.data(), static_cast<int>(text.size() - 1), device) == kSuccess) {
    properties.name = text.data();
  }
  const auto major = attribute(kComputeCapabilityMajor);
  const auto minor = attribute(kComputeCapabilityMinor);
  if (major && minor) {
    properties.arch = arch_name(*major, *minor);
    properties.arch_detail = fmt::format("{}.{}", *major, *minor);
  }
  text.fill('\0');
  if (api.device_pci_bus(text.data(), static_cast<int>(text.size() - 1), device) == kSuccess) {
    properties.pci_bus = canonical_pci_bus(text.data());
    const PciIds ids = read_pci_ids("/sys", properties.pci_bus);
    properties.pci_vendor = ids.vendor;
    properties.pci_device = ids.device;
  }
  properties.unit_count = attribute(kMultiprocessorCount);
  properties.clock_khz = attribute(kClockKhz);
  properties.wave_size = attribute(kWarpSize);
  properties.max_threads_per_block = attribute(kMaxThreadsPerBlock);
  properties.max_threads_per_unit = attribute(kMaxThreadsPerMultiprocessor);
  properties.shared_bytes_per_block = attribute(kMaxSharedMemoryPerBlockOptin);
  properties.shared_bytes_per_unit = attribute(kMaxSharedMemoryPerMultiprocessor);
  properties.registers_per_block = attribute(kMaxRegistersPerBlock);
  properties.max_grid_x = attribute(kMaxGridX);
  properties.max_grid_y = attribute(kMaxGridY);
  properties.max_grid_z = attribute(kMaxGridZ);
  std::size_t memory = 0;
  if (api.device_memory(&memory, device) == kSuccess) {
    properties.memory_bytes = static_cast<std::int64_t>(memory);
  }
  int version = 0;
  if (api.driver_version(&version) == kSuccess) {
    properties.driver_version = fmt::format("{}.{}", version / 1000, version % 1000 / 10);
  }
  return properties;
}

class CudaDriver final : public Driver {
 public:
  static Result<std::unique_ptr<Driver>> create(const std::string& library) {
    SINTER_TRY(Api opened, open_api(library));
    auto driver = std::unique_ptr<CudaDriver>(new CudaDriver(std::make_shared<const Api>(std::move(opened))));
    SINTER_TRY_VOID(driver->find_devices());
    return std::unique_ptr<Driver>(std::move(driver));
  }

  std::string_view name() const override { return "cuda"; }
  std::span<const DeviceProperties> devices() const override { return devices_; }

  Result<std::unique_ptr<LoadedKernel>> load(int ordinal, const CodeObject& code,
                                             const LaunchShape& shape_hint) override {
    return load_with_tensor_maps(ordinal, code, shape_hint, {});
  }

  Result<std::unique_ptr<LoadedKernel>> load_with_tensor_maps(int ordinal, const CodeObject& code,
                                                              const LaunchShape& shape_hint,
                                                              std::span<const TensorMapPlan> tensor_maps) override {
    SINTER_TRY(std::shared_ptr<const PrimaryContext> context, context_of(ordinal));
    return load_kernel(std::move(context), code, shape_hint, tensor_maps);
  }

  Result<std::unique_ptr<DeviceBuffer>> allocate(int ordinal, std::size_t bytes) override {
    SINTER_TRY(std::shared_ptr<const PrimaryContext> context, context_of(ordinal));
    const ContextScope scope(*context);
    const RelaxedCaptureScope capture(*api_);
    DeviceAddress address = 0;
    const Status status = api_->memory_allocate(&address, std::max<std::size_t>(bytes, 1));  // 0 bytes is an error.
    if (status != kSuccess) {
      Error error = call_error(*api_, "cuMemAlloc", status);
      error.message += fmt::format("; {} bytes on cuda:{}", bytes, ordinal);
      return error;
    }
    return std::unique_ptr<DeviceBuffer>(std::make_unique<CudaBuffer>(std::move(context), address, bytes));
  }

  Result<std::unique_ptr<DeviceTimer>> timer(int ordinal) override {
    SINTER_TRY(std::shared_ptr<const PrimaryContext> context, context_of(ordinal));
    return CudaTimer::create(std::move(context));
  }

  Result<std::unique_ptr<DeviceStream>> own_stream(int ordinal) override {
    SINTER_TRY(std::shared_ptr<const PrimaryContext> context, context_of(ordinal));
    return make_stream(std::move(context));
  }

  Result<void> finish(int ordinal, void* stream) override {
    int capturing = 0;
    const bool is_clear = api_->stream_is_capturing == nullptr ||
                          (api_->stream_is_capturing(static_cast<Stream*>(stream), &capturing) == kSuccess && capturing == 0);
    return is_clear ? synchronize(ordinal) : Result<void>();
  }

  bool is_capturing(int, void* stream) const override {
    if (api_->stream_is_capturing == nullptr) {
      return false;
    }
    // In the context that the caller has: a stream belongs to one, and a thread without one captures nothing.
    int capturing = 0;
    const Status status = api_->stream_is_capturing(static_cast<Stream*>(stream), &capturing);
    return status == kStreamCaptureImplicit || (status == kSuccess && capturing != 0);
  }

  Result<void> synchronize(int ordinal) override {
    SINTER_TRY(std::shared_ptr<const PrimaryContext> context, context_of(ordinal));
    const ContextScope scope(*context);
    const Status status = scope.is_current() ? api_->context_synchronize() : scope.status();
    return status == kSuccess ? Result<void>() : call_error(*api_, "cuCtxSynchronize", status);
  }

  std::optional<std::uint64_t> bytes_behind(int ordinal, const void* pointer) override {
    const Result<std::shared_ptr<const PrimaryContext>> context = context_of(ordinal);
    if (!context) {
      return std::nullopt;
    }
    const ContextScope scope(**context);
    const auto address = reinterpret_cast<DeviceAddress>(pointer);
    DeviceAddress base = 0;
    std::size_t bytes = 0;
    if (!scope.is_current() || api_->memory_range(&base, &bytes, address) != kSuccess) {
      return std::nullopt;
    }
    return base + bytes - address;
  }

 private:
  explicit CudaDriver(std::shared_ptr<const Api> api) : api_(std::move(api)) {}

  Result<void> find_devices() {
    int count = 0;
    Status status = api_->init(0);
    if (status == kSuccess) {
      status = api_->device_count(&count);
    }
    if (status == kNoDevice || (status == kSuccess && count == 0)) {
      return make_error(ErrorCode::kDriverError,
                        fmt::format("no NVIDIA GPU: {} was opened but reports no device; nvidia-smi lists what the "
                                    "kernel driver sees, and CUDA_VISIBLE_DEVICES may hide it",
                                    api_->library.path()));
    }
    if (status != kSuccess) {
      Error error = call_error(*api_, "cuInit", status);
      error.message += fmt::format("; the library is {}", api_->library.path());
      return error;
    }
    for (int ordinal = 0; ordinal < count; ++ordinal) {
      Device device = 0;
      if (status = api_->device_get(&device, ordinal); status != kSuccess) {
        return call_error(*api_, "cuDeviceGet", status);
      }
      handles_.push_back(device);
      devices_.push_back(describe(*api_, ordinal, device));
    }
    contexts_.resize(handles_.size());
    return {};
  }

  /// The device's context, made by the first call that needs it: listing devices costs no memory on them.
  Result<std::shared_ptr<const PrimaryContext>> context_of(int ordinal) {
    if (ordinal < 0 || std::cmp_greater_equal(ordinal, handles_.size())) {
      return make_error(ErrorCode::kInvalidRequest,
                        fmt::format("cuda:{} does not exist: this machine has cuda:0{}", ordinal,
                                    handles_.size() > 1 ? fmt::format(" to cuda:{}", handles_.size() - 1) : ""));
    }
    const auto index = static_cast<std::size_t>(ordinal);
    {
      const std::lock_guard lock(mutex_);
      if (contexts_[index] != nullptr) {
        return contexts_[index];
      }
    }
    // Without the lock: this may take a second. A thread that comes second drops its reference.
    SINTER_TRY(std::shared_ptr<const PrimaryContext> retained, PrimaryContext::retain(api_, handles_[index]));
    const std::lock_guard lock(mutex_);
    if (contexts_[index] == nullptr) {
      contexts_[index] = std::move(retained);
    }
    return contexts_[index];
  }

  std::shared_ptr<const Api> api_;
  std::vector<Device> handles_;
  std::vector<DeviceProperties> devices_;
  std::mutex mutex_;  ///< Guards contexts_.
  std::vector<std::shared_ptr<const PrimaryContext>> contexts_;
};

}  // namespace
}  // namespace cuda

Result<std::unique_ptr<Driver>> make_cuda_driver(const std::string& library) {
  return cuda::CudaDriver::create(library);
}

}  // namespace sinter
