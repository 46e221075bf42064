// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/driver.h"

#include <cstring>

#include <fmt/format.h>

namespace sinter {

namespace {

class DefaultStream final : public DeviceStream {
 public:
  DefaultStream(Driver& driver, int ordinal) : driver_(driver), ordinal_(ordinal) {}

  void* handle() const override { return nullptr; }
  Result<void> upload(DeviceBuffer& to, std::span<const std::byte> from) override { return to.upload(from); }
  Result<void> download(std::span<std::byte> to, const DeviceBuffer& from) override { return from.download(to); }
  Result<void> wait() override { return driver_.synchronize(ordinal_); }

 private:
  Driver& driver_;
  int ordinal_;
};

}  // namespace

std::unique_ptr<DeviceStream> default_stream(Driver& driver, int ordinal) {
  return std::make_unique<DefaultStream>(driver, ordinal);
}

Result<std::unique_ptr<DeviceStream>> Driver::own_stream(int ordinal) { return default_stream(*this, ordinal); }

Result<std::unique_ptr<LoadedKernel>> Driver::load_with_tensor_maps(int ordinal, const CodeObject& code,
                                                                    const LaunchShape& shape_hint,
                                                                    std::span<const TensorMapPlan> tensor_maps) {
  if (!tensor_maps.empty()) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{} copies by tensor maps, which the {} driver does not have", code.entry, name()));
  }
  return load(ordinal, code, shape_hint);
}

Result<LoadedKernel::Prepared> LoadedKernel::prepare(const void* args, std::size_t args_bytes,
                                                     std::span<std::byte> parameter) const {
  if (args_bytes > parameter.size()) {
    return make_error(ErrorCode::kInternal, fmt::format("a prepared launch of {} bytes of arguments: there is room for {}",
                                                        args_bytes, parameter.size()));
  }
  std::memcpy(parameter.data(), args, args_bytes);
  return Prepared{static_cast<std::uint32_t>(args_bytes), 0};
}

Result<void> LoadedKernel::launch_prepared(const LaunchShape& shape, std::span<const std::byte> parameter, void* stream) const {
  return launch(shape, parameter.data(), parameter.size(), stream);
}

Result<void> Driver::finish(int ordinal, void*) { return synchronize(ordinal); }

bool Driver::is_capturing(int, void*) const { return false; }

}  // namespace sinter
