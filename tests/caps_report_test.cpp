// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "runtime/caps/report.h"

using namespace sinter;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

std::vector<DeviceCaps> builtin_table() {
  auto table = load_capability_table(builtin_capability_json());
  REQUIRE(table);
  return *std::move(table);
}

CheckReport report_for(const std::string& vskip, const LaunchShape* launch = nullptr) {
  const auto table = builtin_table();
  const auto caps = find_device_caps(table, "MI308X");
  const auto spec = parse_spec_name("grouped_gemm_none_bf16_n2816_k2048_g64_t128x128x64_vskip_" + vskip + "_gfx942");
  REQUIRE(caps);
  REQUIRE(spec);
  BodyPlan plan;
  plan.threads_per_block = 256;
  plan.static_shared_bytes = 32768;
  return make_check_report(
      {.spec = *spec, .plan = plan, .caps = **caps, .driver_version = "", .quirks = {}, .launch = launch});
}

}  // namespace

TEST_CASE("a check report lists passed and refused comparisons alike") {
  const CheckReport report = report_for("on");
  CHECK_FALSE(report.ok());
  CHECK_THAT(to_text(report), Contains("on MI308X (gfx942): refused") &&
                                  Contains("needs 32768 bytes of LDS per workgroup, MI308X has 65536") &&
                                  Contains("REFUSED"));
  const json parsed = json::parse(to_json(report));
  CHECK(parsed["device"] == "MI308X");
  CHECK(parsed["ok"] == false);
  int refused = 0;
  for (const json& check : parsed["checks"]) {
    refused += check["ok"] == false ? 1 : 0;
    CHECK(check["detail"].get<std::string>().size() > 0);
  }
  CHECK(refused == 1);
}

TEST_CASE("a check report without a refusal says that the kernel can run") {
  LaunchShape shape;
  shape.block[0] = 256;
  const CheckReport report = report_for("off", &shape);
  CHECK(report.ok());
  CHECK(report.findings.back().step == CheckStep::kLaunch);
  CHECK_THAT(to_text(report),
             Contains("can run") && Contains("spec check") && Contains("quirk check") && Contains("launch check"));
  shape.block[0] = 4096;
  CHECK_FALSE(report_for("off", &shape).ok());
}

TEST_CASE("the device table prints unknown cells as unknown and marks unsure ones") {
  const auto table = builtin_table();
  const std::string text = devices_to_text(table);
  CHECK_THAT(text, Contains("MI308X") && Contains("unknown") && Contains("192 GiB ?"));
  const auto caps = find_device_caps(table, "MI300X");
  REQUIRE(caps);
  CHECK_THAT(device_to_text(**caps), Contains("unit_count") && Contains("304") && Contains("documented") &&
                                         Contains("ROCm documentation") && Contains("AMD Instinct MI300X"));
}

TEST_CASE("the JSON of devices has each cell with its source, and live devices with their differences") {
  const auto table = builtin_table();
  LiveDevice live;
  live.driver = "hip";
  live.properties.name = "MI300X \xff";
  live.properties.arch = "gfx942";
  live.properties.simulated = true;
  live.properties.pci_device = 0x74a1;
  live.properties.unit_count = 38;
  live.caps = caps_of_live_device(table, live.properties, &live.differences);
  const json parsed = json::parse(devices_to_json(table, std::span(&live, 1)));
  REQUIRE(parsed["devices"].size() == table.size());
  const json& row = parsed["devices"][3];
  CHECK(row["name"] == "MI300X");
  CHECK(row["pci_devices"][0] == "74a1");
  CHECK(row["unit_count"]["value"] == 304);
  CHECK(row["unit_count"]["confidence"] == "documented");
  CHECK(row["vskip_safe"]["value"] == json{{"driver", "simhip-fixed"}});
  CHECK(row["memory_bandwidth"]["value"] == 5.3e12);
  CHECK(parsed["devices"][4]["bf16_flops"]["value"].is_null());
  CHECK(parsed["devices"][4]["bf16_flops"]["confidence"] == "unknown");
  CHECK(parsed["live"][0]["caps"]["unit_count"]["confidence"] == "reported");
  CHECK(parsed["live"][0]["differences"].size() == 1);
  CHECK_THAT(live_devices_to_text(std::span(&live, 1)),
             Contains("hip:0") && Contains("simulated") && Contains("differs: "));
}
