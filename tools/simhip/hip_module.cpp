// SPDX-License-Identifier: Apache-2.0

// HIP's module API: loading code objects and launching their kernels.

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "runtime/device/hip_api.h"
#include "tools/simhip/hip_session.h"
#include "tools/simhip/launch_arguments.h"

using namespace sinter::sim;
namespace hip = sinter::hip;

namespace {

constexpr std::uint32_t kRegistersPerSimd = 512;  // of each lane, both kinds, from gfx90a on
constexpr std::uint32_t kSimdsPerUnit = 4;
constexpr std::uint32_t kMaxWavesPerSimd = 8;
constexpr std::size_t kLeastImageBytes = 64;  // an ELF header

/// The argument buffer of a launch's `extra` list; null if the list is not of that form.
bool read_extra(void** extra, std::span<const std::byte>& arguments) {
  const void* buffer = nullptr;
  const std::size_t* bytes = nullptr;
  for (; extra != nullptr && reinterpret_cast<std::uintptr_t>(extra[0]) != hip::kLaunchListEnd; extra += 2) {
    const auto key = reinterpret_cast<std::uintptr_t>(extra[0]);
    if (key == hip::kLaunchArgsPointer) {
      buffer = extra[1];
    } else if (key == hip::kLaunchArgsBytes) {
      bytes = static_cast<const std::size_t*>(extra[1]);
    } else {
      return false;
    }
  }
  if (buffer == nullptr || bytes == nullptr) {
    return false;
  }
  arguments = {static_cast<const std::byte*>(buffer), *bytes};
  return true;
}

std::uint32_t waves_of(std::uint32_t threads) { return (threads + kLanes - 1) / kLanes; }

HipStatus check_shape(const SimulatedDevice& simulated, const Launch& launch) {
  const KernelCode& kernel = *launch.kernel;
  std::uint64_t threads = 1, groups = 1;
  for (unsigned axis = 0; axis < 3; ++axis) {
    threads *= launch.block[axis];
    groups *= launch.grid[axis];
    if (launch.block[axis] > kernel.max_threads) {
      threads = kernel.max_threads + 1ULL;
      break;
    }
  }
  if (groups == 0 || threads == 0 || threads > kernel.max_threads) {
    return failing(kHipInvalidConfiguration, fmt::format("{} groups of {} threads: the kernel is for 1 to {} threads",
                                                         groups, threads, kernel.max_threads));
  }
  const std::uint64_t lds = std::uint64_t{kernel.lds_bytes} + launch.dynamic_lds_bytes;
  const auto limit = static_cast<std::uint64_t>(simulated.caps().shared_bytes_per_block.value.value_or(0));
  if (lds > limit) {
    return failing(kHipOutOfResources, fmt::format("{} bytes of LDS: a work-group has {}", lds, limit));
  }
  if (!kernel.problem.empty()) {
    return failing(kHipNotSupported, fmt::format("kernel {} cannot be simulated: {}", kernel.name, kernel.problem));
  }
  return kHipSuccess;
}

constexpr int kFunctionConstantBytes = 2, kFunctionMaxDynamicShared = 8;  // of hipFunction_attribute

/// LDS that a launch may add to the kernel's own.
int max_dynamic_lds(const KernelCode& kernel) {
  const SimulatedDevice* const simulated = device();
  const std::int64_t limit = simulated != nullptr ? simulated->caps().shared_bytes_per_block.value.value_or(0) : 0;
  return static_cast<int>(std::max<std::int64_t>(0, limit - kernel.lds_bytes));
}

int run(SimulatedDevice& simulated, Launch& launch, void** parameters, void** extra) {
  if (const HipStatus status = check_shape(simulated, launch); status != kHipSuccess) {
    return status;
  }
  std::span<const std::byte> buffer;
  if (parameters == nullptr && launch.kernel->argument_bytes != 0 && !read_extra(extra, buffer)) {
    return failing(kHipInvalidValue, "there are neither kernelParams nor a buffer in `extra`");
  }
  const sinter::Result<LaunchArguments> arguments = parameters != nullptr
                                                ? LaunchArguments::from_pointers(launch, parameters)
                                                : LaunchArguments::from_buffer(launch, buffer);
  if (!arguments) {
    return failing(kHipInvalidValue, arguments.error().message);
  }
  if (const HipStatus status = device_status(simulated); status != kHipSuccess) {
    return status;
  }
  arguments->attach(launch);
  simulated.launch(launch);
  if (const auto fault = simulated.fault()) {
    std::fprintf(stderr, "libsinter-simhip: %s\n", fault->message.c_str());
  }
  return kHipSuccess;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

int hipModuleLoadData(Module** module, const void* image) {
  SimulatedDevice* const simulated = device();
  if (simulated == nullptr) {
    return kHipInvalidValue;
  }
  const std::span<const std::byte> bytes = image_at(image);
  if (bytes.empty()) {
    return failing(kHipInvalidImage);
  }
  auto code = load_code(bytes);
  if (!code) {
    return failing(kHipInvalidImage, code.error().message);
  }
  if (code->arch != simulated->arch()) {
    return failing(kHipNoBinaryForGpu,
                   fmt::format("the code is for {}, the device is {}", code->arch, simulated->arch()));
  }
  auto loaded = std::make_unique<Module>();
  loaded->code = std::move(*code);
  for (const KernelCode& kernel : loaded->code.kernels) {
    loaded->functions.push_back({loaded.get(), &kernel});
  }
  for (const MemoryRange& range : loaded->code.image.ranges()) {
    simulated->memory().attach(range);
  }
  *module = loaded.release();
  return kHipSuccess;
}

int hipModuleLoadDataEx(Module** module, const void* image, unsigned, void*, void**) {
  return hipModuleLoadData(module, image);
}

int hipModuleLoad(Module** module, const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string image{std::istreambuf_iterator<char>(file), {}};
  if (!file || image.size() < kLeastImageBytes) {
    return failing(kHipInvalidValue, fmt::format("{} is no file that can be read as a code object", path));
  }
  return hipModuleLoadData(module, image.data());
}

int hipModuleUnload(Module* module) {
  if (SimulatedDevice* const simulated = device(); simulated != nullptr && module != nullptr) {
    for (const MemoryRange& range : module->code.image.ranges()) {
      simulated->memory().detach(range.begin);
    }
  }
  delete module;
  return kHipSuccess;
}

int hipModuleGetFunction(Function** function, Module* module, const char* name) {
  for (Function& candidate : module->functions) {
    if (candidate.kernel->name == name) {
      *function = &candidate;
      return kHipSuccess;
    }
  }
  return failing(kHipNotFound, fmt::format("the code has no kernel {}", name));
}

int hipModuleGetGlobal(void** pointer, std::size_t* bytes, Module* module, const char* name) {
  const LoadedVariable* const variable = module->code.image.find(name);
  if (variable == nullptr) {
    return failing(kHipNotFound, fmt::format("the code has no variable {}", name));
  }
  if (pointer != nullptr) {
    *pointer = reinterpret_cast<void*>(variable->address);
  }
  if (bytes != nullptr) {
    *bytes = variable->bytes;
  }
  return kHipSuccess;
}

int hipFuncGetAttribute(int* value, int attribute, const Function* function) {
  const KernelCode& kernel = *function->kernel;
  switch (attribute) {
    case hip::kFunctionMaxThreadsPerBlock: *value = static_cast<int>(kernel.max_threads); return kHipSuccess;
    case hip::kFunctionSharedBytes: *value = static_cast<int>(kernel.lds_bytes); return kHipSuccess;
    case hip::kFunctionLocalBytes: *value = static_cast<int>(kernel.scratch_bytes); return kHipSuccess;
    case hip::kFunctionRegisters: *value = static_cast<int>(kernel.vector_registers); return kHipSuccess;
    case kFunctionConstantBytes: *value = 0; return kHipSuccess;
    case kFunctionMaxDynamicShared: *value = max_dynamic_lds(kernel); return kHipSuccess;
    default: return failing(kHipInvalidValue, fmt::format("attribute {} is not simulated", attribute));
  }
}

int hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const Function* function, int threads,
                                                       std::size_t dynamic_lds_bytes) {
  SimulatedDevice* const simulated = device();
  if (simulated == nullptr || threads <= 0) {
    return simulated == nullptr ? kHipInvalidValue : failing(kHipInvalidValue);
  }
  const KernelCode& kernel = *function->kernel;
  const std::uint32_t waves = std::min(kMaxWavesPerSimd, kRegistersPerSimd / kernel.vector_registers) * kSimdsPerUnit;
  std::uint64_t resident = waves / waves_of(static_cast<std::uint32_t>(threads));
  if (const std::uint64_t lds = kernel.lds_bytes + dynamic_lds_bytes; lds != 0) {
    const auto limit = static_cast<std::uint64_t>(simulated->caps().shared_bytes_per_unit.value.value_or(0));
    resident = std::min(resident, limit / lds);
  }
  *blocks = static_cast<int>(resident);
  return kHipSuccess;
}

int hipModuleOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const Function* function, int threads,
                                                                std::size_t dynamic_lds_bytes, unsigned) {
  return hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, threads, dynamic_lds_bytes);
}

/// The largest block: waves of one hide as much as waves of several.
int hipModuleOccupancyMaxPotentialBlockSize(int* grid, int* block, const Function* function,
                                            std::size_t dynamic_lds_bytes, int limit) {
  SimulatedDevice* const simulated = device();
  const auto most = static_cast<int>(function->kernel->max_threads);
  *block = limit > 0 ? std::min(limit, most) : most;
  int resident = 0;
  const int status = hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(&resident, function, *block, dynamic_lds_bytes);
  *grid = simulated != nullptr ? resident * static_cast<int>(simulated->caps().unit_count.value.value_or(1)) : 0;
  return status;
}

int hipModuleOccupancyMaxPotentialBlockSizeWithFlags(int* grid, int* block, const Function* function,
                                                     std::size_t dynamic_lds_bytes, int limit, unsigned) {
  return hipModuleOccupancyMaxPotentialBlockSize(grid, block, function, dynamic_lds_bytes, limit);
}

int hipModuleLaunchKernel(const Function* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                          unsigned block_y, unsigned block_z, unsigned dynamic_lds_bytes, Stream*, void** parameters,
                          void** extra) {
  SimulatedDevice* const simulated = device();
  if (simulated == nullptr) {
    return kHipInvalidValue;
  }
  Launch launch;
  launch.code = &function->module->code;
  launch.kernel = function->kernel;
  launch.grid = {grid_x, grid_y, grid_z};
  launch.block = {block_x, block_y, block_z};
  launch.dynamic_lds_bytes = dynamic_lds_bytes;
  return run(*simulated, launch, parameters, extra);
}

}  // extern "C"
#pragma GCC visibility pop
