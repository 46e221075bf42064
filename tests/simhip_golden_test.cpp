// SPDX-License-Identifier: Apache-2.0

// The golden check on simulated AMD devices, through the ordinary HIP driver.

#include <catch2/catch.hpp>

#include <dlfcn.h>

#include <cstdlib>
#include <string>

#include "tests/support/golden.h"
#include "tests/support/temporary_directory.h"

using namespace sinter;
using namespace sinter::testing;
using Catch::Matchers::Contains;

namespace {

/// One device per process: SINTER_SIMHIP_DEVICE names it.
std::string device_name() {
  const char* const name = std::getenv("SINTER_SIMHIP_DEVICE");
  return std::string("sim:") + (name != nullptr ? name : "MI300X");
}

Settings settings(const std::string& cache_dir) {
  Settings settings;
  settings.cache_dir = cache_dir;
  settings.hip_library = SINTER_SIMHIP_LIBRARY;
  settings.golden_check = true;
  return settings;
}

KernelRequest gemm(const Words& more = {}) {
  Words words = {{"n", "80"}, {"k", "144"}, {"groups", "5"}};
  words.insert(words.end(), more.begin(), more.end());
  return request_of("grouped_gemm", words);
}

/// A fault stays, as on a device: the next process would begin without it.
void reset_device() {
  void* const library = ::dlopen(SINTER_SIMHIP_LIBRARY, RTLD_NOW);
  REQUIRE(library != nullptr);
  auto* const reset = reinterpret_cast<int (*)()>(::dlsym(library, "hipDeviceReset"));
  REQUIRE(reset != nullptr);
  REQUIRE(reset() == 0);
}

}  // namespace

TEST_CASE("AMD kernels of every family and mode pass on a simulated device, which the verdict says") {
  const TemporaryDirectory directory;
  GoldenProcess process(settings(directory.path()), device_name());
  const std::vector<KernelRequest> requests = {
      gemm(),
      gemm({{"dtype", "fp16"}, {"epilogue", "bias"}}),
      gemm({{"quant", "fp8_block"}}),
      gemm({{"quant", "fp8_token"}, {"b_tensors", "separate"}}),
      gemm({{"b_layout", "kn"}}),
      gemm({{"epilogue", "swiglu"}}),
      request_of("grouped_wgrad", {{"n", "80"}, {"k", "48"}, {"groups", "5"}, {"output", "add_f32"}}),
      request_of("grouped_wgrad", {{"n", "80"}, {"k", "48"}, {"groups", "5"}, {"output", "same"}, {"dw_tensors", "separate"}}),
      request_of("quantize", {{"k", "400"}}),
      request_of("quantize", {{"k", "400"}, {"scale", "pow2"}}),
  };
  for (const KernelRequest& request : requests) {
    KernelOrigin origin;
    CHECK(process.get(request, &origin) == "");
    CHECK_THAT(origin.golden, Catch::StartsWith("right: "));
  }
  CHECK(process.golden().passed == static_cast<std::int64_t>(requests.size()));
  CHECK(process.warnings.empty());
  const GoldenPlace place = golden_place(process.runtime->device(process.device).properties);
  CHECK_THAT(place.device, Contains("(simulated)"));
}

TEST_CASE("a wrong AMD kernel is refused, and later processes do not launch it") {
  const TemporaryDirectory directory;
  {
    GoldenProcess finder(settings(directory.path()), device_name());
    const BuiltKernel wrong = build_changed(finder, gemm(), "kK = 144", "kK = 128");
    finder.runtime->cache().store(wrong.key, wrong.code);
    CHECK_THAT(finder.get(gemm()), Contains("golden check: ") && Contains("is wrong on " + device_name()) && Contains("(simulated)") && Contains("d[2, 0] is "));
    CHECK(finder.golden().failed == 1);
  }
  GoldenProcess later(settings(directory.path()), device_name());
  const auto before = later.runtime->device(later.device).driver->simulated_instructions();
  CHECK_THAT(later.get(gemm()), Contains("found 20"));
  CHECK(later.runtime->device(later.device).driver->simulated_instructions() == before);
}

TEST_CASE("an AMD kernel that leaves its memory is refused with what the device said, and that is remembered") {
  const TemporaryDirectory directory;
  const KernelRequest request = request_of("quantize", {{"k", "400"}});
  {
    GoldenProcess finder(settings(directory.path()), device_name());
    // Rows of 2^20 columns: the first row beyond the operand ends the launch.
    const BuiltKernel wild = build_changed(finder, request, "kK = 400", "kK = 1048576");
    finder.runtime->cache().store(wild.key, wild.code);
    CHECK_THAT(finder.get(request), Contains("golden check: ") && Contains("the launch ended with "));
  }
  reset_device();
  GoldenProcess later(settings(directory.path()), device_name());
  CHECK_THAT(later.get(request), Contains("found 20") && Contains("the launch ended with "));
  CHECK(later.golden().failed == 0);
}
