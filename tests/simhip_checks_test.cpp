// SPDX-License-Identifier: Apache-2.0

// What hardware hides and the simulator's checks find: missing waits, unwritten registers, missing wait states, and
// registers that a trap handler loses. Run once per device.

#include <cstring>

#include "tests/support/planted_words.h"
#include "tests/support/simulated_amd.h"

// The beginning of a kernel; its body follows.
#define KERNEL                                                                                             \
  "extern \"C\" __attribute__((global, amdgpu_flat_work_group_size(128, 128))) void kernel(unsigned* out) { " \
  "const unsigned t = __builtin_amdgcn_workitem_id_x(); "

namespace sinter {
namespace {

using Catch::Matchers::Contains;
using testing::SimulatedAmd;

constexpr std::uint32_t kAllRegisterChecks =
    SINTER_SIMHIP_CHECK_WAITS | SINTER_SIMHIP_CHECK_UNWRITTEN | SINTER_SIMHIP_CHECK_WAIT_STATES;

/// Checks that are on as long as this lives.
class Checking {
 public:
  explicit Checking(std::uint32_t checks) { set_(checks); }
  ~Checking() { set_(0); }

 private:
  void (*set_)(std::uint32_t) = testing::simulator_function<void(std::uint32_t)>("sinter_simhip_set_checks");
};

constexpr std::size_t kRows = 32, kRowValues = 128;

/// 32 rows of running values, the odd ones padding, guarded by `guarded_store`. A value is not computed before its row.
std::string rows_kernel(const std::string& guarded_store) {
  return KERNEL "unsigned offset = t * 4, value = t; asm volatile(\"\" : \"+v\"(offset)); "
         "for (unsigned r = 0; r < 32; ++r) { const unsigned padding = r & 1; value = value * 5 + r; "
         "asm volatile(\"\" : \"+v\"(value)); " + guarded_store +
         " } }";
}

const std::string kSkippedStore =
    "asm volatile(\"s_waitcnt vmcnt(0) lgkmcnt(0)\\ns_nop 4\\ns_setvskip %0, 0\\n"
    "global_store_dword %1, %2, %3\\ns_setvskip 0, 0\\ns_waitcnt vmcnt(0)\" "
    ":: \"s\"(padding), \"v\"(offset), \"v\"(value), \"s\"(out + r * 128) : \"memory\");";
const std::string kBranchedStore = "if (!padding) { *(unsigned*)((char*)(out + r * 128) + offset) = value; }";

/// What such a kernel stored; nothing if it faulted.
std::vector<std::uint32_t> rows_of(const SimulatedAmd& amd, const CodeObject& code) {
  const LaunchShape shape{.grid = {1, 1, 1}, .block = {kRowValues, 1, 1}};
  const auto kernel = amd.driver().load(0, code, shape);
  REQUIRE(kernel);
  std::vector<std::uint32_t> rows(kRows * kRowValues);
  const auto buffer = amd.upload(rows);
  const void* const argument = buffer->data();
  REQUIRE((*kernel)->launch(shape, &argument, sizeof argument, nullptr));
  const bool is_fine = amd.driver().synchronize(0).has_value();
  testing::reset_device();
  REQUIRE(buffer->download(std::as_writable_bytes(std::span(rows))));
  return is_fine ? rows : std::vector<std::uint32_t>();
}

}  // namespace

// The likely cause of memory faults of other projects' vskip kernels, which nobody has proven on hardware.
TEST_CASE("preemption breaks a vskip kernel under a trap handler that saves with VSKIP set, and nothing else") {
  SimulatedAmd amd;
  auto* const set_preemption =
      testing::simulator_function<void(std::uint32_t, std::uint32_t, int)>("sinter_simhip_set_preemption");
  const CodeObject skipping = SimulatedAmd::compile(amd.device().properties.arch, rows_kernel(kSkippedStore));
  const CodeObject branching = SimulatedAmd::compile(amd.device().properties.arch, rows_kernel(kBranchedStore));
  const std::vector<std::uint32_t> expected = rows_of(amd, branching);
  REQUIRE(expected.size() == kRows * kRowValues);
  CHECK(rows_of(amd, skipping) == expected);
  constexpr int kOldHandler = 0, kFixedHandler = 1;
  for (std::uint32_t seed = 0; seed < 5; ++seed) {
    set_preemption(10, seed, kOldHandler);
    CHECK(rows_of(amd, skipping) != expected);
    CHECK(rows_of(amd, branching) == expected);
    set_preemption(10, seed, kFixedHandler);
    CHECK(rows_of(amd, skipping) == expected);
  }
  set_preemption(0, 0, kOldHandler);
}

TEST_CASE("a register that is used before its load was waited for is found") {
  SimulatedAmd amd;
  const Checking checking(kAllRegisterChecks);
  const std::string load = "unsigned v; asm volatile(\"global_load_dword %0, %1, off\\n";
  const std::string use = "v_add_u32_e32 %0, 1, %0\" : \"=&v\"(v) : \"v\"(out + t) : \"memory\"); out[t] = v; }";
  const std::string fault = amd.fault_of(KERNEL + load + use);
  CHECK_THAT(fault, Contains("v_add_u32") && Contains("is read before the s_waitcnt that the load at 0x"));
  CHECK(amd.fault_of(KERNEL + load + "s_waitcnt vmcnt(0)\\n" + use) == "");
}

TEST_CASE("a register that nothing wrote is found") {
  SimulatedAmd amd;
  const Checking checking(kAllRegisterChecks);
  const std::string body = KERNEL "unsigned v; asm volatile(\"v_add_u32_e32 %0, 1, v77\" : \"=v\"(v)); out[t] = v; }";
  CHECK_THAT(amd.fault_of(body), Contains("v77 is read and was never written"));
}

TEST_CASE("a scalar that a memory instruction reads too early is found") {
  SimulatedAmd amd;
  const Checking checking(kAllRegisterChecks);
  const auto body = [](const std::string& between) {
    return KERNEL "const unsigned low = (unsigned long long)out, high = (unsigned long long)out >> 32; "
           "asm volatile(\"s_nop 1\\nv_readfirstlane_b32 s20, %0\\nv_readfirstlane_b32 s21, %1\\n" + between +
           "global_store_dword %2, %2, s[20:21]\" :: \"v\"(low), \"v\"(high), \"v\"(t * 4) "
           ": \"s20\", \"s21\", \"memory\"); }";
  };
  CHECK_THAT(amd.fault_of(body("s_nop 1\\n")), Contains("needs 5 wait states") && Contains("here are 3"));
  CHECK(amd.fault_of(body("s_nop 4\\n")) == "");
}

TEST_CASE("LDS that another wave reads before its write was waited for is found") {
  SimulatedAmd amd;
  const Checking checking(kAllRegisterChecks);
  const auto body = [](const std::string& between) {
    return KERNEL "static __attribute__((shared)) unsigned x[128]; unsigned v; "
           "const auto p = (__attribute__((address_space(3))) unsigned*)&x[0]; "
           "asm volatile(\"ds_write_b32 %1, %2\\n" + between +
           "s_barrier\\nds_read_b32 %0, %3\\ns_waitcnt lgkmcnt(0)\" "
           ": \"=&v\"(v) : \"v\"(p + t), \"v\"(t), \"v\"(p + (127 - t)) : \"memory\"); out[t] = v; }";
  };
  CHECK_THAT(amd.fault_of(body("")), Contains("is read before wave") && Contains("waited for its write"));
  CHECK(amd.fault_of(body("s_waitcnt lgkmcnt(0)\\n")) == "");
}

TEST_CASE("each wait of a kernel that is taken away and matters is found, with the instruction and the register") {
  SimulatedAmd amd;
  const Checking checking(SINTER_SIMHIP_CHECK_WAITS);
  const CodeObject good = SimulatedAmd::compile(
      amd.device().properties.arch,
      KERNEL "static __attribute__((shared)) unsigned x[128]; x[t] = out[t]; __builtin_amdgcn_fence(__ATOMIC_RELEASE, "
             "\"workgroup\"); __builtin_amdgcn_s_barrier(); __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, \"workgroup\"); "
             "out[t] = x[127 - t] + 1; }");
  const std::vector<std::size_t> waits = testing::places_of(good.code, testing::kWait);
  REQUIRE(waits.size() >= 3);
  REQUIRE(amd.fault_of_code(good) == "");
  std::size_t found = 0;
  for (const std::size_t wait : waits) {
    CodeObject broken = good;
    broken.code = testing::with_word(good.code, wait, testing::kNop);
    const std::string fault = amd.fault_of_code(broken);
    found += fault.find("s_waitcnt that the load at 0x") != std::string::npos ||
                     fault.find("waited for its write") != std::string::npos
                 ? 1U
                 : 0U;
  }
  // The arguments, the value from memory, LDS before the barrier and after it.
  CHECK(found >= 4);
}

}  // namespace sinter
