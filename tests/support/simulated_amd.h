// SPDX-License-Identifier: Apache-2.0
#pragma once

// A simulated AMD device for tests: the ordinary runtime and HIP driver with libsinter-simhip.so as their HIP library.
// SINTER_SIMHIP_DEVICE chooses the device, once per process.

#include <dlfcn.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "codegen/compile_options.h"
#include "codegen/resolve.h"
#include "runtime/runtime.h"
#include "tests/support/temporary_directory.h"
#include "tools/simhip/simhip.h"
#include "tools/worker_llvm/llvm_worker.h"

namespace sinter::testing {

/// A function of the simulator that is none of HIP's.
template <class Function>
Function* simulator_function(const char* name) {
  void* const library = ::dlopen(SINTER_SIMHIP_LIBRARY, RTLD_NOW);
  REQUIRE(library != nullptr);
  auto* const function = reinterpret_cast<Function*>(::dlsym(library, name));
  REQUIRE(function != nullptr);
  return function;
}

/// Why something failed; empty if it did not.
template <class T>
std::string message(const Result<T>& result) {
  return result ? "" : result.error().message;
}

inline sinter_simhip_counters counters() {
  sinter_simhip_counters counts{};
  simulator_function<void(sinter_simhip_counters*)>("sinter_simhip_get_counters")(&counts);
  return counts;
}

/// A fault stays, as on a device: tests that make one end with this.
inline void reset_device() { REQUIRE(simulator_function<int()>("hipDeviceReset")() == 0); }

using Params = std::vector<std::pair<std::string_view, std::string>>;

/// Runs kernels on "hip:0", and on "host" to compare with.
class SimulatedAmd {
 public:
  SimulatedAmd() {
    RuntimeOptions options;
    options.settings.cache_dir = directory_.path();
    options.settings.hip_library = SINTER_SIMHIP_LIBRARY;
    options.settings.worker_dir = SINTER_TEST_WORKER_DIR;
    options.log = [](LogLevel, std::string_view) {};
    options.allow_unsafe_vskip = true;
    runtime_ = Runtime::create(std::move(options)).value();
    const auto opened = runtime_->open_device("hip:0");
    REQUIRE(message(opened) == "");
    index_ = *opened;
  }

  const Device& device() const { return runtime_->device(index_); }
  Driver& driver() const { return *device().driver; }
  Runtime& runtime() { return *runtime_; }

  const Kernel& kernel(std::string_view family, const Params& params) { return kernel_on(index_, family, params); }
  const Kernel& host_kernel(std::string_view family, const Params& params) {
    return kernel_on(runtime_->open_device("host").value(), family, params);
  }

  std::unique_ptr<DeviceBuffer> upload(std::span<const std::byte> bytes) const {
    auto buffer = driver().allocate(0, bytes.size());
    REQUIRE(buffer);
    REQUIRE((*buffer)->upload(bytes));
    return std::move(*buffer);
  }
  template <class T>
  std::unique_ptr<DeviceBuffer> upload(const std::vector<T>& values) const {
    return upload(std::as_bytes(std::span(values)));
  }

  /// Compiles a kernel named "kernel" for an arch, with the LLVM worker's compiler.
  static CodeObject compile(std::string_view arch, std::string_view source, const std::vector<std::string>& more = {}) {
    protocol::CompileRequest request;
    request.backend = "llvm";
    request.arch = arch;
    request.entry = "kernel";
    request.source = source;
    request.options = default_options("llvm", *find_arch(arch));
    request.options.insert(request.options.end(), more.begin(), more.end());
    LlvmWorker worker;
    const protocol::CompileReply reply = worker.compile(request);
    INFO(reply.error << "\n" << reply.log);
    REQUIRE(reply.ok);
    CodeObject code;
    code.format = CodeFormat::kHsaco;
    code.entry = request.entry;
    code.code = reply.code;
    code.facts.target = arch;
    return code;
  }

  /// What goes wrong in one work-group of 128 threads of such a kernel, whose argument is a buffer of 512 bytes.
  std::string fault_of(std::string_view source) const {
    return fault_of_code(compile(device().properties.arch, source));
  }
  std::string fault_of_code(const CodeObject& code) const {
    const LaunchShape shape{.grid = {1, 1, 1}, .block = {128, 1, 1}};
    const auto kernel = driver().load(0, code, shape);
    REQUIRE(kernel);
    const auto buffer = upload(std::vector<std::uint32_t>(128));
    const void* const argument = buffer->data();
    REQUIRE((*kernel)->launch(shape, &argument, sizeof argument, nullptr));
    const auto waited = driver().synchronize(0);
    reset_device();
    return waited ? "" : waited.error().message;
  }

 private:
  const Kernel& kernel_on(int index, std::string_view family, const Params& params) {
    KernelRequest request;
    request.family = find_family(family).value();
    for (const auto& [name, value] : params) {
      REQUIRE(set_param(request, name, std::string_view(value)));
    }
    const auto kernel = runtime_->get_kernel(index, request);
    REQUIRE(message(kernel) == "");
    return **kernel;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Runtime> runtime_;
  int index_ = 0;
};

}  // namespace sinter::testing
