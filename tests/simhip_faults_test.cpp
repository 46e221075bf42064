// SPDX-License-Identifier: Apache-2.0

// What a simulated AMD device finds in kernels that are wrong, and what it says about it. Run once per device.

#include "tests/support/simulated_amd.h"

// The beginning of a kernel; its body follows.
#define KERNEL                                                                                             \
  "extern \"C\" __attribute__((global, amdgpu_flat_work_group_size(128, 128))) void kernel(unsigned* out) { " \
  "const unsigned t = __builtin_amdgcn_workitem_id_x(); "

namespace sinter {

using Catch::Matchers::Contains;
using testing::SimulatedAmd;

constexpr const char* kBarrier =
    "__builtin_amdgcn_fence(__ATOMIC_RELEASE, \"workgroup\"); __builtin_amdgcn_s_barrier(); "
    "__builtin_amdgcn_fence(__ATOMIC_ACQUIRE, \"workgroup\"); ";

TEST_CASE("an access outside of every allocation is an illegal address that names allocation, offset and instruction") {
  SimulatedAmd amd;
  const std::string fault = amd.fault_of(KERNEL "out[t + 1] = t; }");
  CHECK_THAT(fault, Contains("hipErrorIllegalAddress (700)"));
  CHECK_THAT(fault, Contains("simulated " + amd.device().caps.name));
  CHECK_THAT(fault, Contains("kernel kernel, work-group 0,0,0, wave 1, at 0x"));
  CHECK_THAT(fault, Contains("global_store_dword") && Contains("lane 63: offset 512 of allocation"));
  CHECK_THAT(fault, Contains("0 bytes behind its end"));
}

TEST_CASE("a fault stays until the device is reset") {
  SimulatedAmd amd;
  const CodeObject code = SimulatedAmd::compile(amd.device().properties.arch, KERNEL "out[t] = t; }");
  const LaunchShape shape{.grid = {1, 1, 1}, .block = {128, 1, 1}};
  const auto kernel = amd.driver().load(0, code, shape);
  REQUIRE(kernel);
  const auto small = amd.upload(std::vector<std::uint32_t>(127));
  const auto large = amd.upload(std::vector<std::uint32_t>(128));
  const void* const small_argument = small->data();
  const void* const large_argument = large->data();
  REQUIRE((*kernel)->launch(shape, &small_argument, sizeof small_argument, nullptr));
  CHECK_FALSE(amd.driver().synchronize(0));
  CHECK_FALSE((*kernel)->launch(shape, &large_argument, sizeof large_argument, nullptr));
  CHECK_FALSE(amd.driver().synchronize(0));
  testing::reset_device();
  CHECK((*kernel)->launch(shape, &large_argument, sizeof large_argument, nullptr));
  CHECK(amd.driver().synchronize(0));
}

TEST_CASE("an instruction that is not known is named with its address when it is reached, and not before") {
  SimulatedAmd amd;
  const std::string unknown = "asm volatile(\"v_cubeid_f32 v0, v0, v0, v0\" ::: \"v0\"); ";
  const std::string fault = amd.fault_of(KERNEL + unknown + "out[t] = t; }");
  CHECK_THAT(fault, Contains("hipErrorLaunchFailure (719)") && Contains("at 0x") && Contains("\"v_cubeid_f32"));
  CHECK_THAT(fault, Contains("no instruction \"v_cubeid_f32\" is known to the simulator"));
  CHECK(amd.fault_of(KERNEL "if (out[t] != 0) { " + unknown + "} }") == "");
}

TEST_CASE("an LDS race between two barriers is found, and a barrier mends it") {
  SimulatedAmd amd;
  auto* const set_checks = testing::simulator_function<void(std::uint32_t)>("sinter_simhip_set_checks");
  set_checks(SINTER_SIMHIP_CHECK_RACES);
  const std::string racy = KERNEL "static __attribute__((shared)) unsigned x[128]; x[t] = t; ";
  CHECK_THAT(amd.fault_of(racy + "out[t] = x[127 - t]; }"), Contains("LDS race: word"));
  CHECK(amd.fault_of(racy + kBarrier + "out[t] = x[127 - t]; }") == "");
  // Neighbouring bytes of a word, and atomic operations on one, do not race.
  const std::string bytes = KERNEL "static __attribute__((shared)) unsigned char x[128]; x[t ^ 64] = t; ";
  CHECK(amd.fault_of(bytes + kBarrier + "out[t] = x[t]; }") == "");
  const std::string sum = KERNEL "static __attribute__((shared)) unsigned x; __atomic_fetch_add(&x, t, 0); ";
  CHECK(amd.fault_of(sum + kBarrier + "out[t] = x; }") == "");
  set_checks(0);
}

TEST_CASE("reading LDS that was never written is found where that is asked for") {
  SimulatedAmd amd;
  const std::string partial = KERNEL "static __attribute__((shared)) unsigned x[128]; if (t < 64) { x[t] = t; } ";
  auto* const set_fault = testing::simulator_function<void(int)>("sinter_simhip_fault_on_unwritten_lds");
  CHECK(amd.fault_of(partial + kBarrier + "out[t] = x[t]; }") == "");
  set_fault(1);
  CHECK_THAT(amd.fault_of(partial + kBarrier + "out[t] = x[t]; }"), Contains("LDS word 256 is read and was never"));
  set_fault(0);
}

TEST_CASE("code for another arch is refused") {
  SimulatedAmd amd;
  const std::string own = amd.device().properties.arch, other = own == "gfx950" ? "gfx942" : "gfx950";
  const CodeObject code = SimulatedAmd::compile(other, KERNEL "out[t] = t; }");
  const auto kernel = amd.driver().load(0, code, LaunchShape{.grid = {1, 1, 1}, .block = {128, 1, 1}});
  REQUIRE_FALSE(kernel);
  CHECK(kernel.error().code == ErrorCode::kUnsupported);
  CHECK_THAT(kernel.error().message, Contains("hipErrorNoBinaryForGpu (209)"));
  CHECK_THAT(kernel.error().message, Contains("the code is for " + other + ", the device is " + own));
}

}  // namespace sinter
