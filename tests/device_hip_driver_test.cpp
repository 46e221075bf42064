// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include <cstdlib>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "runtime/device/driver.h"
#include "tests/support/fake_gpu_library.h"

// SINTER_FAKE_HIP5, 6 and 7: paths of the shared objects built from support/fake_hip.cpp with that FAKE_HIP_VERSION.

namespace sinter {
namespace {

using testing::count_calls;
using testing::fake_code;
using testing::fake_shape;
using testing::FakeArgs;
using testing::FakeGpu;
using testing::fresh_fake;

std::unique_ptr<Driver> open_driver() {
  Result<std::unique_ptr<Driver>> driver = make_hip_driver(SINTER_FAKE_HIP6);
  REQUIRE(driver);
  return std::move(*driver);
}

std::unique_ptr<LoadedKernel> load(Driver& driver, int ordinal = 0) {
  Result<std::unique_ptr<LoadedKernel>> kernel = driver.load(ordinal, fake_code(CodeFormat::kHsaco), fake_shape());
  REQUIRE(kernel);
  return std::move(*kernel);
}

}  // namespace

TEST_CASE("a HIP library that is not there is named, with the linker's reason") {
  const auto driver = make_hip_driver("/nowhere/libamdhip64.so.6");
  REQUIRE_FALSE(driver);
  CHECK(driver.error().code == ErrorCode::kDriverError);
  CHECK_THAT(driver.error().message, Catch::StartsWith("no HIP runtime: /nowhere/libamdhip64.so.6"));
}

TEST_CASE("a library that is no HIP runtime is refused by the first function it lacks") {
  const auto driver = make_hip_driver("libm.so.6");
  REQUIRE_FALSE(driver);
  CHECK_THAT(driver.error().message, Catch::StartsWith("no HIP runtime: ") && Catch::Contains("hipInit"));
}

TEST_CASE("a HIP runtime without devices says which library it was, and leaves no error behind") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  SECTION("it counts none") { fake.device_count = 0; }
  SECTION("hipInit says so, as HIP 5.2.3 does") { fake.failures["hipInit"] = 101; }
  SECTION("hipGetDeviceCount says so") { fake.failures["hipGetDeviceCount"] = 100; }
  const auto driver = make_hip_driver(SINTER_FAKE_HIP6);
  REQUIRE_FALSE(driver);
  CHECK_THAT(driver.error().message, Catch::StartsWith("no AMD GPU: ") && Catch::Contains(SINTER_FAKE_HIP6));
  CHECK(fake.last_error == 0);
}

TEST_CASE("the system's HIP runtime either has devices or says clearly that it has none") {
  void* library = dlopen("libamdhip64.so.5", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    WARN("not checked: no libamdhip64.so.5 here");
    return;
  }
  const auto driver = make_hip_driver("libamdhip64.so.5");
  CHECK((driver.has_value() || driver.error().message.starts_with("no AMD GPU: ")));
}

TEST_CASE("HIP devices are described from either layout of the device properties") {
  const auto [path, version] = GENERATE(table<std::string, std::string>(
      {{SINTER_FAKE_HIP5, "50443482"}, {SINTER_FAKE_HIP6, "60443482"}, {SINTER_FAKE_HIP7, "70443482"}}));
  FakeGpu& fake = fresh_fake(path.c_str());
  const auto driver = make_hip_driver(path);
  REQUIRE(driver);
  REQUIRE((*driver)->devices().size() == 1);
  const DeviceProperties& device = (*driver)->devices()[0];
  CHECK(device.name == "Fake MI300X");
  CHECK(device.arch == "gfx942");
  CHECK(device.arch_detail == "gfx942:sramecc+:xnack-");
  CHECK(device.pci_bus == "0000:c1:00.0");
  CHECK(device.unit_count == 304);
  CHECK(device.wave_size == 64);
  CHECK(device.max_threads_per_block == 1024);
  CHECK(device.max_threads_per_unit == 2048);
  CHECK(device.shared_bytes_per_block == 65536);
  CHECK(device.shared_bytes_per_unit == 65536);
  CHECK(device.registers_per_block == 65536);
  CHECK(device.max_grid_x == 0x7fffffff);
  CHECK(device.max_grid_z == 65536);
  CHECK(device.memory_bytes == std::int64_t{192} << 30);
  CHECK_THAT(device.driver_version, Catch::StartsWith(version));
  CHECK(fake.last_error == 0);
}

TEST_CASE("a HIP runtime that knows the PCI chip id is believed") {
  fresh_fake(SINTER_FAKE_HIP7);
  const auto driver = make_hip_driver(SINTER_FAKE_HIP7);
  REQUIRE(driver);
  CHECK((*driver)->devices()[0].pci_vendor == 0x1002);
  CHECK((*driver)->devices()[0].pci_device == 0x74a1);
}

TEST_CASE("only a library that says so is a simulator") {
  fresh_fake(SINTER_FAKE_HIP7);
  fresh_fake(SINTER_FAKE_HIP6);
  const auto simulator = make_hip_driver(SINTER_FAKE_HIP7);
  REQUIRE(simulator);
  CHECK((*simulator)->devices()[0].simulated);
  CHECK_FALSE(open_driver()->devices()[0].simulated);
}

TEST_CASE("an arch name that is none is left unknown") {
  fresh_fake(SINTER_FAKE_HIP6).arch = "something else";
  CHECK(open_driver()->devices()[0].arch.empty());
}

TEST_CASE("device properties that fail leave the arch unknown and no error behind") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  fake.failures["hipGetDeviceProperties"] = 2;
  CHECK(open_driver()->devices()[0].arch.empty());
  CHECK(fake.last_error == 0);
}

TEST_CASE("loading on another device than the host's gives the host's back") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  fake.device_count = 2;
  const auto driver = open_driver();
  fake.calls.clear();
  const auto kernel = load(*driver, 1);
  CHECK(fake.calls == std::vector<std::string>{"hipSetDevice 1", "hipModuleLoadData", "hipModuleGetFunction",
                                               "hipModuleOccupancyMaxActiveBlocksPerMultiprocessor",
                                               "hipSetDevice 0"});
  CHECK(kernel->attributes().registers == 128);
  CHECK(kernel->attributes().static_shared_bytes == 32768);
  CHECK(kernel->attributes().scratch_bytes == 8);
  CHECK(kernel->attributes().max_threads_per_block == 256);
  CHECK(kernel->attributes().args_bytes == kUnknown);
  CHECK(kernel->attributes().blocks_per_unit == 2);
}

TEST_CASE("a code object that the HIP runtime refuses is unsupported, anything else a driver error") {
  const auto [status, code, words] = GENERATE(table<int, ErrorCode, std::string>({
      {209, ErrorCode::kUnsupported, "not for this device's arch and features"},
      {200, ErrorCode::kUnsupported, "hipErrorInvalidImage (200)"},
      {2, ErrorCode::kDriverError, "hipModuleLoadData failed: hipErrorOutOfMemory (2), a fake error"},
  }));
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  const auto driver = open_driver();
  fake.failures["hipModuleLoadData"] = status;
  const auto kernel = driver->load(0, fake_code(CodeFormat::kHsaco), fake_shape());
  REQUIRE_FALSE(kernel);
  CHECK(kernel.error().code == code);
  CHECK_THAT(kernel.error().message, Catch::Contains(words) && Catch::Contains("fake_kernel (fake target, 64 bytes)"));
  CHECK(fake.last_error == 0);
}

TEST_CASE("the HIP driver takes no other vendor's code") {
  fresh_fake(SINTER_FAKE_HIP6);
  const auto kernel = open_driver()->load(0, fake_code(CodeFormat::kCubin), fake_shape());
  REQUIRE_FALSE(kernel);
  CHECK(kernel.error().code == ErrorCode::kUnsupported);
  CHECK_THAT(kernel.error().message, Catch::Contains("not cubin"));
}

TEST_CASE("a kernel that is not in the code object leaves no module behind") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  fake.failures["hipModuleGetFunction"] = 500;
  const auto kernel = open_driver()->load(0, fake_code(CodeFormat::kHsaco), fake_shape());
  REQUIRE_FALSE(kernel);
  CHECK_THAT(kernel.error().message, Catch::Contains("hipErrorNotFound (500)") && Catch::Contains("fake_kernel"));
  CHECK(fake.live_modules == 0);
}

TEST_CASE("a kernel of which not one block fits a compute unit is refused at load") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  fake.blocks_per_unit = 0;
  const auto kernel = open_driver()->load(0, fake_code(CodeFormat::kHsaco), fake_shape());
  REQUIRE_FALSE(kernel);
  CHECK(kernel.error().code == ErrorCode::kUnsupported);
  CHECK_THAT(kernel.error().message, Catch::Contains("256 threads with 128 registers"));
}

TEST_CASE("a HIP launch passes shape, stream and the arguments with their size") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  const auto driver = open_driver();
  const auto kernel = load(*driver);
  int stream = 0;
  const FakeArgs args;
  fake.calls.clear();
  REQUIRE(kernel->launch(fake_shape(), &args, sizeof(args), &stream));
  CHECK(fake.calls == std::vector<std::string>{"hipModuleLaunchKernel"});
  REQUIRE(fake.launches.size() == 1);
  const testing::FakeLaunch& launch = fake.launches[0];
  CHECK(std::vector<unsigned>(launch.grid, launch.grid + 3) == std::vector<unsigned>{7, 2, 1});
  CHECK(std::vector<unsigned>(launch.block, launch.block + 3) == std::vector<unsigned>{256, 1, 1});
  CHECK(launch.dynamic_shared_bytes == 4096);
  CHECK(launch.stream == &stream);
  CHECK(launch.args == args.bytes());
}

TEST_CASE("a HIP launch happens on the kernel's device whatever the host's is") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  fake.device_count = 2;
  const auto driver = open_driver();
  const auto kernel = load(*driver, 1);
  const FakeArgs args;
  fake.calls.clear();
  REQUIRE(kernel->launch(fake_shape(), &args, sizeof(args), nullptr));
  CHECK(fake.calls == std::vector<std::string>{"hipSetDevice 1", "hipModuleLaunchKernel", "hipSetDevice 0"});
  CHECK(fake.launches[0].device == 1);
}

TEST_CASE("a failed HIP launch names the error, and the host's next check of its own calls is clean") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  const auto driver = open_driver();
  const auto kernel = load(*driver);
  fake.failures["hipModuleLaunchKernel"] = 719;
  const FakeArgs args;
  const auto launched = kernel->launch(fake_shape(), &args, sizeof(args), nullptr);
  REQUIRE_FALSE(launched);
  CHECK(launched.error().code == ErrorCode::kDriverError);
  CHECK_THAT(launched.error().message, Catch::Contains("hipModuleLaunchKernel failed: hipErrorLaunchFailure (719)") &&
                                           Catch::Contains("fake_kernel, grid 7x2x1, block 256x1x1"));
  CHECK(fake.last_error == 0);
}

TEST_CASE("after the HIP runtime's shutdown nothing is unloaded any more") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  void* left_behind = nullptr;
  {
    const auto driver = open_driver();
    const auto kernel = load(*driver);
    const auto buffer = driver->allocate(0, 64);
    REQUIRE(buffer);
    left_behind = (*buffer)->data();
    fake.failures["hipGetDevice"] = 4;
  }
  CHECK(count_calls(fake, "hipModuleUnload") == 0);
  CHECK(count_calls(fake, "hipFree") == 0);
  fake.live_modules = 0;
  fake.live_buffers = 0;
  std::free(left_behind);
}

TEST_CASE("a HIP kernel and a buffer outlive their driver") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  {
    auto driver = open_driver();
    const auto kernel = load(*driver);
    const auto buffer = driver->allocate(0, 64);
    REQUIRE(buffer);
    driver.reset();
    const FakeArgs args;
    CHECK(kernel->launch(fake_shape(), &args, sizeof(args), nullptr));
  }
  CHECK(fake.live_modules == 0);
  CHECK(fake.live_buffers == 0);
}

TEST_CASE("HIP buffers bring bytes to the device and back, within their size") {
  fresh_fake(SINTER_FAKE_HIP6);
  const auto driver = open_driver();
  const auto buffer = driver->allocate(0, 4);
  REQUIRE(buffer);
  std::vector<std::byte> sent = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  std::vector<std::byte> received(4);
  REQUIRE((*buffer)->upload(sent));
  REQUIRE((*buffer)->download(received));
  CHECK(received == sent);
  sent.resize(5);
  CHECK_FALSE((*buffer)->upload(sent));
  const auto empty = driver->allocate(0, 0);
  REQUIRE(empty);
  CHECK((*empty)->data() != nullptr);
}

TEST_CASE("the HIP driver knows how much of an allocation is behind a pointer") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  const auto driver = open_driver();
  const auto buffer = driver->allocate(0, 1000);
  REQUIRE(buffer);
  const auto* const data = static_cast<const std::byte*>((*buffer)->data());
  CHECK(driver->bytes_behind(0, data + 600) == 400);
  CHECK_FALSE(driver->bytes_behind(0, nullptr));
  CHECK_FALSE(driver->bytes_behind(3, data));
  CHECK(fake.last_error == 0);
}

TEST_CASE("a HIP stream of one's own waits for no other; a library without streams gives the default one") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  const auto driver = open_driver();
  const auto buffer = driver->allocate(0, 4);
  REQUIRE(buffer);
  const std::vector<std::byte> sent = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  std::vector<std::byte> received(4);
  {
    const auto stream = driver->own_stream(0);
    REQUIRE(stream);
    CHECK((*stream)->handle() != nullptr);
    REQUIRE((*stream)->upload(**buffer, sent));
    REQUIRE((*stream)->download(received, **buffer));
    REQUIRE((*stream)->wait());
    CHECK(received == sent);
    CHECK(count_calls(fake, "hipStreamCreate non-blocking") == 1);
    CHECK(count_calls(fake, "hipMemcpyAsync to host") == 1);
  }
  CHECK(fake.live_streams == 0);

  fresh_fake(SINTER_FAKE_HIP5);
  const auto old = make_hip_driver(SINTER_FAKE_HIP5);
  REQUIRE(old);
  const auto stream = (*old)->own_stream(0);
  REQUIRE(stream);
  CHECK((*stream)->handle() == nullptr);
  CHECK((*stream)->wait());
}

TEST_CASE("a HIP timer measures between its events and frees them") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  const auto driver = open_driver();
  {
    const auto timer = driver->timer(0);
    REQUIRE(timer);
    REQUIRE((*timer)->start());
    const Result<double> ms = (*timer)->stop();
    REQUIRE(ms);
    CHECK(*ms == 2.5);
  }
  CHECK(fake.live_events == 0);
}

TEST_CASE("a HIP library without events runs kernels and says that it cannot time them") {
  fresh_fake(SINTER_FAKE_HIP5);
  const auto driver = make_hip_driver(SINTER_FAKE_HIP5);
  REQUIRE(driver);
  const auto kernel = load(**driver);
  const FakeArgs args;
  CHECK(kernel->launch(fake_shape(), &args, sizeof(args), nullptr));
  const auto timer = (*driver)->timer(0);
  REQUIRE_FALSE(timer);
  CHECK_THAT(timer.error().message, Catch::Contains("exports no events"));
}

TEST_CASE("a HIP device that does not exist is an invalid request") {
  fresh_fake(SINTER_FAKE_HIP6);
  const auto driver = open_driver();
  const auto synchronized = driver->synchronize(1);
  REQUIRE_FALSE(synchronized);
  CHECK(synchronized.error().code == ErrorCode::kInvalidRequest);
  CHECK_THAT(synchronized.error().message, Catch::Contains("hip:1 does not exist: this machine has hip:0"));
  CHECK(driver->synchronize(0));
}

TEST_CASE("one HIP kernel is launched from many threads") {
  FakeGpu& fake = fresh_fake(SINTER_FAKE_HIP6);
  fake.device_count = 2;
  const auto driver = open_driver();
  const auto kernel = load(*driver, 1);
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

}  // namespace sinter
