// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "runtime/device/driver.h"
#include "tests/support/fake_gpu_library.h"

// SINTER_FAKE_CUDA, SINTER_FAKE_CUDA_OLD: paths of the shared objects built from support/fake_cuda.cpp.

namespace sinter {
namespace {

using testing::count_calls;
using testing::fake_code;
using testing::fake_shape;
using testing::FakeArgs;
using testing::FakeGpu;
using testing::fresh_fake;

std::unique_ptr<Driver> open_driver() {
  Result<std::unique_ptr<Driver>> driver = make_cuda_driver(SINTER_FAKE_CUDA);
  REQUIRE(driver);
  return std::move(*driver);
}

std::unique_ptr<LoadedKernel> load(Driver& driver, const LaunchShape& shape = fake_shape()) {
  Result<std::unique_ptr<LoadedKernel>> kernel = driver.load(0, fake_code(CodeFormat::kCubin), shape);
  REQUIRE(kernel);
  return std::move(*kernel);
}

/// The context functions of the fake, as the host of the library would call them.
struct HostContext {
  HostContext() {
    void* library = dlopen(SINTER_FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
    get = reinterpret_cast<int (*)(void**)>(dlsym(library, "cuCtxGetCurrent"));
    set = reinterpret_cast<int (*)(void*)>(dlsym(library, "cuCtxSetCurrent"));
    set(nullptr);
  }
  ~HostContext() { set(nullptr); }

  void* current() const {
    void* context = nullptr;
    get(&context);
    return context;
  }

  int (*get)(void**);
  int (*set)(void*);
};

}  // namespace

TEST_CASE("a CUDA library that is not there is named, with the linker's reason") {
  const auto driver = make_cuda_driver("/nowhere/libcuda.so.1");
  REQUIRE_FALSE(driver);
  CHECK(driver.error().code == ErrorCode::kDriverError);
  CHECK_THAT(driver.error().message, Catch::StartsWith("no CUDA driver: /nowhere/libcuda.so.1"));
  CHECK_THAT(driver.error().message, Catch::Contains("No such file"));
}

TEST_CASE("a library that is no CUDA driver is refused by the first function it lacks") {
  const auto driver = make_cuda_driver("libm.so.6");
  REQUIRE_FALSE(driver);
  CHECK_THAT(driver.error().message, Catch::StartsWith("no CUDA driver: ") && Catch::Contains("cuInit"));
}

TEST_CASE("a CUDA driver without devices says which library it was") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  SECTION("it counts none") { fake.device_count = 0; }
  SECTION("cuInit says so") { fake.failures["cuInit"] = 100; }
  const auto driver = make_cuda_driver(SINTER_FAKE_CUDA);
  REQUIRE_FALSE(driver);
  CHECK_THAT(driver.error().message, Catch::StartsWith("no NVIDIA GPU: ") && Catch::Contains(SINTER_FAKE_CUDA));
}

TEST_CASE("a CUDA driver that cannot start is an error with the driver's words") {
  fresh_fake(SINTER_FAKE_CUDA).failures["cuInit"] = 2;
  const auto driver = make_cuda_driver(SINTER_FAKE_CUDA);
  REQUIRE_FALSE(driver);
  CHECK_THAT(driver.error().message, Catch::Contains("cuInit failed: CUDA_ERROR_OUT_OF_MEMORY (2), a fake error"));
}

TEST_CASE("CUDA devices are described without creating a context on them") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  fake.device_count = 2;
  const auto driver = open_driver();
  REQUIRE(driver->devices().size() == 2);
  const DeviceProperties& device = driver->devices()[1];
  CHECK(device.ordinal == 1);
  CHECK(device.name == "Fake H200");
  CHECK(device.arch == "sm_90a");
  CHECK(device.arch_detail == "9.0");
  CHECK(device.pci_bus == "0000:1b:00.0");
  CHECK(device.unit_count == 132);
  CHECK(device.wave_size == 32);
  CHECK(device.max_threads_per_block == 1024);
  CHECK(device.max_threads_per_unit == 2048);
  CHECK(device.shared_bytes_per_block == 232448);
  CHECK(device.shared_bytes_per_unit == 233472);
  CHECK(device.registers_per_block == 65536);
  CHECK(device.max_grid_x == 0x7fffffff);
  CHECK(device.max_grid_y == 65535);
  CHECK(device.memory_bytes == std::int64_t{141} << 30);
  CHECK(device.driver_version == "12.4");
  CHECK_FALSE(device.simulated);
  CHECK(count_calls(fake, "cuDevicePrimaryCtxRetain") == 0);
}

TEST_CASE("the compute capability becomes the arch that kernels are compiled for") {
  const auto [capability, arch] = GENERATE(table<int, std::string>(
      {{80, "sm_80"}, {86, "sm_86"}, {89, "sm_89"}, {90, "sm_90a"}, {100, "sm_100a"}, {120, "sm_120a"}}));
  fresh_fake(SINTER_FAKE_CUDA).compute_capability = capability;
  CHECK(open_driver()->devices()[0].arch == arch);
}

TEST_CASE("loading brings everything to the device once and gives the thread its context back") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  const HostContext host;
  const auto driver = open_driver();
  fake.calls.clear();
  const auto kernel = load(*driver);
  CHECK(fake.calls == std::vector<std::string>{"cuDevicePrimaryCtxRetain", "cuCtxPushCurrent", "capture relaxed",
                                               "cuModuleLoadDataEx", "cuModuleGetFunction", "cuFuncLoad",
                                               "cuOccupancyMaxActiveBlocksPerMultiprocessor", "capture restored",
                                               "cuCtxPopCurrent"});
  CHECK(host.current() == nullptr);
  CHECK(kernel->attributes().registers == 168);
  CHECK(kernel->attributes().static_shared_bytes == 1024);
  CHECK(kernel->attributes().scratch_bytes == 16);
  CHECK(kernel->attributes().max_threads_per_block == 512);
  CHECK(kernel->attributes().args_bytes == 24);
  CHECK(kernel->attributes().blocks_per_unit == 2);
}

TEST_CASE("the limit of dynamic shared memory is raised where the kernel needs it, and only there") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  const auto driver = open_driver();
  LaunchShape shape = fake_shape();
  SECTION("within the default") {
    shape.dynamic_shared_bytes = 49152;
    const auto kernel = load(*driver, shape);
    CHECK(count_calls(fake, "cuFuncSetAttribute") == 0);
  }
  SECTION("above it") {
    shape.dynamic_shared_bytes = 200000;
    const auto kernel = load(*driver, shape);
    CHECK(count_calls(fake, "cuFuncSetAttribute") == 1);
    CHECK(fake.max_dynamic_shared_bytes == 200000);
  }
  SECTION("above what the device has") {
    shape.dynamic_shared_bytes = 300000;
    fake.failures["cuFuncSetAttribute"] = 1;
    const auto kernel = driver->load(0, fake_code(CodeFormat::kCubin), shape);
    REQUIRE_FALSE(kernel);
    CHECK(kernel.error().code == ErrorCode::kUnsupported);
    CHECK_THAT(kernel.error().message, Catch::Contains("300000 bytes"));
    CHECK(fake.live_modules == 0);
  }
}

TEST_CASE("an image that the CUDA driver refuses is unsupported, anything else a driver error") {
  const auto [status, code, words] = GENERATE(table<int, ErrorCode, std::string>({
      {200, ErrorCode::kUnsupported, "CUDA_ERROR_INVALID_IMAGE (200)"},
      {209, ErrorCode::kUnsupported, "not for this device's compute capability"},
      {218, ErrorCode::kUnsupported, "refuses this PTX"},
      {222, ErrorCode::kUnsupported, "update the driver"},
      {2, ErrorCode::kDriverError, "cuModuleLoadDataEx failed: CUDA_ERROR_OUT_OF_MEMORY (2)"},
      {12345, ErrorCode::kDriverError, "an unknown error (12345)"},
  }));
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  const auto driver = open_driver();
  fake.failures["cuModuleLoadDataEx"] = status;
  fake.jit_log = "ptxas: line 7: no such instruction";
  const auto kernel = driver->load(0, fake_code(CodeFormat::kPtx), fake_shape());
  REQUIRE_FALSE(kernel);
  CHECK(kernel.error().code == code);
  CHECK_THAT(kernel.error().message, Catch::Contains(words) && Catch::Contains("fake_kernel (fake target, 64 bytes)"));
  CHECK(kernel.error().log == "ptxas: line 7: no such instruction");
}

TEST_CASE("the CUDA driver takes no other vendor's code") {
  fresh_fake(SINTER_FAKE_CUDA);
  const auto kernel = open_driver()->load(0, fake_code(CodeFormat::kHsaco), fake_shape());
  REQUIRE_FALSE(kernel);
  CHECK(kernel.error().code == ErrorCode::kUnsupported);
  CHECK_THAT(kernel.error().message, Catch::Contains("not hsaco"));
}

TEST_CASE("a kernel that is not in the module leaves no module behind") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  fake.failures["cuModuleGetFunction"] = 500;
  const auto kernel = open_driver()->load(0, fake_code(CodeFormat::kCubin), fake_shape());
  REQUIRE_FALSE(kernel);
  CHECK_THAT(kernel.error().message, Catch::Contains("CUDA_ERROR_NOT_FOUND (500)") && Catch::Contains("fake_kernel"));
  CHECK(fake.live_modules == 0);
}

TEST_CASE("a kernel of which not one block fits is refused at load") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  fake.blocks_per_unit = 0;
  const auto kernel = open_driver()->load(0, fake_code(CodeFormat::kCubin), fake_shape());
  REQUIRE_FALSE(kernel);
  CHECK(kernel.error().code == ErrorCode::kUnsupported);
  CHECK_THAT(kernel.error().message,
             Catch::Contains("256 threads with 168 registers") && Catch::Contains("512 threads"));
}

TEST_CASE("a launch passes shape, stream and a copy of the arguments") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  const HostContext host;
  const auto driver = open_driver();
  const auto kernel = load(*driver);
  int stream = 0;
  const FakeArgs args;
  REQUIRE(kernel->launch(fake_shape(), &args, sizeof(args), &stream));
  REQUIRE(fake.launches.size() == 1);
  const testing::FakeLaunch& launch = fake.launches[0];
  CHECK(std::vector<unsigned>(launch.grid, launch.grid + 3) == std::vector<unsigned>{7, 2, 1});
  CHECK(std::vector<unsigned>(launch.block, launch.block + 3) == std::vector<unsigned>{256, 1, 1});
  CHECK(launch.dynamic_shared_bytes == 4096);
  CHECK(launch.stream == &stream);
  CHECK(launch.args == args.bytes());
}

TEST_CASE("a kernel with tensor maps gets them before the arguments, at the addresses that these hold") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  fake.args_bytes = 320;  // two maps and 24 bytes, in units of 64
  fake.args_offset = 48;
  const HostContext host;
  const auto driver = open_driver();
  TensorMapPlan first, second;
  first.argument_offset = 16;
  first.type = TensorMapType::kBf16;
  first.rank = 2;
  first.sizes[0] = 1000;
  first.strides[0] = 2000;
  first.box[0] = 64;
  second.argument_offset = 8;
  second.rank = 3;
  const TensorMapPlan plans[] = {first, second};
  auto kernel = driver->load_with_tensor_maps(0, fake_code(CodeFormat::kCubin), fake_shape(), plans);
  REQUIRE(kernel);
  CHECK((*kernel)->attributes().args_bytes == 320);
  CHECK(count_calls(fake, "cuTensorMapEncodeTiled") == 2);
  const FakeArgs args;
  REQUIRE((*kernel)->launch(fake_shape(), &args, sizeof(args), nullptr));
  REQUIRE((*kernel)->launch(fake_shape(), &args, sizeof(args), nullptr));
  CHECK(count_calls(fake, "cuTensorMapEncodeTiled") == 2);
  std::uint64_t words[40];
  std::memcpy(words, fake.launches[1].args.data(), sizeof words);
  CHECK(std::vector<std::uint64_t>(words, words + 6) == std::vector<std::uint64_t>{0x3333, 2, 9, 1000, 2000, 64});
  CHECK(std::vector<std::uint64_t>(words + 16, words + 19) == std::vector<std::uint64_t>{0x2222, 3, 0});
  CHECK(std::vector<std::uint64_t>(words + 32, words + 35) == std::vector<std::uint64_t>{0x1111, 0x2222, 0x3333});
}

TEST_CASE("a map of all memory, and that of a tensor without elements, keep the address that they were encoded with") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  fake.args_bytes = 320;
  fake.args_offset = 48;
  const HostContext host;
  TensorMapPlan everything, tensor;
  everything.argument_offset = TensorMapPlan::kAllMemory;
  everything.rank = 4;
  everything.type = TensorMapType::kF32;
  tensor.argument_offset = 8;
  tensor.rank = 3;
  const TensorMapPlan plans[] = {everything, tensor};
  const auto kernel = open_driver()->load_with_tensor_maps(0, fake_code(CodeFormat::kCubin), fake_shape(), plans);
  REQUIRE(kernel);
  FakeArgs args;
  std::memset(reinterpret_cast<std::byte*>(&args) + 8, 0, 8);
  REQUIRE((*kernel)->launch(fake_shape(), &args, sizeof(args), nullptr));
  std::uint64_t words[40];
  std::memcpy(words, fake.launches[0].args.data(), sizeof words);
  const std::uint64_t base = TensorMapPlan::kAllMemoryBase;
  CHECK(std::vector<std::uint64_t>(words, words + 3) == std::vector<std::uint64_t>{base, 4, 7});
  CHECK(words[16] == base);
}

TEST_CASE("a driver without tensor maps refuses kernels that need them, and so do the other vendors' drivers") {
  const TensorMapPlan plans[1];
  const auto refused = [&](Driver& driver) {
    const auto kernel = driver.load_with_tensor_maps(0, fake_code(CodeFormat::kCubin), fake_shape(), plans);
    REQUIRE_FALSE(kernel);
    CHECK(kernel.error().code == ErrorCode::kUnsupported);
    return kernel.error().message;
  };
  fresh_fake(SINTER_FAKE_CUDA_OLD);
  const auto old = make_cuda_driver(SINTER_FAKE_CUDA_OLD);
  REQUIRE(old);
  CHECK_THAT(refused(**old), Catch::Contains("fake_kernel") && Catch::Contains("CUDA 12.0"));
  const auto host = make_host_driver(1);
  REQUIRE(host);
  CHECK_THAT(refused(**host), Catch::Contains("the host driver does not have"));
}

TEST_CASE("a map that the driver refuses is an error at load and leaves no module behind") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  fake.failures["cuTensorMapEncodeTiled"] = 1;
  const TensorMapPlan plans[1];
  const auto kernel = open_driver()->load_with_tensor_maps(0, fake_code(CodeFormat::kCubin), fake_shape(), plans);
  REQUIRE_FALSE(kernel);
  CHECK_THAT(kernel.error().message,
             Catch::Contains("cuTensorMapEncodeTiled failed: CUDA_ERROR_INVALID_VALUE (1)") &&
                 Catch::Contains("tensor map 0 of fake_kernel"));
  CHECK(fake.live_modules == 0);
}

TEST_CASE("a thread without a context launches in the primary one and keeps it") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  const HostContext host;
  const auto driver = open_driver();
  const auto kernel = load(*driver);
  const FakeArgs args;
  fake.calls.clear();
  REQUIRE(kernel->launch(fake_shape(), &args, sizeof(args), nullptr));
  REQUIRE(kernel->launch(fake_shape(), &args, sizeof(args), nullptr));
  CHECK(fake.calls == std::vector<std::string>{"cuCtxSetCurrent", "cuLaunchKernelEx", "cuLaunchKernelEx"});
  CHECK(host.current() != nullptr);
  CHECK(fake.launches[1].context == host.current());
}

TEST_CASE("a thread with a context of its own launches in the kernel's and gets its own back") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  const HostContext host;
  const auto driver = open_driver();
  const auto kernel = load(*driver);
  int hosts_own = 0;
  host.set(&hosts_own);
  const FakeArgs args;
  REQUIRE(kernel->launch(fake_shape(), &args, sizeof(args), nullptr));
  CHECK(fake.launches[0].context != &hosts_own);
  CHECK(host.current() == &hosts_own);
}

TEST_CASE("a failed launch names the error, the kernel and the shape") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  const auto driver = open_driver();
  const auto kernel = load(*driver);
  fake.failures["cuLaunchKernelEx"] = 719;
  const FakeArgs args;
  CHECK_FALSE(kernel->has_met_fault());
  const auto launched = kernel->launch(fake_shape(), &args, sizeof(args), nullptr);
  REQUIRE_FALSE(launched);
  CHECK(kernel->has_met_fault());
  CHECK(launched.error().code == ErrorCode::kDriverError);
  CHECK_THAT(launched.error().message, Catch::Contains("cuLaunchKernelEx failed: CUDA_ERROR_LAUNCH_FAILED (719)") &&
                                           Catch::Contains("fake_kernel, grid 7x2x1, block 256x1x1, 4096 bytes"));
}

TEST_CASE("a launch that is refused for its stream or its size tells of no fault before it") {
  for (const int status : {1, 400, 701, 720, 901}) {
    FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
    const auto driver = open_driver();
    const auto kernel = load(*driver);
    fake.failures["cuLaunchKernelEx"] = status;
    const FakeArgs args;
    CHECK_FALSE(kernel->launch(fake_shape(), &args, sizeof(args), nullptr));
    CHECK_FALSE(kernel->has_met_fault());
  }
}

TEST_CASE("arguments of another size than the kernel takes are never handed to the driver") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  const auto driver = open_driver();
  const auto kernel = load(*driver);
  const FakeArgs args;
  const auto launched = kernel->launch(fake_shape(), &args, 16, nullptr);
  REQUIRE_FALSE(launched);
  CHECK_THAT(launched.error().message, Catch::Contains("16 bytes, the loaded kernel takes 24"));
  CHECK(fake.launches.empty());
}

TEST_CASE("a driver older than CUDA 12.4 loads and launches without the newer functions") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA_OLD);
  const auto driver = make_cuda_driver(SINTER_FAKE_CUDA_OLD);
  REQUIRE(driver);
  const auto kernel = (*driver)->load(0, fake_code(CodeFormat::kCubin), fake_shape());
  REQUIRE(kernel);
  CHECK((*kernel)->attributes().args_bytes == kUnknown);
  const FakeArgs args;
  CHECK((*kernel)->launch(fake_shape(), &args, sizeof(args), nullptr));
  CHECK(fake.launches.size() == 1);
}

TEST_CASE("a loaded kernel and a buffer keep the context when their driver is gone") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  {
    auto driver = open_driver();
    const auto kernel = load(*driver);
    const auto buffer = driver->allocate(0, 64);
    REQUIRE(buffer);
    driver.reset();
    CHECK(fake.primary_references == 1);
    const FakeArgs args;
    CHECK(kernel->launch(fake_shape(), &args, sizeof(args), nullptr));
  }
  CHECK(fake.live_modules == 0);
  CHECK(fake.live_buffers == 0);
  CHECK(fake.primary_references == 0);
}

TEST_CASE("after the CUDA driver's shutdown nothing is unloaded any more") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  void* left_behind = nullptr;
  {
    const auto driver = open_driver();
    const auto kernel = load(*driver);
    const auto buffer = driver->allocate(0, 64);
    REQUIRE(buffer);
    left_behind = (*buffer)->data();
    fake.failures["cuCtxPushCurrent"] = 4;
  }
  CHECK(count_calls(fake, "cuModuleUnload") == 0);
  CHECK(count_calls(fake, "cuMemFree") == 0);
  fake.live_modules = 0;
  fake.live_buffers = 0;
  std::free(left_behind);
}

TEST_CASE("CUDA buffers bring bytes to the device and back, within their size") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  const auto driver = open_driver();
  const auto buffer = driver->allocate(0, 4);
  REQUIRE(buffer);
  const std::vector<std::byte> sent = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  std::vector<std::byte> received(4);
  REQUIRE((*buffer)->upload(sent));
  REQUIRE((*buffer)->download(received));
  CHECK(received == sent);
  received.resize(5);
  const auto too_large = (*buffer)->download(received);
  REQUIRE_FALSE(too_large);
  CHECK_THAT(too_large.error().message, Catch::Contains("download of 5 bytes: the device buffer has 4"));
  CHECK(driver->allocate(0, 0));
  fake.failures["cuMemAlloc"] = 2;
  const auto refused = driver->allocate(0, 1 << 20);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("1048576 bytes on cuda:0"));
}

TEST_CASE("the CUDA driver knows how much of an allocation is behind a pointer") {
  fresh_fake(SINTER_FAKE_CUDA);
  const auto driver = open_driver();
  const auto buffer = driver->allocate(0, 1000);
  REQUIRE(buffer);
  const auto* const data = static_cast<const std::byte*>((*buffer)->data());
  CHECK(driver->bytes_behind(0, data) == 1000);
  CHECK(driver->bytes_behind(0, data + 600) == 400);
  CHECK_FALSE(driver->bytes_behind(0, nullptr));
  CHECK_FALSE(driver->bytes_behind(3, data));
}

TEST_CASE("a CUDA stream of one's own waits for no other, and disturbs no capture of another thread") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  const auto driver = open_driver();
  const auto buffer = driver->allocate(0, 4);
  REQUIRE(buffer);
  const std::vector<std::byte> sent = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  std::vector<std::byte> received(4);
  {
    const auto stream = driver->own_stream(0);
    REQUIRE(stream);
    CHECK((*stream)->handle() != nullptr);
    fake.calls.clear();
    REQUIRE((*stream)->upload(**buffer, sent));
    REQUIRE((*stream)->download(received, **buffer));
    REQUIRE((*stream)->wait());
    CHECK(received == sent);
    CHECK(count_calls(fake, "cuMemcpyHtoDAsync") == 1);
    CHECK(count_calls(fake, "cuMemcpyHtoD") == 0);
    CHECK(count_calls(fake, "capture relaxed") == 3);
    CHECK(count_calls(fake, "capture restored") == 3);
    fake.failures["cuStreamSynchronize"] = 719;
    const auto failed = (*stream)->wait();
    REQUIRE_FALSE(failed);
    CHECK_THAT(failed.error().message, Catch::Contains("cuStreamSynchronize failed: CUDA_ERROR_LAUNCH_FAILED (719)"));
  }
  CHECK(fake.live_streams == 0);
  fake.failures["cuStreamCreate non-blocking"] = 2;
  CHECK_FALSE(driver->own_stream(0));
}

TEST_CASE("a CUDA timer measures between its events and frees them") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  const auto driver = open_driver();
  {
    const auto timer = driver->timer(0);
    REQUIRE(timer);
    REQUIRE((*timer)->start());
    const Result<double> ms = (*timer)->stop();
    REQUIRE(ms);
    CHECK(*ms == 1.5);
  }
  CHECK(fake.live_events == 0);
}

TEST_CASE("a CUDA device that does not exist is an invalid request") {
  fresh_fake(SINTER_FAKE_CUDA).device_count = 2;
  const auto driver = open_driver();
  const auto synchronized = driver->synchronize(2);
  REQUIRE_FALSE(synchronized);
  CHECK(synchronized.error().code == ErrorCode::kInvalidRequest);
  CHECK_THAT(synchronized.error().message, Catch::Contains("cuda:2 does not exist") && Catch::Contains("cuda:1"));
  CHECK_FALSE(driver->synchronize(-1));
  CHECK(driver->synchronize(1));
}

TEST_CASE("one CUDA kernel is launched from many threads") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  const auto driver = open_driver();
  const auto kernel = load(*driver);
  constexpr int kThreads = 4;
  constexpr int kLaunches = 200;
  std::vector<std::thread> threads;
  std::vector<int> launched(kThreads);
  for (int index = 0; index < kThreads; ++index) {
    threads.emplace_back([&, index] {
      const FakeArgs args;
      for (int i = 0; i < kLaunches; ++i) {
        launched[static_cast<std::size_t>(index)] += kernel->launch(fake_shape(), &args, sizeof(args), nullptr) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(launched == std::vector<int>(kThreads, kLaunches));
  CHECK(fake.launches.size() == kThreads * kLaunches);
}

TEST_CASE("threads that load at once share one context") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_CUDA);
  {
    const auto driver = open_driver();
    std::vector<std::thread> threads;
    for (int index = 0; index < 4; ++index) {
      threads.emplace_back([&] {
        const auto kernel = driver->load(0, fake_code(CodeFormat::kCubin), fake_shape());
        static_cast<void>(kernel);
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    CHECK(fake.primary_references == 1);
  }
  CHECK(fake.live_modules == 0);
  CHECK(fake.primary_references == 0);
}

}  // namespace sinter
