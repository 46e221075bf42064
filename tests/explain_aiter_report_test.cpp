// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "runtime/explain/aiter_report.h"

using namespace sinter;
using Catch::Matchers::Contains;
using Answer = AiterVerdict::Answer;
using Truth = AiterClaim::Truth;

namespace {

constexpr std::string_view kVs = "fmoe_bf16_blockscaleFp8_g1u1_vs_silu_1tg_ps_32x256";
constexpr std::string_view kNovs = "fmoe_bf16_blockscaleFp8_g1u1_novs_silu_1tg_ps_32x256";

AiterName read(std::string_view name) { return parse_aiter_name(name).value(); }

DeviceCaps device(std::string_view name, std::string driver = {}) {
  const auto table = load_capability_table(builtin_capability_json()).value();
  DeviceCaps caps = *find_device_caps(table, name).value();
  caps.driver_version = std::move(driver);
  return caps;
}

CodeFacts facts(std::int64_t setvskip_count) {
  CodeFacts facts;
  facts.target = "gfx942";
  facts.features = "xnack=any sramecc=any";
  facts.entry = "kernel";
  facts.registers = 512;
  facts.static_shared_bytes = 65536;
  facts.max_threads_per_block = 256;
  facts.wave_size = 64;
  facts.setvskip_count = setvskip_count;
  facts.matrix_instructions = {"v_mfma_f32_16x16x32_fp8_fp8"};
  return facts;
}

Truth truth(std::string_view name, const CodeFacts& facts, std::string_view subject) {
  const auto claims = compare_with_binary(read(name), facts);
  const auto claim = std::find_if(claims.begin(), claims.end(), [&](const AiterClaim& c) { return c.subject == subject; });
  REQUIRE(claim != claims.end());
  INFO(claim->detail);
  return claim->truth;
}

Answer answer(std::string_view name, const CodeFacts* facts, std::string_view device_name) {
  return judge_for_device(read(name), facts, device(device_name)).answer;
}

}  // namespace

TEST_CASE("a name that promises vskip is unsafe on every gfx9 device and impossible elsewhere") {
  for (const char* name : {"MI300A", "MI300X", "MI308X", "MI325X", "MI350X", "MI355X"}) {
    CHECK(answer(kVs, nullptr, name) == Answer::kUnsafe);
    CHECK(answer(kNovs, nullptr, name) == Answer::kCanRun);
  }
  for (const char* name : {"MI210", "RX 7900 XTX", "RX 9070 XT", "H200", "host"}) {
    CHECK(answer(kVs, nullptr, name) == Answer::kCannotRun);
    CHECK(answer(kNovs, nullptr, name) == Answer::kCannotRun);
  }
  CHECK(answer("fmoe_bf16_blockscaleFp8_g1u1_silu_1tg_32x256", nullptr, "MI300X") == Answer::kUndecided);
  CHECK(answer("fmoe_bf16_pertokenMXfp4_g1u1_novs_silu_32x256", nullptr, "MI300X") == Answer::kCannotRun);
  CHECK(answer("fmoe_bf16_pertokenMXfp4_g1u1_novs_silu_32x256", nullptr, "MI355X") == Answer::kCanRun);
}

TEST_CASE("the binary decides whether vskip is used, not the name") {
  const CodeFacts with = facts(224), without = facts(0);
  CHECK(answer(kVs, &without, "MI300X") == Answer::kCanRun);
  CHECK(answer(kNovs, &with, "MI300X") == Answer::kUnsafe);
  CHECK(truth(kVs, with, "vskip") == Truth::kTrue);
  CHECK(truth(kVs, without, "vskip") == Truth::kFalse);
  CHECK(truth(kNovs, with, "vskip") == Truth::kFalse);
  CHECK(truth(kNovs, without, "vskip") == Truth::kTrue);
  CHECK(truth(kNovs, facts(kUnknown), "vskip") == Truth::kUnproven);
}

TEST_CASE("a binary for another arch or with too much LDS cannot run") {
  CodeFacts gfx950 = facts(0);
  gfx950.target = "gfx950";
  gfx950.static_shared_bytes = 163840;
  CHECK(answer(kNovs, &gfx950, "MI300X") == Answer::kCannotRun);
  CHECK(answer(kNovs, &gfx950, "MI355X") == Answer::kCanRun);
  gfx950.static_shared_bytes = 163841;
  CHECK(answer(kNovs, &gfx950, "MI355X") == Answer::kCannotRun);
}

TEST_CASE("workgroups per unit and the quantization are held against registers, LDS and matrix instructions") {
  CHECK(truth(kNovs, facts(0), "workgroups per CU") == Truth::kTrue);
  CHECK(truth("fmoe_stage1_bf16_pertokenFp8_g1u1_64x128_2tg_pf3", facts(0), "workgroups per CU") == Truth::kFalse);
  CodeFacts small = facts(0);
  small.registers = 232;
  small.static_shared_bytes = 25088;
  CHECK(truth("fmoe_stage1_bf16_pertokenFp8_g1u1_64x128_2tg_pf3", small, "workgroups per CU") == Truth::kTrue);
  CHECK(truth(kNovs, facts(0), "quantization") == Truth::kTrue);
  CHECK(truth("fmoe_bf16_pertokenInt8_g1u1_novs_silu_1tg_32x256", facts(0), "quantization") == Truth::kFalse);
  CodeFacts empty = facts(0);
  empty.matrix_instructions.clear();
  CHECK(truth(kNovs, empty, "quantization") == Truth::kUnproven);
}

TEST_CASE("a driver that a sourced row covers makes vskip safe, and any other does not") {
  DeviceCaps caps = device("MI300X", "60443482 amdgpu 6.16.8");
  caps.vskip_safe = {VskipSafety(true, {"amdgpu", "6.16.6", "6.18"}), "a test", Confidence::kMeasured};
  CHECK(judge_for_device(read(kVs), nullptr, caps).answer == Answer::kCanRun);
  for (const char* driver : {"", "60443482", "60443482 amdgpu 6.10.5", "60443482 amdgpu 6.20", "60443482 amdgpu srcversion:AB12"}) {
    caps.driver_version = driver;
    const AiterVerdict verdict = judge_for_device(read(kVs), nullptr, caps);
    INFO(driver);
    CHECK(verdict.answer == Answer::kUnsafe);
    CHECK_THAT(verdict.reasons.back(), Contains("6.16.6 to 6.18") && Contains("a test"));
  }
}

TEST_CASE("the report prints every field as JSON, null where the name is silent") {
  const std::vector<DeviceCaps> devices{device("MI300X"), device("H200")};
  const auto report = make_aiter_report(kVs, read(kVs), nullptr, devices);
  const auto json = nlohmann::json::parse(to_json(report));
  CHECK(json["out"] == "bf16");
  CHECK(json["quant"] == "blockscaleFp8");
  CHECK(json["gate"] == "g1u1");
  CHECK(json["vskip"] == true);
  CHECK(json["activation"] == "silu");
  CHECK(json["workgroups_per_cu"] == 1);
  CHECK(json["persistent"] == true);
  CHECK(json["tile"] == nlohmann::json::array({32, 256}));
  CHECK(json["prefetch"].is_null());
  CHECK(json["stage"].is_null());
  CHECK(json["devices"][0]["verdict"] == "unsafe");
  CHECK(json["devices"][1]["verdict"] == "cannot run");
  const CodeFacts lie = facts(0);
  const auto lying = make_aiter_report(kVs, read(kVs), &lie, devices);
  CHECK_FALSE(lying.is_honest());
  CHECK_THAT(to_text(lying), Contains("THE NAME LIES") && Contains("no s_setvskip"));
}
