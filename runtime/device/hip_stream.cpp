// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/hip_stream.h"

#include <utility>

#include "runtime/device/hip_device.h"

namespace sinter::hip {

namespace {

class HipStream final : public DeviceStream {
 public:
  HipStream(std::shared_ptr<const Api> api, int ordinal) : api_(std::move(api)), ordinal_(ordinal) {}
  HipStream(const HipStream&) = delete;
  HipStream& operator=(const HipStream&) = delete;
  ~HipStream() override {
    if (stream_ != nullptr) {
      static_cast<void>(call("hipStreamDestroy", [this] { return api_->stream_destroy(stream_); }));
    }
  }

  Result<void> create() {
    return call("hipStreamCreateWithFlags", [this] { return api_->stream_create(&stream_, kStreamNonBlocking); });
  }

  void* handle() const override { return stream_; }

  Result<void> upload(DeviceBuffer& to, std::span<const std::byte> from) override {
    return call("hipMemcpyAsync", [&] { return api_->copy_in(to.data(), from.data(), from.size(), kHostToDevice, stream_); });
  }

  Result<void> download(std::span<std::byte> to, const DeviceBuffer& from) override {
    return call("hipMemcpyAsync", [&] { return api_->copy_in(to.data(), from.data(), to.size(), kDeviceToHost, stream_); });
  }

  Result<void> wait() override {
    return call("hipStreamSynchronize", [this] { return api_->stream_synchronize(stream_); });
  }

 private:
  template <class Call>
  Result<void> call(std::string_view name, Call&& body) const {
    const DeviceScope scope(*api_, ordinal_);
    const Status status = scope.is_current() ? body() : scope.status();
    return status == kSuccess ? Result<void>() : call_error(*api_, name, status);
  }

  std::shared_ptr<const Api> api_;
  int ordinal_;
  Stream* stream_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<DeviceStream>> make_stream(std::shared_ptr<const Api> api, int ordinal) {
  auto stream = std::make_unique<HipStream>(std::move(api), ordinal);
  SINTER_TRY_VOID(stream->create());
  return std::unique_ptr<DeviceStream>(std::move(stream));
}

}  // namespace sinter::hip
