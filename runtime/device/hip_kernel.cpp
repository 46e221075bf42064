// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/hip_kernel.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "runtime/device/hip_device.h"
#include "runtime/device/sticky_status.h"

namespace sinter::hip {

namespace {

/// A loaded module; unloads when destroyed.
class ModuleHandle {
 public:
  ModuleHandle(std::shared_ptr<const Api> api, int ordinal, Module* module)
      : api_(std::move(api)), ordinal_(ordinal), module_(module) {}
  ModuleHandle(ModuleHandle&& other) noexcept
      : api_(std::move(other.api_)), ordinal_(other.ordinal_), module_(std::exchange(other.module_, nullptr)) {}
  ModuleHandle(const ModuleHandle&) = delete;
  ModuleHandle& operator=(const ModuleHandle&) = delete;
  ModuleHandle& operator=(ModuleHandle&&) = delete;
  ~ModuleHandle() {
    if (module_ == nullptr) {
      return;
    }
    if (const DeviceScope scope(*api_, ordinal_); scope.is_current()) {
      static_cast<void>(api_->module_unload(module_));
    }
  }

  const Api& api() const { return *api_; }
  int ordinal() const { return ordinal_; }
  Module* get() const { return module_; }

 private:
  std::shared_ptr<const Api> api_;
  int ordinal_;
  Module* module_;
};

class HipKernel final : public LoadedKernel {
 public:
  HipKernel(ModuleHandle module, Function* function, const LoadedAttributes& attributes, std::string entry)
      : module_(std::move(module)), function_(function), attributes_(attributes), entry_(std::move(entry)) {}

  const LoadedAttributes& attributes() const override { return attributes_; }
  bool has_met_fault() const override { return has_met_fault_; }

  Result<void> launch(const LaunchShape& shape, const void* args, std::size_t args_bytes, void* stream) const override {
    // Newer runtimes refuse a stream of another device than the current one, and the default stream is the current
    // device's: the kernel's own device has to be current whatever the host was doing.
    const DeviceScope scope(module_.api(), module_.ordinal());
    const Status status =
        scope.is_current() ? enqueue(shape, args, args_bytes, static_cast<Stream*>(stream)) : scope.status();
    return status == kSuccess ? Result<void>() : launch_error(shape, args_bytes, status);
  }

 private:
  Status enqueue(const LaunchShape& shape, const void* args, std::size_t args_bytes, Stream* stream) const {
    // The buffer form passes the explicit arguments and their size; the runtime appends the hidden ones.
    void* extra[] = {reinterpret_cast<void*>(kLaunchArgsPointer), const_cast<void*>(args),
                     reinterpret_cast<void*>(kLaunchArgsBytes), &args_bytes, reinterpret_cast<void*>(kLaunchListEnd)};
    return module_.api().launch(function_, shape.grid[0], shape.grid[1], shape.grid[2], shape.block[0], shape.block[1],
                                shape.block[2], shape.dynamic_shared_bytes, stream, nullptr, extra);
  }

  Error launch_error(const LaunchShape& shape, std::size_t args_bytes, Status status) const {
    if (is_sticky(status)) {
      has_met_fault_ = true;
    }
    Error error = call_error(module_.api(), "hipModuleLaunchKernel", status);
    error.message += fmt::format(
        "; kernel {}, grid {}x{}x{}, block {}x{}x{}, {} bytes of dynamic LDS, {} bytes of arguments", entry_,
        shape.grid[0], shape.grid[1], shape.grid[2], shape.block[0], shape.block[1], shape.block[2],
        shape.dynamic_shared_bytes, args_bytes);
    return error;
  }

  ModuleHandle module_;
  Function* function_;
  LoadedAttributes attributes_;
  std::string entry_;
  mutable std::atomic<bool> has_met_fault_{false};
};

/// What an image that the runtime refuses means, or null for errors that are not about the image.
const char* refusal(Status status) {
  switch (status) {
    case kNoBinaryForGpu:
      return "the code is not for this device's arch and features";
    case kInvalidImage:
      return "the runtime does not take this for a code object: it is damaged, or of a later code object version than "
             "the runtime knows";
    case kInvalidKernelFile:
      return "the runtime does not take this for a kernel file";
    default:
      return nullptr;
  }
}

Result<ModuleHandle> load_module(std::shared_ptr<const Api> api, int ordinal, const CodeObject& code) {
  if (code.format != CodeFormat::kHsaco) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{}: the HIP driver loads hsaco, not {}", code.entry,
                                                           code_format_name(code.format)));
  }
  Module* module = nullptr;
  const Status status = api->module_load(&module, code.code.data());
  if (status == kSuccess) {
    return ModuleHandle(std::move(api), ordinal, module);
  }
  Error error = call_error(*api, "hipModuleLoadData", status);
  error.message += fmt::format("; loading {} ({}, {} bytes) on hip:{}", code.entry, code.facts.target, code.code.size(),
                               ordinal);
  if (const char* meaning = refusal(status); meaning != nullptr) {
    error.code = ErrorCode::kUnsupported;
    error.message += fmt::format(": {}", meaning);
  }
  return error;
}

std::int64_t function_attribute(const Api& api, Function* function, FunctionAttribute attribute) {
  int value = 0;
  const bool is_known =
      api.function_attribute != nullptr && succeeded(api, api.function_attribute(&value, attribute, function));
  return is_known ? value : kUnknown;
}

LoadedAttributes read_attributes(const Api& api, Function* function) {
  LoadedAttributes attributes;
  attributes.registers = function_attribute(api, function, kFunctionRegisters);
  attributes.static_shared_bytes = function_attribute(api, function, kFunctionSharedBytes);
  attributes.scratch_bytes = function_attribute(api, function, kFunctionLocalBytes);
  attributes.max_threads_per_block = function_attribute(api, function, kFunctionMaxThreadsPerBlock);
  return attributes;
}

Result<std::int64_t> resident_blocks(const Api& api, Function* function, const CodeObject& code,
                                     const LaunchShape& shape) {
  if (api.occupancy == nullptr) {
    return std::int64_t{1};
  }
  const std::uint64_t threads = std::uint64_t{shape.block[0]} * shape.block[1] * shape.block[2];
  int blocks = 0;
  const Status status = api.occupancy(&blocks, function, static_cast<int>(threads), shape.dynamic_shared_bytes);
  if (status != kSuccess) {
    return call_error(api, "hipModuleOccupancyMaxActiveBlocksPerMultiprocessor", status);
  }
  if (blocks < 1) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{}: no compute unit of this device holds a block of {} threads with {} registers "
                                  "each and {} bytes of dynamic LDS: choose a smaller tile",
                                  code.entry, threads, function_attribute(api, function, kFunctionRegisters),
                                  shape.dynamic_shared_bytes));
  }
  return std::int64_t{blocks};
}

}  // namespace

Result<std::unique_ptr<LoadedKernel>> load_kernel(std::shared_ptr<const Api> api, int ordinal, const CodeObject& code,
                                                  const LaunchShape& shape_hint) {
  const DeviceScope scope(*api, ordinal);
  if (!scope.is_current()) {
    return call_error(*api, "hipSetDevice", scope.status());
  }
  SINTER_TRY(ModuleHandle module, load_module(api, ordinal, code));
  Function* function = nullptr;
  if (const Status status = api->module_function(&function, module.get(), code.entry.c_str()); status != kSuccess) {
    Error error = call_error(*api, "hipModuleGetFunction", status);
    error.message += fmt::format("; the code has no kernel {}", code.entry);
    return error;
  }
  LoadedAttributes attributes = read_attributes(*api, function);
  SINTER_TRY(attributes.blocks_per_unit, resident_blocks(*api, function, code, shape_hint));
  return std::unique_ptr<LoadedKernel>(
      std::make_unique<HipKernel>(std::move(module), function, attributes, code.entry));
}

}  // namespace sinter::hip
