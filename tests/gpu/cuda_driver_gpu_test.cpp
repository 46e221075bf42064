// SPDX-License-Identifier: Apache-2.0

// The CUDA driver on a real device: cubins and PTX made on the fly by NVRTC, launched in every situation that a host
// can be in. Exits 77 (skipped) without a device or without NVRTC (SINTER_NVRTC names it where the linker does not).

#define CATCH_CONFIG_RUNNER
#include <array>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "base/dyn_lib.h"
#include "base/settings.h"
#include "runtime/device/driver.h"

namespace sinter {
namespace {

constexpr int kSkipped = 77;
constexpr int kElements = 100000;
constexpr unsigned kBlock = 256;
constexpr unsigned kDynamicShared = 100 * 1024;  // Above the 48 KiB that need no asking.

constexpr const char* kSource = R"(
struct Args { const float* in; float* out; int count; float factor; };
extern "C" __global__ void scale(const Args args) {
  extern __shared__ float staging[];
  const int index = blockIdx.x * blockDim.x + threadIdx.x;
  float* const slot = staging + threadIdx.x * 97;
  if (index < args.count) *slot = args.in[index];
  __syncthreads();
  if (index < args.count) args.out[index] = *slot * args.factor;
})";

struct Args {
  const void* in;
  void* out;
  std::int32_t count;
  float factor;
};

struct Nvrtc {
  int (*create)(void** program, const char* source, const char* name, int, const char* const*, const char* const*);
  int (*compile)(void* program, int count, const char* const* options);
  int (*destroy)(void** program);
  int (*cubin_bytes)(void* program, std::size_t* bytes);
  int (*cubin)(void* program, char* out);
  int (*ptx_bytes)(void* program, std::size_t* bytes);
  int (*ptx)(void* program, char* out);
};

Result<Nvrtc> open_nvrtc(const std::string& path) {
  const std::array<std::string, 4> names = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so",
                                            "/usr/local/cuda/lib64/libnvrtc.so"};
  SINTER_TRY(const DynLib library, path.empty() ? DynLib::open_first(names) : DynLib::open(path));
  Nvrtc nvrtc{};
  SINTER_TRY_VOID(library.bind({{"nvrtcCreateProgram", &nvrtc.create},
                                {"nvrtcCompileProgram", &nvrtc.compile},
                                {"nvrtcDestroyProgram", &nvrtc.destroy},
                                {"nvrtcGetCUBINSize", &nvrtc.cubin_bytes},
                                {"nvrtcGetCUBIN", &nvrtc.cubin},
                                {"nvrtcGetPTXSize", &nvrtc.ptx_bytes},
                                {"nvrtcGetPTX", &nvrtc.ptx}}));
  return nvrtc;
}

Settings settings() {
  Result<Settings> read = read_environment();
  return read ? *read : Settings();
}

/// Compiles kSource for "sm_90a" (cubin) or "compute_80" (PTX).
CodeObject compile(const std::string& arch) {
  const Result<Nvrtc> nvrtc = open_nvrtc(settings().nvrtc_library);
  REQUIRE(nvrtc);
  void* program = nullptr;
  REQUIRE(nvrtc->create(&program, kSource, "scale.cu", 0, nullptr, nullptr) == 0);
  const std::string option = "--gpu-architecture=" + arch;
  const char* const options[] = {option.c_str()};
  REQUIRE(nvrtc->compile(program, 1, options) == 0);
  CodeObject code;
  code.format = arch.starts_with("sm_") ? CodeFormat::kCubin : CodeFormat::kPtx;
  code.entry = "scale";
  code.facts.target = arch;
  const bool is_cubin = code.format == CodeFormat::kCubin;
  std::size_t bytes = 0;
  REQUIRE((is_cubin ? nvrtc->cubin_bytes : nvrtc->ptx_bytes)(program, &bytes) == 0);
  code.code.resize(bytes);
  REQUIRE((is_cubin ? nvrtc->cubin : nvrtc->ptx)(program, reinterpret_cast<char*>(code.code.data())) == 0);
  nvrtc->destroy(&program);
  return code;
}

/// Calls of the host that Sinter does not make itself.
struct HostCuda {
  HostCuda() {
    const Result<DynLib> library = DynLib::open("libcuda.so.1");
    REQUIRE(library);
    REQUIRE(library->bind({{"cuCtxCreate_v2", &context_create},
                           {"cuCtxDestroy_v2", &context_destroy},
                           {"cuCtxGetCurrent", &context_get},
                           {"cuStreamCreate", &stream_create},
                           {"cuStreamSynchronize", &stream_synchronize},
                           {"cuStreamDestroy_v2", &stream_destroy},
                           {"cuStreamBeginCapture_v2", &capture_begin},
                           {"cuStreamEndCapture", &capture_end},
                           {"cuGraphGetNodes", &graph_nodes},
                           {"cuGraphInstantiateWithFlags", &graph_instantiate},
                           {"cuGraphLaunch", &graph_launch},
                           {"cuGraphExecDestroy", &graph_exec_destroy},
                           {"cuGraphDestroy", &graph_destroy}}));
  }

  int (*context_create)(void** context, unsigned flags, int device);
  int (*context_destroy)(void* context);
  int (*context_get)(void** context);
  int (*stream_create)(void** stream, unsigned flags);
  int (*stream_synchronize)(void* stream);
  int (*stream_destroy)(void* stream);
  int (*capture_begin)(void* stream, int mode);
  int (*capture_end)(void* stream, void** graph);
  int (*graph_nodes)(void* graph, void** nodes, std::size_t* count);
  int (*graph_instantiate)(void** executable, void* graph, unsigned long long flags);
  int (*graph_launch)(void* executable, void* stream);
  int (*graph_exec_destroy)(void* executable);
  int (*graph_destroy)(void* graph);
};

LaunchShape shape() { return {{(kElements + kBlock - 1) / kBlock, 1, 1}, {kBlock, 1, 1}, kDynamicShared}; }

/// An input and an output on the device, and the launch between them.
class Fixture {
 public:
  Fixture() : driver_(open()), in_(buffer()), out_(buffer()) {
    std::vector<float> values(kElements);
    for (int i = 0; i < kElements; ++i) {
      values[static_cast<std::size_t>(i)] = static_cast<float>(i);
    }
    REQUIRE(in_->upload(std::as_bytes(std::span(values))));
    clear();
  }

  Driver& driver() { return *driver_; }
  DeviceBuffer& in() { return *in_; }
  const DeviceProperties& device() { return driver_->devices()[0]; }

  std::unique_ptr<LoadedKernel> load(const CodeObject& code) {
    Result<std::unique_ptr<LoadedKernel>> kernel = driver_->load(0, code, shape());
    INFO((kernel ? std::string() : kernel.error().message + kernel.error().log));
    REQUIRE(kernel);
    return std::move(*kernel);
  }

  Args args(float factor) const { return {in_->data(), out_->data(), kElements, factor}; }

  void clear() {
    const std::vector<float> zeros(kElements);
    REQUIRE(out_->upload(std::as_bytes(std::span(zeros))));
  }

  /// Elements of the output that are not the input times `factor`.
  int mismatches(float factor) const {
    std::vector<float> values(kElements);
    REQUIRE(driver_->synchronize(0));
    REQUIRE(out_->download(std::as_writable_bytes(std::span(values))));
    int wrong = 0;
    for (int i = 0; i < kElements; ++i) {
      wrong += values[static_cast<std::size_t>(i)] == static_cast<float>(i) * factor ? 0 : 1;
    }
    return wrong;
  }

 private:
  static std::unique_ptr<Driver> open() {
    Result<std::unique_ptr<Driver>> driver = make_cuda_driver(settings().cuda_library);
    REQUIRE(driver);
    return std::move(*driver);
  }
  std::unique_ptr<DeviceBuffer> buffer() {
    Result<std::unique_ptr<DeviceBuffer>> made = driver_->allocate(0, kElements * sizeof(float));
    REQUIRE(made);
    return std::move(*made);
  }

  std::unique_ptr<Driver> driver_;
  std::unique_ptr<DeviceBuffer> in_, out_;
};

}  // namespace

TEST_CASE("the device describes itself") {
  Fixture gpu;
  const DeviceProperties& device = gpu.device();
  CHECK_FALSE(device.name.empty());
  CHECK(device.arch.starts_with("sm_"));
  CHECK_FALSE(device.pci_bus.empty());
  CHECK_FALSE(device.driver_version.empty());
  CHECK(device.unit_count.value_or(0) > 0);
  CHECK(device.wave_size == 32);
  CHECK(device.max_threads_per_block == 1024);
  CHECK(device.shared_bytes_per_block.value_or(0) >= kDynamicShared);
  CHECK(device.memory_bytes.value_or(0) > std::int64_t{1} << 30);
  std::printf("%s, %s, %s, driver %s, %lld SMs, PCI %04x:%04x\n", device.name.c_str(), device.arch.c_str(),
              device.pci_bus.c_str(), device.driver_version.c_str(),
              static_cast<long long>(device.unit_count.value_or(0)), device.pci_vendor.value_or(0),
              device.pci_device.value_or(0));
}

TEST_CASE("a cubin for the device runs and its attributes are known") {
  Fixture gpu;
  const auto kernel = gpu.load(compile(gpu.device().arch));
  const LoadedAttributes& attributes = kernel->attributes();
  CHECK(attributes.registers > 0);
  CHECK(attributes.static_shared_bytes == 0);
  CHECK(attributes.scratch_bytes == 0);
  CHECK(attributes.max_threads_per_block == 1024);
  CHECK((attributes.args_bytes == sizeof(Args) || attributes.args_bytes == kUnknown));  // Known from CUDA 12.4 on.
  CHECK(attributes.blocks_per_unit == *gpu.device().shared_bytes_per_unit / (kDynamicShared + 1024));
  const Args args = gpu.args(3);
  REQUIRE(kernel->launch(shape(), &args, sizeof(args), nullptr));
  CHECK(gpu.mismatches(3) == 0);
}

TEST_CASE("PTX for an older arch runs") {
  Fixture gpu;
  const auto kernel = gpu.load(compile("compute_80"));
  const Args args = gpu.args(5);
  REQUIRE(kernel->launch(shape(), &args, sizeof(args), nullptr));
  CHECK(gpu.mismatches(5) == 0);
}

TEST_CASE("broken PTX is unsupported, with the log of the driver's compiler") {
  Fixture gpu;
  CodeObject code = compile("compute_80");
  const std::string text = ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry scale() { nonsense; }\n";
  code.code.resize(text.size());
  std::memcpy(code.code.data(), text.data(), text.size());
  const auto kernel = gpu.driver().load(0, code, shape());
  REQUIRE_FALSE(kernel);
  CHECK(kernel.error().code == ErrorCode::kUnsupported);
  CHECK_THAT(kernel.error().message, Catch::Contains("CUDA_ERROR_INVALID_PTX"));
  CHECK_THAT(kernel.error().log, Catch::Contains("nonsense"));
}

TEST_CASE("a cubin of another arch is unsupported") {
  Fixture gpu;
  const auto kernel = gpu.driver().load(0, compile(gpu.device().arch == "sm_80" ? "sm_90a" : "sm_80"), shape());
  REQUIRE_FALSE(kernel);
  CHECK(kernel.error().code == ErrorCode::kUnsupported);
}

TEST_CASE("a kernel that the code lacks is named") {
  Fixture gpu;
  CodeObject code = compile(gpu.device().arch);
  code.entry = "not_there";
  const auto kernel = gpu.driver().load(0, code, shape());
  REQUIRE_FALSE(kernel);
  CHECK_THAT(kernel.error().message, Catch::Contains("CUDA_ERROR_NOT_FOUND") && Catch::Contains("not_there"));
}

TEST_CASE("more dynamic shared memory than the device has is unsupported") {
  Fixture gpu;
  LaunchShape too_much = shape();
  too_much.dynamic_shared_bytes = static_cast<std::uint32_t>(*gpu.device().shared_bytes_per_block + 1);
  const auto kernel = gpu.driver().load(0, compile(gpu.device().arch), too_much);
  REQUIRE_FALSE(kernel);
  CHECK(kernel.error().code == ErrorCode::kUnsupported);
}

TEST_CASE("a launch with an impossible block is a driver error and does no harm") {
  Fixture gpu;
  const auto kernel = gpu.load(compile(gpu.device().arch));
  LaunchShape impossible = shape();
  impossible.block[0] = 2048;
  const Args args = gpu.args(2);
  const auto launched = kernel->launch(impossible, &args, sizeof(args), nullptr);
  REQUIRE_FALSE(launched);
  CHECK_THAT(launched.error().message, Catch::Contains("CUDA_ERROR_INVALID_VALUE"));
  REQUIRE(kernel->launch(shape(), &args, sizeof(args), nullptr));
  CHECK(gpu.mismatches(2) == 0);
}

TEST_CASE("a thread that never used CUDA launches") {
  Fixture gpu;
  const auto kernel = gpu.load(compile(gpu.device().arch));
  const Args args = gpu.args(7);
  bool launched = false;
  std::thread([&] { launched = kernel->launch(shape(), &args, sizeof(args), nullptr).has_value(); }).join();
  CHECK(launched);
  CHECK(gpu.mismatches(7) == 0);
}

TEST_CASE("a thread with a context of its own launches and keeps it") {
  Fixture gpu;
  const auto kernel = gpu.load(compile(gpu.device().arch));
  const Args args = gpu.args(9);
  const HostCuda cuda;
  std::thread([&] {
    void* own = nullptr;
    void* after = nullptr;
    CHECK(cuda.context_create(&own, 0, 0) == 0);
    CHECK(kernel->launch(shape(), &args, sizeof(args), nullptr));
    CHECK(cuda.context_get(&after) == 0);
    CHECK(after == own);
    cuda.context_destroy(own);
  }).join();
  CHECK(gpu.mismatches(9) == 0);
}

TEST_CASE("a launch is captured into a graph, and loading meanwhile does not break the capture") {
  Fixture gpu;
  const CodeObject code = compile(gpu.device().arch);
  const auto kernel = gpu.load(code);
  const HostCuda cuda;
  const Args args = gpu.args(11);
  REQUIRE(kernel->launch(shape(), &args, sizeof(args), nullptr));  // Leaves the primary context current.
  REQUIRE(gpu.mismatches(11) == 0);
  gpu.clear();
  void* stream = nullptr;
  void* graph = nullptr;
  void* executable = nullptr;
  constexpr unsigned kNonBlocking = 1;
  constexpr int kGlobalMode = 0;
  REQUIRE(cuda.stream_create(&stream, kNonBlocking) == 0);
  REQUIRE(cuda.capture_begin(stream, kGlobalMode) == 0);
  REQUIRE(kernel->launch(shape(), &args, sizeof(args), stream));
  const auto second = gpu.load(code);
  REQUIRE(cuda.capture_end(stream, &graph) == 0);
  std::size_t nodes = 0;
  REQUIRE(cuda.graph_nodes(graph, nullptr, &nodes) == 0);
  CHECK(nodes == 1);
  CHECK(gpu.mismatches(0) == 0);  // Captured, not run.
  REQUIRE(cuda.graph_instantiate(&executable, graph, 0) == 0);
  REQUIRE(cuda.graph_launch(executable, stream) == 0);
  REQUIRE(cuda.stream_synchronize(stream) == 0);
  CHECK(gpu.mismatches(11) == 0);
  cuda.graph_exec_destroy(executable);
  cuda.graph_destroy(graph);
  cuda.stream_destroy(stream);
}

TEST_CASE("the size of an allocation is known from any pointer into it") {
  Fixture gpu;
  const auto* const data = static_cast<const std::byte*>(gpu.in().data());
  constexpr std::uint64_t kBytes = kElements * sizeof(float);
  CHECK(gpu.driver().bytes_behind(0, data) == kBytes);
  CHECK(gpu.driver().bytes_behind(0, data + 400) == kBytes - 400);
  CHECK_FALSE(gpu.driver().bytes_behind(0, &gpu));
}

TEST_CASE("a timer measures a kernel") {
  Fixture gpu;
  const auto kernel = gpu.load(compile(gpu.device().arch));
  const auto timer = gpu.driver().timer(0);
  REQUIRE(timer);
  const Args args = gpu.args(1);
  REQUIRE((*timer)->start());
  REQUIRE(kernel->launch(shape(), &args, sizeof(args), nullptr));
  const Result<double> ms = (*timer)->stop();
  REQUIRE(ms);
  CHECK(*ms > 0);
  CHECK(*ms < 1000);
}

}  // namespace sinter

int main(int argc, char** argv) {
  const auto driver = sinter::make_cuda_driver(sinter::settings().cuda_library);
  const auto nvrtc = sinter::open_nvrtc(sinter::settings().nvrtc_library);
  if (!driver || !nvrtc) {
    std::printf("skipped: %s\n", (!driver ? driver.error() : nvrtc.error()).message.c_str());
    return sinter::kSkipped;
  }
  return Catch::Session().run(argc, argv);
}
