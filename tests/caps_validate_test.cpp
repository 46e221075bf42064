// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <string>

#include <catch2/catch.hpp>

#include "codegen/families/grouped_gemm.h"
#include "runtime/caps/validate.h"

using namespace sinter;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

const DeviceCaps& device(std::string_view name) {
  static const auto table = load_capability_table(builtin_capability_json());
  REQUIRE(table);
  const auto found = find_device_caps(*table, name);
  REQUIRE(found);
  return **found;
}

KernelSpec spec_for(const std::string& arch, const std::string& vskip = "off", const std::string& quant = "none") {
  auto spec =
      parse_spec_name("grouped_gemm_" + quant + "_bf16_n2816_k2048_g64_t128x128x64_vskip_" + vskip + "_" + arch);
  REQUIRE(spec);
  return *spec;
}

BodyPlan plan_with(std::uint32_t threads, std::uint32_t static_shared, std::uint32_t dynamic_shared = 0) {
  BodyPlan plan;
  plan.threads_per_block = threads;
  plan.static_shared_bytes = static_shared;
  plan.dynamic_shared_bytes = dynamic_shared;
  return plan;
}

// What an honest AMD code object of this spec says.
CodeObject amd_code(const KernelSpec& spec) {
  CodeObject code;
  code.format = CodeFormat::kHsaco;
  code.entry = spec.name();
  code.facts.entry = spec.name();
  code.facts.target = spec.arch->name;
  code.facts.features = "xnack=any sramecc=any";
  code.facts.registers = 128;
  code.facts.spilled_registers = 0;
  code.facts.scratch_bytes = 0;
  code.facts.static_shared_bytes = 32768;
  code.facts.args_bytes = 64;
  code.facts.max_threads_per_block = 256;
  code.facts.wave_size = 64;
  code.facts.setvskip_count = 0;
  code.facts.instruction_count = 900;
  code.facts.matrix_instructions = {"v_mfma_f32_32x32x8_bf16"};
  return code;
}

const KernelSpec& gfx942() {
  static const KernelSpec spec = spec_for("gfx942");
  return spec;
}
BodyPlan gfx942_plan() {
  BodyPlan plan = plan_with(256, 32768);
  plan.required_instructions = {"v_mfma_f32_32x32x8_bf16", "v_mfma_f32_16x16x16_bf16"};
  return plan;
}

std::string message(const Result<void>& result) {
  REQUIRE_FALSE(result);
  return result.error().message;
}
std::string code_error(const CodeObject& code, const DeviceCaps& caps = device("MI300X")) {
  const auto result = check_code_object(gfx942(), gfx942_plan(), code, caps);
  const std::string text = message(result);
  CHECK(result.error().code == ErrorCode::kUnsupported);
  return text;
}

}  // namespace

TEST_CASE("a spec that fits passes on each device that can hold it") {
  CHECK(check_spec(spec_for("gfx942"), plan_with(256, 65536), device("MI300X"), false));
  CHECK(check_spec(spec_for("gfx950"), plan_with(256, 163840), device("MI355X"), false));
  CHECK(check_spec(spec_for("sm_90a"), plan_with(384, 0, 232448), device("H200"), false));
  CHECK(check_spec(spec_for("compute_80"), plan_with(128, 0, 98304), device("H200"), false));
  CHECK(check_spec(spec_for("x86_64_v3"), plan_with(1, 0, 65536), device("host"), false));
}

TEST_CASE("too much LDS is refused with the amount, the limit and its source") {
  const auto text = message(check_spec(gfx942(), plan_with(256, 98304), device("MI300X"), false));
  CHECK_THAT(
      text,
      StartsWith("spec check: ") && Contains(gfx942().name()) &&
          Contains("needs 98304 bytes of LDS per workgroup, MI300X has 65536 (LLVM 22 refuses more for this arch)"));
  CHECK_THAT(message(check_spec(spec_for("sm_89"), plan_with(128, 16384, 98304), device("L40S"), false)),
             Contains("needs 114688 bytes of shared memory per block, L40S has 101376"));
}

TEST_CASE("too many threads are refused, and every violated limit is in one message") {
  const auto text = message(check_spec(gfx942(), plan_with(2048, 98304), device("MI308X"), false));
  CHECK_THAT(text,
             Contains("needs 2048 threads per workgroup, MI308X has 1024") && Contains("needs 98304 bytes of LDS"));
}

TEST_CASE("a spec for another arch is refused with both names") {
  CHECK_THAT(message(check_spec(gfx942(), plan_with(256, 0), device("MI355X"), false)),
             Contains("code for gfx942 does not run on MI355X (gfx950)"));
  CHECK_THAT(message(check_spec(spec_for("sm_80"), plan_with(256, 0), device("H200"), false)),
             Contains("code for sm_80 does not run on H200 (sm_90a)"));
  CHECK_THAT(message(check_spec(spec_for("sm_90a"), plan_with(256, 0), device("B200"), false)),
             Contains("B200 (sm_100a)"));
}

TEST_CASE("a device of an unknown arch is refused with what it said of itself") {
  DeviceProperties live;
  live.name = "Old Card";
  live.arch = "gfx906";
  const DeviceCaps caps = caps_of_live_device({}, live, nullptr);
  CHECK_THAT(message(check_spec(gfx942(), plan_with(256, 0), caps, false)), Contains("Old Card") && Contains("gfx906"));
  CHECK_FALSE(check_code_object(gfx942(), gfx942_plan(), amd_code(gfx942()), caps));
}

TEST_CASE("vskip on is refused where the instruction does not exist") {
  for (const bool exempt : {false, true}) {
    CHECK_THAT(message(check_spec(spec_for("gfx1100", "on"), plan_with(256, 0), device("RX 7900 XTX"), exempt)),
               Contains("s_setvskip exists on gfx6 to gfx9; RX 7900 XTX is gfx1100"));
    CHECK_THAT(message(check_spec(spec_for("sm_90a", "on"), plan_with(256, 0), device("H200"), exempt)),
               Contains("H200 is sm_90a"));
  }
}

TEST_CASE("vskip on is refused on a device that is not known to be safe, with the way out") {
  const KernelSpec spec = spec_for("gfx942", "on");
  for (const char* name : {"MI300X", "MI308X", "MI325X"}) {
    CHECK_THAT(message(check_spec(spec, plan_with(256, 0), device(name), false)),
               Contains("vskip is on") && Contains(name) && Contains("preempted") && Contains("AITER") &&
                   Contains("1143") && Contains("no sourced row says that this device and driver are safe") &&
                   Contains("off or auto") && Contains("exempt"));
  }
  CHECK(check_spec(spec, plan_with(256, 0), device("MI300X"), true));
}

TEST_CASE("an exemption from vskip lifts nothing else") {
  const auto text = message(check_spec(spec_for("gfx942", "on"), plan_with(256, 98304), device("MI300X"), true));
  CHECK_THAT(text, Contains("98304") && !Contains("vskip is on"));
}

TEST_CASE("vskip on passes where a sourced cell says that it is safe, and an unsafe cell is quoted") {
  DeviceCaps caps = device("MI300X");
  caps.vskip_safe = {true, "a fixed trap handler", Confidence::kMeasured};
  CHECK(check_spec(spec_for("gfx942", "on"), plan_with(256, 0), caps, false));
  caps.vskip_safe = {false, "it crashed", Confidence::kMeasured};
  CHECK_THAT(message(check_spec(spec_for("gfx942", "on"), plan_with(256, 0), caps, false)),
             Contains("unsafe: it crashed"));
}

TEST_CASE("an honest code object passes, with and without vskip") {
  CHECK(check_code_object(gfx942(), gfx942_plan(), amd_code(gfx942()), device("MI300X")));
  const KernelSpec on = spec_for("gfx942", "on");
  CodeObject code = amd_code(on);
  code.facts.setvskip_count = 16;
  CHECK(check_code_object(on, gfx942_plan(), code, device("MI308X")));
}

TEST_CASE("each fact that does not fit is refused with its numbers") {
  const auto changed = [](auto&& change) {
    CodeObject code = amd_code(gfx942());
    change(code);
    return code_error(code);
  };
  CHECK_THAT(
      changed([](CodeObject& c) { c.facts.target = "gfx950"; }),
      StartsWith("code object check: ") && Contains("gfx950 code (hsaco) on MI300X (gfx942); the spec is for gfx942"));
  CHECK_THAT(changed([](CodeObject& c) { c.facts.target.clear(); }), Contains("does not say which arch"));
  CHECK_THAT(changed([](CodeObject& c) { c.format = CodeFormat::kCubin; }), Contains("gfx942 code (cubin)"));
  CHECK_THAT(changed([](CodeObject& c) { c.facts.features = "xnack=on sramecc=any"; }),
             Contains("xnack=on") && Contains("any setting"));
  CHECK_THAT(changed([](CodeObject& c) { c.facts.entry = "other"; }),
             Contains("defines 'other'") && Contains(gfx942().name()));
  CHECK_THAT(changed([](CodeObject& c) { c.facts.max_threads_per_block = 128; }),
             Contains("at most 128 threads per workgroup, the plan launches 256"));
  CHECK_THAT(changed([](CodeObject& c) { c.facts.registers = 520; }),
             Contains("needs 520 registers per thread, MI300X has 512"));
  CHECK_THAT(changed([](CodeObject& c) { c.facts.static_shared_bytes = 66048; }),
             Contains("needs 66048 bytes of LDS per workgroup, MI300X has 65536") && Contains("declares 66048") &&
                 Contains("the plan allows 32768"));
  CHECK_THAT(changed([](CodeObject& c) { c.facts.scratch_bytes = 576; }),
             Contains("uses 576 bytes of scratch per thread"));
  CHECK_THAT(changed([](CodeObject& c) { c.facts.spilled_registers = 7; }), Contains("spills 7 registers, 0 allowed"));
  CHECK_THAT(changed([](CodeObject& c) { c.facts.wave_size = 32; }),
             Contains("compiled for waves of 32, MI300X runs waves of 64"));
  CHECK_THAT(changed([](CodeObject& c) { c.facts.args_bytes = 48; }),
             Contains("takes 48 bytes of arguments") && Contains("has 64"));
  CHECK_THAT(changed([](CodeObject& c) { c.facts.setvskip_count = 224; }),
             Contains("the spec says vskip off, the disassembly has 224 s_setvskip"));
  CHECK_THAT(changed([](CodeObject& c) { c.facts.setvskip_count = kUnknown; }),
             Contains("not disassembled") && Contains("s_setvskip is unknown"));
  CHECK_THAT(changed([](CodeObject& c) { c.facts.matrix_instructions = {"v_fma_f32"}; }),
             Contains("needs one of v_mfma_f32_32x32x8_bf16, v_mfma_f32_16x16x16_bf16, the disassembly has v_fma_f32"));
}

TEST_CASE("a block that needs more registers than a unit has is refused") {
  const KernelSpec spec = spec_for("sm_90a");
  CodeObject code;
  code.format = CodeFormat::kCubin;
  code.entry = code.facts.entry = spec.name();
  code.facts.target = "sm_90a";
  code.facts.registers = 166;
  CHECK(check_code_object(spec, plan_with(384, 0), code, device("H200")));
  CHECK_THAT(message(check_code_object(spec, plan_with(512, 0), code, device("H200"))),
             Contains("needs 86016 registers for 512 threads, a unit of H200 has 65536"));
}

TEST_CASE("code whose warpgroups deal out registers must have exactly so many") {
  const KernelSpec spec = spec_for("sm_90a");
  CodeObject code;
  code.format = CodeFormat::kCubin;
  code.entry = code.facts.entry = spec.name();
  code.facts.target = "sm_90a";
  code.facts.registers = 160;
  BodyPlan plan = plan_with(384, 0);
  CHECK(check_code_object(spec, plan, code, device("H200")));
  plan.exact_registers = 168;
  CHECK_THAT(message(check_code_object(spec, plan, code, device("H200"))),
             Contains("has 160 registers") && Contains("168"));
  code.facts.registers = 168;
  CHECK(check_code_object(spec, plan, code, device("H200")));
}

TEST_CASE("the tensor maps of a plan count as arguments of the binary") {
  const KernelSpec spec = spec_for("sm_90a");
  CodeObject code;
  code.format = CodeFormat::kCubin;
  code.entry = code.facts.entry = spec.name();
  code.facts.target = "sm_90a";
  code.facts.args_bytes = 448;
  BodyPlan plan = plan_with(384, 0);
  CHECK_THAT(message(check_code_object(spec, plan, code, device("H200"))),
             Contains("takes 448 bytes") && Contains("has 64"));
  plan.tensor_maps.resize(3);
  CHECK(check_code_object(spec, plan, code, device("H200")));
  plan.tensor_maps.resize(2);
  CHECK_THAT(message(check_code_object(spec, plan, code, device("H200"))), Contains("has 320, 2 tensor maps included"));
}

TEST_CASE("a spec with vskip on needs s_setvskip in the disassembly") {
  const KernelSpec on = spec_for("gfx942", "on");
  CHECK_THAT(message(check_code_object(on, gfx942_plan(), amd_code(on), device("MI300X"))),
             Contains("the spec says vskip on, the disassembly has 0 s_setvskip"));
}

TEST_CASE("facts that a format does not tell are not compared") {
  const KernelSpec spec = spec_for("compute_80");
  CodeObject code;
  code.format = CodeFormat::kPtx;
  code.entry = code.facts.entry = spec.name();
  code.facts.target = "compute_80";
  CHECK(check_code_object(spec, plan_with(128, 0, 65536), code, device("H200")));

  // PTX from LLVM for an arch with a cubin of its own.
  const KernelSpec sm90a = spec_for("sm_90a");
  code.entry = code.facts.entry = sm90a.name();
  code.facts.target = "compute_90a";
  CHECK(check_code_object(sm90a, plan_with(128, 0), code, device("H200")));
  code.facts.target = "compute_80";
  CHECK_FALSE(check_code_object(sm90a, plan_with(128, 0), code, device("H200")));
}

TEST_CASE("matrix instructions are compared only where the code was disassembled") {
  CodeObject code = amd_code(gfx942());
  code.facts.matrix_instructions.clear();
  CHECK_FALSE(check_code_object(gfx942(), gfx942_plan(), code, device("MI300X")));
  code.facts.instruction_count = kUnknown;
  CHECK(check_code_object(gfx942(), gfx942_plan(), code, device("MI300X")));
}

TEST_CASE("the host may keep data on its stack") {
  const KernelSpec spec = spec_for("x86_64_v3");
  CodeObject code;
  code.format = CodeFormat::kSharedObject;
  code.entry = code.facts.entry = spec.name();
  code.facts.target = "x86-64";
  code.facts.scratch_bytes = 4096;
  DeviceCaps caps = device("host");
  caps.arch = find_arch("x86-64-v4");
  CHECK(check_code_object(spec, plan_with(1, 0), code, caps));
  caps.arch = find_arch("x86-64-v3");
  const KernelSpec v4 = spec_for("x86_64_v4");
  code.entry = code.facts.entry = v4.name();
  CHECK_FALSE(check_code_object(v4, plan_with(1, 0), code, caps));
}

TEST_CASE("limits of a launch come from the driver, the row and the code, whichever is less") {
  CodeFacts facts;
  facts.static_shared_bytes = 32768;
  facts.max_threads_per_block = 256;
  DeviceProperties live;
  live.max_grid_x = 1000;
  live.shared_bytes_per_block = 65536;
  const LaunchLimits limits = launch_limits(plan_with(256, 1024), facts, device("MI300X"), &live, 56);
  CHECK(limits.max_grid[0] == 1000);
  CHECK(limits.max_threads_per_block == 256);
  CHECK(limits.max_dynamic_shared_bytes == 32768);
  CHECK(limits.args_bytes == 56);
  // A dispatch counts work-items in 32 bits.
  CHECK(launch_limits(plan_with(256, 0), facts, device("MI300X"), nullptr, 56).max_grid[0] == 0xffffffffu / 256);
  CHECK(launch_limits(plan_with(256, 0), facts, device("H200"), nullptr, 56).max_grid[0] == 0x7fffffff);
  // What the code does not say is taken from the plan.
  CHECK(launch_limits(plan_with(256, 1024), CodeFacts{}, device("MI300X"), nullptr, 56).max_dynamic_shared_bytes ==
        64512);
}

TEST_CASE("a launch beyond a limit is told apart and explained with every number") {
  LaunchLimits limits;
  limits.max_threads_per_block = 256;
  limits.max_dynamic_shared_bytes = 65536;
  limits.args_bytes = 64;
  LaunchShape shape;
  shape.block[0] = 256;
  CHECK(launch_fits(limits, shape, 64));
  shape = {{1, 70000, 1}, {512, 1, 1}, 98304};
  CHECK_FALSE(launch_fits(limits, shape, 40));
  const Error error = explain_launch(limits, shape, 40);
  CHECK(error.code == ErrorCode::kUnsupported);
  CHECK_THAT(error.message, StartsWith("launch check: ") && Contains("grid y has 70000 blocks, at most 65535") &&
                                Contains("512 threads, 1 to 256 are allowed") && Contains("98304") &&
                                Contains("65536 remain") &&
                                Contains("gives 40 bytes of arguments, the kernel takes 64"));
  shape = {{1, 1, 1}, {0, 1, 1}, 0};
  CHECK_FALSE(launch_fits(limits, shape, 64));
}

TEST_CASE("null and misaligned operands are found before a launch, unless nothing of them is used") {
  const KernelSpec spec = spec_for("gfx942");
  alignas(16) static std::byte memory[64];
  GroupedGemmArgs args{memory, memory, memory, nullptr, nullptr, reinterpret_cast<const int*>(memory), 10};
  CHECK(first_bad_pointer(spec, &args) == -1);
  args.b = nullptr;
  REQUIRE(first_bad_pointer(spec, &args) == 1);
  CHECK(explain_pointer(spec, &args, 1).code == ErrorCode::kInvalidRequest);
  CHECK_THAT(explain_pointer(spec, &args, 1).message,
             StartsWith("launch check: ") && Contains("'b'") && Contains("is null") && Contains("738197504"));
  args.b = memory;
  args.d = memory + 8;
  REQUIRE(first_bad_pointer(spec, &args) == 2);
  CHECK_THAT(explain_pointer(spec, &args, 2).message, Contains("'d'") && Contains("not a multiple of 16"));
  // Without rows nothing of a and d is touched.
  args.rows = 0;
  args.a = nullptr;
  CHECK(first_bad_pointer(spec, &args) == -1);
  // The scales belong to fp8_block alone.
  args = {memory, memory, memory, nullptr, nullptr, reinterpret_cast<const int*>(memory), 10};
  CHECK(first_bad_pointer(spec_for("gfx942", "off", "fp8_block"), &args) == 3);
}

TEST_CASE("in checked mode a buffer smaller than its footprint is named with both sizes") {
  const KernelSpec spec = spec_for("gfx942");
  const GroupedGemmArgs args{nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, 10};
  std::uint64_t sizes[] = {40960, kUnknownBytes, 56320, 0, 0, 260, 0, 0};
  CHECK(check_footprints(spec, &args, sizes));
  sizes[0] = 40959;
  sizes[5] = 256;
  const auto result = check_footprints(spec, &args, sizes);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kInvalidRequest);
  CHECK_THAT(result.error().message, Contains("'a' has 40959 bytes behind it, this launch needs 40960") &&
                                         Contains("'row_offsets' has 256 bytes behind it, this launch needs 260"));
  CHECK_THAT(message(check_footprints(spec, &args, std::span(sizes).first(3))),
             Contains("3 buffer sizes") && Contains("8 arguments"));
}
