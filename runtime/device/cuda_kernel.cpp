// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/cuda_kernel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "runtime/device/cuda_tensor_maps.h"
#include "runtime/device/sticky_status.h"

namespace sinter::cuda {

namespace {

constexpr std::size_t kLogBytes = 16384;

/// A loaded module; unloads when destroyed.
class ModuleHandle {
 public:
  ModuleHandle(std::shared_ptr<const PrimaryContext> context, Module* module)
      : context_(std::move(context)), module_(module) {}
  ModuleHandle(ModuleHandle&& other) noexcept
      : context_(std::move(other.context_)), module_(std::exchange(other.module_, nullptr)) {}
  ModuleHandle(const ModuleHandle&) = delete;
  ModuleHandle& operator=(const ModuleHandle&) = delete;
  ModuleHandle& operator=(ModuleHandle&&) = delete;
  ~ModuleHandle() {
    if (module_ == nullptr) {
      return;
    }
    if (const ContextScope scope(*context_); scope.is_current()) {
      context_->api().module_unload(module_);
    }
  }

  const PrimaryContext& context() const { return *context_; }
  const Api& api() const { return context_->api(); }
  Module* get() const { return module_; }

 private:
  std::shared_ptr<const PrimaryContext> context_;
  Module* module_;
};

class CudaKernel final : public LoadedKernel {
 public:
  CudaKernel(ModuleHandle module, Function* function, const LoadedAttributes& attributes, const TensorMaps& tensor_maps,
             std::string entry)
      : module_(std::move(module)), function_(function), attributes_(attributes), tensor_maps_(tensor_maps),
        entry_(std::move(entry)) {}

  const LoadedAttributes& attributes() const override { return attributes_; }
  bool has_met_fault() const override { return has_met_fault_; }

  Result<void> launch(const LaunchShape& shape, const void* args, std::size_t args_bytes, void* stream) const override {
    // The driver copies as many bytes as the kernel takes, whatever the caller has.
    const std::size_t given = parameter_bytes(tensor_maps_.count(), args_bytes);
    if (attributes_.args_bytes != kUnknown && std::cmp_not_equal(attributes_.args_bytes, given)) {
      return wrong_args(given);
    }
    const Status status = in_context([&] { return enqueue(shape, {args, args_bytes}, static_cast<Stream*>(stream)); });
    return status == kSuccess ? Result<void>() : launch_error(shape, status);
  }

  Result<Prepared> prepare(const void* args, std::size_t args_bytes, std::span<std::byte> parameter) const override {
    const std::size_t bytes = parameter_bytes(tensor_maps_.count(), args_bytes);
    if (attributes_.args_bytes != kUnknown && std::cmp_not_equal(attributes_.args_bytes, bytes)) {
      return wrong_args(bytes);
    }
    if (tensor_maps_.empty()) {
      return LoadedKernel::prepare(args, args_bytes, parameter);
    }
    TensorMaps::Parameter written;
    if (bytes > parameter.size() || bytes > written.bytes.size()) {
      return make_error(ErrorCode::kInternal, fmt::format("a prepared launch of {}: {} bytes, there is room for {}", entry_, bytes,
                                                          std::min(parameter.size(), written.bytes.size())));
    }
    const Status status = in_context([&] { return tensor_maps_.write(module_.api(), args, args_bytes, written); });
    if (status != kSuccess) {
      return call_error(module_.api(), "cuTensorMapReplaceAddress", status);
    }
    std::memcpy(parameter.data(), written.bytes.data(), bytes);
    return Prepared{static_cast<std::uint32_t>(bytes), static_cast<std::uint32_t>(tensor_maps_.count() * kTensorMapBytes)};
  }

  Result<void> launch_prepared(const LaunchShape& shape, std::span<const std::byte> parameter, void* stream) const override {
    const Status status = in_context([&] { return enqueue_parameter(shape, parameter.data(), static_cast<Stream*>(stream)); });
    return status == kSuccess ? Result<void>() : launch_error(shape, status);
  }

 private:
  /// What a launch calls, for messages.
  std::string_view calls() const {
    return tensor_maps_.empty() ? "cuLaunchKernelEx" : "cuTensorMapReplaceAddress or cuLaunchKernelEx";
  }

  struct Args {
    const void* data;
    std::size_t bytes;
  };

  /// A thread without a context gets the primary one and keeps it, as it would from the CUDA runtime. A thread on
  /// which the host made another context current runs the call in the kernel's and gets its own back.
  template <class Call>
  Status in_context(Call&& call) const {
    const Api& api = module_.api();
    Context* const own = module_.context().handle();
    Context* current = nullptr;
    if (const Status status = api.context_get(&current); status != kSuccess) {
      return status;
    }
    if (current == own) {
      return call();
    }
    if (current == nullptr) {
      const Status status = api.context_set(own);
      return status == kSuccess ? call() : status;
    }
    const ContextScope scope(module_.context());
    return scope.is_current() ? call() : scope.status();
  }

  Status enqueue(const LaunchShape& shape, Args args, Stream* stream) const {
    if (tensor_maps_.empty()) {
      return enqueue_parameter(shape, args.data, stream);
    }
    TensorMaps::Parameter parameter;
    const Status status = tensor_maps_.write(module_.api(), args.data, args.bytes, parameter);
    return status == kSuccess ? enqueue_parameter(shape, parameter.bytes.data(), stream) : status;
  }

  Status enqueue_parameter(const LaunchShape& shape, const void* parameter, Stream* stream) const {
    const LaunchConfig config = {
        .grid_x = shape.grid[0],
        .grid_y = shape.grid[1],
        .grid_z = shape.grid[2],
        .block_x = shape.block[0],
        .block_y = shape.block[1],
        .block_z = shape.block[2],
        .shared_bytes = shape.dynamic_shared_bytes,
        .stream = stream,
        .attributes = nullptr,
        .attribute_count = 0,
    };
    void* parameters[] = {const_cast<void*>(parameter)};  // The driver only reads it.
    return module_.api().launch(&config, function_, parameters, nullptr);
  }

  Error wrong_args(std::size_t given) const {
    return make_error(ErrorCode::kDriverError, fmt::format("launch of {}: the arguments are {} bytes, the loaded kernel takes {}",
                                                           entry_, given, attributes_.args_bytes));
  }

  Error launch_error(const LaunchShape& shape, Status status) const {
    if (is_sticky(status)) {
      has_met_fault_ = true;
    }
    Error error = call_error(module_.api(), calls(), status);
    error.message += fmt::format("; kernel {}, grid {}x{}x{}, block {}x{}x{}, {} bytes of dynamic shared memory",
                                 entry_, shape.grid[0], shape.grid[1], shape.grid[2], shape.block[0], shape.block[1],
                                 shape.block[2], shape.dynamic_shared_bytes);
    return error;
  }

  ModuleHandle module_;
  Function* function_;
  LoadedAttributes attributes_;
  TensorMaps tensor_maps_;
  std::string entry_;
  mutable std::atomic<bool> has_met_fault_{false};
};

/// What an image that the driver refuses means, or null for errors that are not about the image.
const char* refusal(Status status) {
  switch (status) {
    case kNoBinaryForGpu:
      return "the code is not for this device's compute capability";
    case kInvalidImage:
      return "the driver does not take this for a cubin: it is damaged, or of a later CUDA version than the driver";
    case kInvalidPtx:
      return "the driver's compiler refuses this PTX; its log is attached";
    case kUnsupportedPtxVersion:
      return "the PTX is of a later version than the driver's compiler: update the driver, or compile to a cubin";
    case kJitCompilerNotFound:
      return "the driver's PTX compiler (libnvidia-ptxjitcompiler.so.1) is not installed: compile to a cubin";
    case kJitCompilationDisabled:
      return "the driver's PTX compiler is switched off (CUDA_DISABLE_PTX_JIT): compile to a cubin";
    default:
      return nullptr;
  }
}

Result<ModuleHandle> load_module(std::shared_ptr<const PrimaryContext> context, const CodeObject& code) {
  if (code.format != CodeFormat::kCubin && code.format != CodeFormat::kPtx) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{}: the CUDA driver loads cubin and ptx, not {}",
                                                           code.entry, code_format_name(code.format)));
  }
  const Api& api = context->api();
  std::string image(reinterpret_cast<const char*>(code.code.data()), code.code.size());  // PTX must end in NUL.
  std::string log(kLogBytes, '\0');
  std::array options = {kJitErrorLogBuffer, kJitErrorLogBufferBytes};
  std::array<void*, 2> values = {log.data(), reinterpret_cast<void*>(log.size())};  // By value, as the ABI wants it.
  Module* module = nullptr;
  const Status status = api.module_load(&module, image.c_str(), options.size(), options.data(), values.data());
  if (status == kSuccess) {
    return ModuleHandle(std::move(context), module);
  }
  Error error = call_error(api, "cuModuleLoadDataEx", status);
  error.message += fmt::format("; loading {} ({}, {} bytes)", code.entry, code.facts.target, code.code.size());
  error.log = log.c_str();
  if (const char* meaning = refusal(status); meaning != nullptr) {
    error.code = ErrorCode::kUnsupported;
    error.message += fmt::format(": {}", meaning);
  }
  return error;
}

std::int64_t function_attribute(const Api& api, Function* function, FunctionAttribute attribute) {
  int value = 0;
  return api.function_attribute(&value, attribute, function) == kSuccess ? value : kUnknown;
}

/// From the first parameter, which alignment may have moved, to the end of the last. The parameters are listed by index
/// until the driver says that there is none.
std::int64_t parameter_bytes(const Api& api, Function* function) {
  if (api.function_parameter == nullptr) {
    return kUnknown;
  }
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t offset = 0;
  std::size_t bytes = 0;
  for (std::size_t index = 0; api.function_parameter(function, index, &offset, &bytes) == kSuccess; ++index) {
    begin = index == 0 ? offset : begin;
    end = offset + bytes;
  }
  return static_cast<std::int64_t>(end - begin);
}

LoadedAttributes read_attributes(const Api& api, Function* function) {
  LoadedAttributes attributes;
  attributes.registers = function_attribute(api, function, kFunctionRegisters);
  attributes.static_shared_bytes = function_attribute(api, function, kFunctionSharedBytes);
  attributes.scratch_bytes = function_attribute(api, function, kFunctionLocalBytes);
  attributes.max_threads_per_block = function_attribute(api, function, kFunctionMaxThreadsPerBlock);
  attributes.args_bytes = parameter_bytes(api, function);
  return attributes;
}

/// A kernel starts with 48 KiB for static and dynamic shared memory together; more has to be asked for once.
Result<void> allow_dynamic_shared(const Api& api, Function* function, const CodeObject& code, std::uint32_t bytes) {
  if (std::cmp_less_equal(bytes, function_attribute(api, function, kFunctionMaxDynamicSharedBytes))) {
    return {};
  }
  const Status status = api.set_function_attribute(function, kFunctionMaxDynamicSharedBytes, static_cast<int>(bytes));
  if (status == kSuccess) {
    return {};
  }
  Error error = call_error(api, "cuFuncSetAttribute", status);
  error.message += fmt::format("; {} asks for {} bytes of dynamic shared memory", code.entry, bytes);
  if (status == kInvalidValue) {
    error.code = ErrorCode::kUnsupported;
    error.message += ", more than a block on this device may have: choose a smaller tile";
  }
  return error;
}

Result<std::int64_t> resident_blocks(const Api& api, Function* function, const CodeObject& code,
                                     const LaunchShape& shape) {
  const std::uint64_t threads = std::uint64_t{shape.block[0]} * shape.block[1] * shape.block[2];
  int blocks = 0;
  const Status status = api.occupancy(&blocks, function, static_cast<int>(threads), shape.dynamic_shared_bytes);
  if (status != kSuccess) {
    return call_error(api, "cuOccupancyMaxActiveBlocksPerMultiprocessor", status);
  }
  if (blocks < 1) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{}: no multiprocessor of this device holds a block of {} threads with {} registers "
                                  "each and {} bytes of dynamic shared memory; the kernel allows {} threads per block: "
                                  "choose a smaller tile",
                                  code.entry, threads, function_attribute(api, function, kFunctionRegisters),
                                  shape.dynamic_shared_bytes,
                                  function_attribute(api, function, kFunctionMaxThreadsPerBlock)));
  }
  return std::int64_t{blocks};
}

}  // namespace

Result<std::unique_ptr<LoadedKernel>> load_kernel(std::shared_ptr<const PrimaryContext> context, const CodeObject& code,
                                                  const LaunchShape& shape_hint,
                                                  std::span<const TensorMapPlan> tensor_maps) {
  const Api& api = context->api();
  const ContextScope scope(*context);
  if (!scope.is_current()) {
    return call_error(api, "cuCtxPushCurrent", scope.status());
  }
  const RelaxedCaptureScope relaxed(api);
  SINTER_TRY(ModuleHandle module, load_module(context, code));

  Function* function = nullptr;
  if (const Status status = api.module_function(&function, module.get(), code.entry.c_str()); status != kSuccess) {
    Error error = call_error(api, "cuModuleGetFunction", status);
    error.message += fmt::format("; the code has no kernel {}", code.entry);
    return error;
  }
  if (api.function_load != nullptr) {
    if (const Status status = api.function_load(function); status != kSuccess) {
      return call_error(api, "cuFuncLoad", status);
    }
  }
  SINTER_TRY_VOID(allow_dynamic_shared(api, function, code, shape_hint.dynamic_shared_bytes));
  LoadedAttributes attributes = read_attributes(api, function);
  SINTER_TRY(attributes.blocks_per_unit, resident_blocks(api, function, code, shape_hint));
  SINTER_TRY(const TensorMaps maps, TensorMaps::encode(api, tensor_maps, code.entry));
  return std::unique_ptr<LoadedKernel>(
      std::make_unique<CudaKernel>(std::move(module), function, attributes, maps, code.entry));
}

}  // namespace sinter::cuda
