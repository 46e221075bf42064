// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/host_driver.h"

#include <dirent.h>

#include <chrono>
#include <thread>

#include <catch2/catch.hpp>

#include "runtime/device/driver.h"
#include "tests/support/host_elf_image.h"

namespace sinter {
namespace {

using testing::counting_kernel;
using testing::HostElfImage;
using testing::storing_kernel;

CodeObject code_object(const HostElfImage& image) {
  CodeObject code;
  code.format = CodeFormat::kSharedObject;
  code.entry = image.entry;
  code.code = image.bytes();
  return code;
}

std::unique_ptr<Driver> make_driver(int threads = 2) {
  auto driver = make_host_driver(threads);
  REQUIRE(driver);
  return std::move(*driver);
}

std::unique_ptr<LoadedKernel> load(Driver& driver, const HostElfImage& image, const LaunchShape& hint = {}) {
  auto kernel = driver.load(0, code_object(image), hint);
  REQUIRE(kernel);
  return std::move(*kernel);
}

LaunchShape grid(std::uint32_t blocks) {
  LaunchShape shape;
  shape.grid[0] = blocks;
  return shape;
}

/// What a storing_kernel() stores.
std::uint32_t stored_by(const LoadedKernel& kernel) {
  std::uint32_t value = 0;
  std::uint32_t* args = &value;
  REQUIRE(kernel.launch(grid(1), &args, sizeof args, nullptr));
  return value;
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* const directory = opendir("/proc/self/fd");
  REQUIRE(directory != nullptr);
  while (readdir(directory) != nullptr) {
    ++count;
  }
  closedir(directory);
  return count;
}

}  // namespace

TEST_CASE("the host driver has one device, described by this machine") {
  const auto driver = make_driver(3);
  CHECK(driver->name() == "host");
  REQUIRE(driver->devices().size() == 1);
  const DeviceProperties& device = driver->devices()[0];
  CHECK(device.ordinal == 0);
  CHECK(device.arch == host_arch()->name);
  CHECK_FALSE(device.name.empty());
  CHECK(device.unit_count == 3);
  CHECK(device.memory_bytes > (1 << 20));
  CHECK_FALSE(device.simulated);
}

TEST_CASE("a launch runs every block before it returns") {
  const auto driver = make_driver();
  const auto kernel = load(*driver, counting_kernel());
  std::vector<std::uint32_t> calls(500);
  std::uint32_t* args = calls.data();
  REQUIRE(kernel->launch(grid(500), &args, sizeof args, nullptr));
  CHECK(calls == std::vector<std::uint32_t>(500, 1));
  REQUIRE(kernel->launch(grid(0), &args, sizeof args, nullptr));
  CHECK(calls == std::vector<std::uint32_t>(500, 1));
}

TEST_CASE("modules that follow one another in the same descriptor are not mixed up") {
  const auto driver = make_driver(1);
  for (unsigned char value = 1; value < 50; ++value) {
    CHECK(stored_by(*load(*driver, storing_kernel(value))) == value);
  }
}

TEST_CASE("modules with the same entry live side by side and do not see each other") {
  const auto driver = make_driver(1);
  std::vector<std::unique_ptr<LoadedKernel>> kernels;
  for (unsigned char value = 1; value < 20; ++value) {
    kernels.push_back(load(*driver, storing_kernel(value)));
    if (value % 3 == 0) {
      kernels.erase(kernels.begin());  // frees a low descriptor for the next one
    }
  }
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    CHECK(stored_by(*kernels[i]) == 20 - kernels.size() + i);
  }
}

TEST_CASE("loading and unloading leaves no descriptor open") {
  const auto driver = make_driver(1);
  const std::size_t before = open_descriptors();
  HostElfImage wrong = storing_kernel(1);
  wrong.stack_flags |= PF_X;
  for (int i = 0; i < 10; ++i) {
    (void)load(*driver, storing_kernel(1));
    CHECK_FALSE(driver->load(0, code_object(wrong), {}));
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("a kernel works on after its driver is gone") {
  auto driver = make_driver();
  const auto kernel = load(*driver, storing_kernel(7));
  driver.reset();
  CHECK(stored_by(*kernel) == 7);
}

TEST_CASE("relative relocations are applied") {
  HostElfImage image = storing_kernel(0);
  // Returns what a pointer in the data segment points at: the kernel's own first instruction.
  image.code = {0x48, 0x8b, 0x05, 0xf9, 0x17, 0x00, 0x00,  // mov kData(%rip), %rax
                0x8b, 0x00,                                // mov (%rax), %eax
                0x48, 0x8b, 0x0f,                          // mov (%rdi), %rcx
                0x89, 0x01,                                // mov %eax, (%rcx)
                0xc3};                                     // ret
  image.relocations.push_back({HostElfImage::kData, ELF64_R_INFO(0, R_X86_64_RELATIVE), HostElfImage::kCode});
  CHECK(stored_by(*load(*make_driver(1), image)) == 0xf9058b48);
}

TEST_CASE("code objects that the host cannot run are refused before they are opened") {
  const auto driver = make_driver(1);
  CodeObject code = code_object(counting_kernel());
  code.format = CodeFormat::kHsaco;
  const auto other_format = driver->load(0, code, {});
  REQUIRE_FALSE(other_format);
  CHECK_THAT(other_format.error().message, Catch::Contains("hsaco"));

  HostElfImage image = counting_kernel();
  image.extra_dynamic.push_back(HostElfImage::tag(DT_NEEDED, 1));
  const auto needing = driver->load(0, code_object(image), {});
  REQUIRE_FALSE(needing);
  CHECK(needing.error().code == ErrorCode::kUnsupported);

  code = code_object(counting_kernel());
  code.entry = "other";
  const auto nameless = driver->load(0, code, {});
  REQUIRE_FALSE(nameless);
  CHECK(nameless.error().code == ErrorCode::kDriverError);
  CHECK_THAT(nameless.error().message, Catch::Contains("'other'"));
}

TEST_CASE("a launch that the loaded kernel was not prepared for is an error") {
  const auto driver = make_driver(1);
  LaunchShape shape = grid(1);
  shape.dynamic_shared_bytes = 1024;
  const auto kernel = load(*driver, storing_kernel(1), shape);
  std::uint32_t value = 0;
  std::uint32_t* args = &value;
  CHECK(kernel->launch(shape, &args, sizeof args, nullptr));
  shape.dynamic_shared_bytes = 1025;
  const auto too_large = kernel->launch(shape, &args, sizeof args, nullptr);
  REQUIRE_FALSE(too_large);
  CHECK_THAT(too_large.error().message, Catch::Contains("1025") && Catch::Contains("1024"));
  shape = grid(1);
  shape.block[0] = 32;
  CHECK_FALSE(kernel->launch(shape, &args, sizeof args, nullptr));
}

TEST_CASE("host buffers keep what was uploaded and refuse more than they hold") {
  const auto driver = make_driver(1);
  auto buffer = driver->allocate(0, 100);
  REQUIRE(buffer);
  CHECK((*buffer)->bytes() == 100);
  std::vector<std::byte> sent(100, std::byte{42}), received(100);
  REQUIRE((*buffer)->upload(sent));
  REQUIRE((*buffer)->download(received));
  CHECK(received == sent);
  sent.push_back({});
  const auto too_much = (*buffer)->upload(sent);
  REQUIRE_FALSE(too_much);
  CHECK_THAT(too_much.error().message, Catch::Contains("101") && Catch::Contains("100"));
  CHECK(driver->allocate(0, 0));
  CHECK_FALSE(driver->allocate(0, ~std::size_t{0}));
}

TEST_CASE("there is one host device") {
  const auto driver = make_driver(1);
  CHECK(driver->synchronize(0));
  const auto second = driver->synchronize(1);
  REQUIRE_FALSE(second);
  CHECK_THAT(second.error().message, Catch::Contains("host:1"));
}

TEST_CASE("the host timer measures what lies between its two points") {
  auto timer = make_driver(1)->timer(0);
  REQUIRE(timer);
  REQUIRE((*timer)->start());
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const auto elapsed = (*timer)->stop();
  REQUIRE(elapsed);
  CHECK(*elapsed >= 5.0);
  CHECK(*elapsed < 5000.0);
}

}  // namespace sinter
