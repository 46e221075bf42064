// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "runtime/device/driver.h"
#include "runtime/device/hip_api.h"
#include "runtime/device/hip_device.h"
#include "runtime/device/hip_kernel.h"
#include "runtime/device/hip_stream.h"
#include "runtime/device/sysfs.h"

namespace sinter {

namespace hip {
namespace {

constexpr std::uint32_t kAmdPciVendor = 0x1002;

class HipBuffer final : public DeviceBuffer {
 public:
  HipBuffer(std::shared_ptr<const Api> api, int ordinal, void* data, std::size_t bytes)
      : api_(std::move(api)), ordinal_(ordinal), data_(data), bytes_(bytes) {}
  HipBuffer(const HipBuffer&) = delete;
  HipBuffer& operator=(const HipBuffer&) = delete;
  ~HipBuffer() override {
    if (const DeviceScope scope(*api_, ordinal_); scope.is_current()) {
      static_cast<void>(api_->memory_free(data_));
    }
  }

  void* data() const override { return data_; }
  std::size_t bytes() const override { return bytes_; }

  Result<void> upload(std::span<const std::byte> from) override {
    SINTER_TRY_VOID(check_size("upload", from.size()));
    return copy(data_, from.data(), from.size(), kHostToDevice);
  }

  Result<void> download(std::span<std::byte> to) const override {
    SINTER_TRY_VOID(check_size("download", to.size()));
    return copy(to.data(), data_, to.size(), kDeviceToHost);
  }

 private:
  Result<void> check_size(std::string_view verb, std::size_t bytes) const {
    if (bytes <= bytes_) {
      return {};
    }
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("{} of {} bytes: the device buffer has {}", verb, bytes, bytes_));
  }

  Result<void> copy(void* to, const void* from, std::size_t bytes, CopyKind kind) const {
    const DeviceScope scope(*api_, ordinal_);
    const Status status = scope.is_current() ? api_->memory_copy(to, from, bytes, kind) : scope.status();
    return status == kSuccess ? Result<void>() : call_error(*api_, "hipMemcpy", status);
  }

  std::shared_ptr<const Api> api_;
  int ordinal_;
  void* data_;
  std::size_t bytes_;
};

class HipTimer final : public DeviceTimer {
 public:
  static Result<std::unique_ptr<DeviceTimer>> create(std::shared_ptr<const Api> api, int ordinal) {
    if (api->event_create == nullptr || api->event_destroy == nullptr || api->event_record == nullptr ||
        api->event_synchronize == nullptr || api->event_elapsed == nullptr) {
      return make_error(ErrorCode::kDriverError,
                        fmt::format("no timer on hip:{}: {} exports no events", ordinal, api->library.path()));
    }
    const DeviceScope scope(*api, ordinal);
    auto timer = std::unique_ptr<HipTimer>(new HipTimer(std::move(api), ordinal));
    for (Event** event : {&timer->start_, &timer->stop_}) {
      if (const Status status = timer->api_->event_create(event); status != kSuccess) {
        return call_error(*timer->api_, "hipEventCreate", status);
      }
    }
    return std::unique_ptr<DeviceTimer>(std::move(timer));
  }

  HipTimer(const HipTimer&) = delete;
  HipTimer& operator=(const HipTimer&) = delete;
  ~HipTimer() override {
    const DeviceScope scope(*api_, ordinal_);
    for (Event* event : {start_, stop_}) {
      if (scope.is_current() && event != nullptr) {
        static_cast<void>(api_->event_destroy(event));
      }
    }
  }

  Result<void> start() override { return record(start_); }

  Result<double> stop() override {
    SINTER_TRY_VOID(record(stop_));
    const DeviceScope scope(*api_, ordinal_);
    if (const Status status = api_->event_synchronize(stop_); status != kSuccess) {
      return call_error(*api_, "hipEventSynchronize", status);
    }
    float ms = 0;
    if (const Status status = api_->event_elapsed(&ms, start_, stop_); status != kSuccess) {
      return call_error(*api_, "hipEventElapsedTime", status);
    }
    return double{ms};
  }

 private:
  HipTimer(std::shared_ptr<const Api> api, int ordinal) : api_(std::move(api)), ordinal_(ordinal) {}

  Result<void> record(Event* event) const {
    const DeviceScope scope(*api_, ordinal_);
    const Status status = scope.is_current() ? api_->event_record(event, nullptr) : scope.status();
    return status == kSuccess ? Result<void>() : call_error(*api_, "hipEventRecord", status);
  }

  std::shared_ptr<const Api> api_;
  int ordinal_;
  Event* start_ = nullptr;
  Event* stop_ = nullptr;
};

/// What owns queues and preemption: "amdgpu 6.10.5 kfd 1.17", as far as it is known.
std::string kernel_driver() {
  const std::string amdgpu = read_amdgpu_version("/sys");
  const std::string kfd = read_kfd_version("/dev/kfd");
  return fmt::format("{}{}{}{}", amdgpu.empty() ? "" : " amdgpu ", amdgpu, kfd.empty() ? "" : " kfd ", kfd);
}

/// "60443482", and the kernel driver's version where it is known: "60443482 amdgpu 6.10.5 kfd 1.17".
std::string driver_version(const Api& api) {
  int version = 0;
  if (!succeeded(api, api.runtime_version(&version))) {
    return {};
  }
  if (api.simulated == nullptr) {
    return fmt::format("{}{}", version, kernel_driver());
  }
  return api.simulated_driver == nullptr ? fmt::format("{}", version) : fmt::format("{} {}", version, api.simulated_driver());
}

DeviceProperties describe(const Api& api, int ordinal) {
  const auto attribute = [&](DeviceAttribute which) -> std::optional<std::int64_t> {
    int value = 0;
    const bool is_known =
        api.device_attribute != nullptr && succeeded(api, api.device_attribute(&value, which, ordinal));
    return is_known ? std::optional<std::int64_t>(value) : std::nullopt;
  };
  DeviceProperties properties;
  properties.ordinal = ordinal;
  properties.simulated = api.simulated != nullptr && *api.simulated != 0;
  std::array<char, 256> text{};
  const int text_bytes = static_cast<int>(text.size() - 1);
  if (api.device_name != nullptr && succeeded(api, api.device_name(text.data(), text_bytes, ordinal))) {
    properties.name = text.data();
  }
  properties.arch_detail = device_arch(api, ordinal);
  properties.arch = properties.arch_detail.substr(0, properties.arch_detail.find(':'));
  text.fill('\0');
  if (api.device_pci_bus != nullptr && succeeded(api, api.device_pci_bus(text.data(), text_bytes, ordinal))) {
    properties.pci_bus = canonical_pci_bus(text.data());
  }
  if (const auto chip = attribute(kPciChipId); chip.value_or(0) > 0) {
    properties.pci_vendor = kAmdPciVendor;
    properties.pci_device = static_cast<std::uint32_t>(*chip);
  } else {
    const PciIds ids = read_pci_ids("/sys", properties.pci_bus);
    properties.pci_vendor = ids.vendor;
    properties.pci_device = ids.device;
  }
  properties.unit_count = attribute(kMultiprocessorCount);
  properties.clock_khz = attribute(kClockKhz);
  properties.wave_size = attribute(kWarpSize);
  properties.max_threads_per_block = attribute(kMaxThreadsPerBlock);
  properties.max_threads_per_unit = attribute(kMaxThreadsPerMultiprocessor);
  properties.shared_bytes_per_block = attribute(kMaxSharedMemoryPerBlock);
  properties.shared_bytes_per_unit = attribute(kMaxSharedMemoryPerMultiprocessor);
  properties.registers_per_block = attribute(kMaxRegistersPerBlock);
  properties.max_grid_x = attribute(kMaxGridX);
  properties.max_grid_y = attribute(kMaxGridY);
  properties.max_grid_z = attribute(kMaxGridZ);
  std::size_t memory = 0;
  if (api.device_memory != nullptr && succeeded(api, api.device_memory(&memory, ordinal))) {
    properties.memory_bytes = static_cast<std::int64_t>(memory);
  }
  properties.driver_version = driver_version(api);
  return properties;
}

class HipDriver final : public Driver {
 public:
  static Result<std::unique_ptr<Driver>> create(const std::string& library) {
    SINTER_TRY(Api opened, open_api(library));
    auto driver = std::unique_ptr<HipDriver>(new HipDriver(std::make_shared<const Api>(std::move(opened))));
    SINTER_TRY_VOID(driver->find_devices());
    return std::unique_ptr<Driver>(std::move(driver));
  }

  std::string_view name() const override { return "hip"; }
  std::span<const DeviceProperties> devices() const override { return devices_; }

  Result<std::unique_ptr<LoadedKernel>> load(int ordinal, const CodeObject& code,
                                             const LaunchShape& shape_hint) override {
    SINTER_TRY_VOID(check_ordinal(ordinal));
    return load_kernel(api_, ordinal, code, shape_hint);
  }

  Result<std::unique_ptr<DeviceBuffer>> allocate(int ordinal, std::size_t bytes) override {
    SINTER_TRY_VOID(check_ordinal(ordinal));
    const DeviceScope scope(*api_, ordinal);
    void* data = nullptr;
    const Status status =  // Of 0 bytes the runtime gives a null pointer.
        scope.is_current() ? api_->memory_allocate(&data, std::max<std::size_t>(bytes, 1)) : scope.status();
    if (status != kSuccess) {
      Error error = call_error(*api_, "hipMalloc", status);
      error.message += fmt::format("; {} bytes on hip:{}", bytes, ordinal);
      return error;
    }
    return std::unique_ptr<DeviceBuffer>(std::make_unique<HipBuffer>(api_, ordinal, data, bytes));
  }

  Result<std::unique_ptr<DeviceTimer>> timer(int ordinal) override {
    SINTER_TRY_VOID(check_ordinal(ordinal));
    return HipTimer::create(api_, ordinal);
  }

  Result<std::unique_ptr<DeviceStream>> own_stream(int ordinal) override {
    SINTER_TRY_VOID(check_ordinal(ordinal));
    return api_->has_streams() ? make_stream(api_, ordinal) : Driver::own_stream(ordinal);
  }

  Result<void> finish(int ordinal, void* stream) override {
    SINTER_TRY_VOID(check_ordinal(ordinal));
    int capturing = 0;
    bool is_clear = true;
    if (api_->stream_is_capturing != nullptr) {
      const DeviceScope scope(*api_, ordinal);
      is_clear = succeeded(*api_, api_->stream_is_capturing(static_cast<Stream*>(stream), &capturing)) && capturing == 0;
    }
    return is_clear ? synchronize(ordinal) : Result<void>();
  }

  bool is_capturing(int ordinal, void* stream) const override {
    if (api_->stream_is_capturing == nullptr || !check_ordinal(ordinal)) {
      return false;
    }
    const DeviceScope scope(*api_, ordinal);
    int capturing = 0;
    const Status status = api_->stream_is_capturing(static_cast<Stream*>(stream), &capturing);
    return succeeded(*api_, status) ? capturing != 0 : status == kStreamCaptureImplicit;
  }

  Result<void> synchronize(int ordinal) override {
    SINTER_TRY_VOID(check_ordinal(ordinal));
    const DeviceScope scope(*api_, ordinal);
    const Status status = scope.is_current() ? api_->device_synchronize() : scope.status();
    return status == kSuccess ? Result<void>() : call_error(*api_, "hipDeviceSynchronize", status);
  }

  std::optional<std::uint64_t> bytes_behind(int ordinal, const void* pointer) override {
    if (api_->memory_range == nullptr || !check_ordinal(ordinal)) {
      return std::nullopt;
    }
    const DeviceScope scope(*api_, ordinal);
    void* base = nullptr;
    std::size_t bytes = 0;
    if (!scope.is_current() || !succeeded(*api_, api_->memory_range(&base, &bytes, const_cast<void*>(pointer)))) {
      return std::nullopt;
    }
    return reinterpret_cast<std::uintptr_t>(base) + bytes - reinterpret_cast<std::uintptr_t>(pointer);
  }

  std::optional<std::uint64_t> simulated_instructions() const override {
    if (api_->simulated_counters == nullptr) {
      return std::nullopt;
    }
    SimulatedCounters counters;
    api_->simulated_counters(&counters);
    return counters.wave_instructions;
  }

 private:
  explicit HipDriver(std::shared_ptr<const Api> api) : api_(std::move(api)) {}

  Result<void> find_devices() {
    int count = 0;
    Status status = api_->init(0);
    if (status == kSuccess) {
      status = api_->device_count(&count);
    }
    // Without a GPU HIP 5.2.3 says "invalid device" to hipInit and "no device" to hipGetDeviceCount.
    if (status == kNoDevice || status == kInvalidDevice || (status == kSuccess && count == 0)) {
      static_cast<void>(succeeded(*api_, status));
      return make_error(ErrorCode::kDriverError,
                        fmt::format("no AMD GPU: {} was opened but reports no device; the amdgpu kernel driver has to "
                                    "be loaded and /dev/kfd readable, and HIP_VISIBLE_DEVICES may hide a device",
                                    api_->library.path()));
    }
    if (status != kSuccess) {
      Error error = call_error(*api_, "hipInit", status);
      error.message += fmt::format("; the library is {}", api_->library.path());
      return error;
    }
    for (int ordinal = 0; ordinal < count; ++ordinal) {
      devices_.push_back(describe(*api_, ordinal));
    }
    return {};
  }

  Result<void> check_ordinal(int ordinal) const {
    if (ordinal >= 0 && std::cmp_less(ordinal, devices_.size())) {
      return {};
    }
    return make_error(ErrorCode::kInvalidRequest,
                      fmt::format("hip:{} does not exist: this machine has hip:0{}", ordinal,
                                  devices_.size() > 1 ? fmt::format(" to hip:{}", devices_.size() - 1) : ""));
  }

  std::shared_ptr<const Api> api_;
  std::vector<DeviceProperties> devices_;
};

}  // namespace
}  // namespace hip

Result<std::unique_ptr<Driver>> make_hip_driver(const std::string& library) { return hip::HipDriver::create(library); }

}  // namespace sinter
