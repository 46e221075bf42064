// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/cuda_stream.h"

#include <utility>

namespace sinter::cuda {

namespace {

class CudaStream final : public DeviceStream {
 public:
  explicit CudaStream(std::shared_ptr<const PrimaryContext> context) : context_(std::move(context)) {}
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  ~CudaStream() override {
    if (stream_ != nullptr) {
      static_cast<void>(call("cuStreamDestroy", [this](const Api& api) { return api.stream_destroy(stream_); }));
    }
  }

  Result<void> create() {
    return call("cuStreamCreate", [this](const Api& api) { return api.stream_create(&stream_, kStreamNonBlocking); });
  }

  void* handle() const override { return stream_; }

  Result<void> upload(DeviceBuffer& to, std::span<const std::byte> from) override {
    return call("cuMemcpyHtoDAsync", [&](const Api& api) { return api.copy_to_device_in(address_of(to), from.data(), from.size(), stream_); });
  }

  Result<void> download(std::span<std::byte> to, const DeviceBuffer& from) override {
    return call("cuMemcpyDtoHAsync", [&](const Api& api) { return api.copy_to_host_in(to.data(), address_of(from), to.size(), stream_); });
  }

  Result<void> wait() override {
    return call("cuStreamSynchronize", [this](const Api& api) { return api.stream_synchronize(stream_); });
  }

 private:
  static DeviceAddress address_of(const DeviceBuffer& buffer) { return reinterpret_cast<DeviceAddress>(buffer.data()); }

  template <class Call>
  Result<void> call(std::string_view name, Call&& body) const {
    const Api& api = context_->api();
    const ContextScope scope(*context_);
    const RelaxedCaptureScope capture(api);
    const Status status = scope.is_current() ? body(api) : scope.status();
    return status == kSuccess ? Result<void>() : call_error(api, name, status);
  }

  std::shared_ptr<const PrimaryContext> context_;
  Stream* stream_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<DeviceStream>> make_stream(std::shared_ptr<const PrimaryContext> context) {
  auto stream = std::make_unique<CudaStream>(std::move(context));
  SINTER_TRY_VOID(stream->create());
  return std::unique_ptr<DeviceStream>(std::move(stream));
}

}  // namespace sinter::cuda
