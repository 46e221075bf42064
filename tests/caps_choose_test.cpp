// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/settings.h"
#include "runtime/caps/choose.h"
#include "runtime/caps/tuning_device.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

// DeepSeek-R1, 256 experts, one of eight devices: gate and up of 256 each from 7168; the seed's accident.
KernelRequest r1(std::int64_t rows) {
  KernelRequest request;
  request.family = find_family("grouped_gemm").value();
  REQUIRE(set_param(request, "quant", "fp8_block"));
  for (const auto& [name, value] : {std::pair<const char*, std::int64_t>("n", 512), {"k", 7168}, {"groups", 256}, {"rows", rows}}) {
    REQUIRE(set_param(request, name, value));
  }
  return request;
}

KernelChoice choose(std::string_view device, const KernelRequest& request, const std::vector<Quirk>& quirks = {},
                    std::string_view driver = "60443482 amdgpu 6.10.5") {
  const auto table = load_capability_table(builtin_capability_json()).value();
  DeviceCaps caps = *find_device_caps(table, device).value();
  caps.driver_version = driver;
  auto choice = choose_kernel({request, resolve_target(caps, *caps.arch, Settings()), caps, driver, quirks});
  INFO((choice ? "" : choice.error().message));
  REQUIRE(choice);
  return *std::move(choice);
}

std::string tile(const KernelChoice& choice) { return tile_to_string(choice.spec.tile(choice.spec.family->param_index("tile"))); }

}  // namespace

TEST_CASE("the two devices of the accident get the lowest tile and no vskip, unless a sourced row says that it is safe") {
  const std::int64_t decode = 64 * 8;  // 64 tokens, 8 experts each: two rows an expert
  for (const char* device : {"MI300X", "MI308X"}) {
    const KernelChoice choice = choose(device, r1(decode));
    CHECK_THAT(choice.spec.name(), Contains("t32x128x128_vskip_off_gfx942"));
    CHECK(choice.tiles.by_cost);
    CHECK(choice.tiles.candidates.front().blocks == 1024);
    CHECK_THAT(choose(device, r1(decode), {}, "60443482 simhip-fixed 1").spec.name(), Contains("vskip_on"));
  }
}

TEST_CASE("two devices of one arch get tiles cut for their own number of units") {
  KernelRequest request = r1(8 * 128);
  REQUIRE(set_param(request, "quant", "none"));
  for (const auto& [name, value] : {std::pair<const char*, std::int64_t>("n", 2816), {"k", 2048}, {"groups", 8}}) {
    REQUIRE(set_param(request, name, value));
  }
  // 176 blocks of 128x128: one turn of 304 units, but three of 80; 352 of 64x128 are four and a half.
  CHECK(tile(choose("MI300X", request)) == "128x128x64");
  CHECK(tile(choose("MI308X", request)) == "64x128x64");
}

TEST_CASE("on an H200 the heuristic takes a tile that was measured within 3 percent of the fastest") {
  struct Case {
    const char* quant;
    std::int64_t n, k, groups, rows, largest;
    const char* tile;
  };
  // docs/choosing.md has the times.
  for (const Case& c : {Case{"none", 2816, 2048, 64, 24576, 384, "128x256x64"}, Case{"none", 2816, 2048, 64, 12288, 2040, "128x256x64"},
                        Case{"none", 2048, 1408, 64, 24576, 384, "128x256x64"}, Case{"none", 4096, 7168, 32, 640, 20, "128x256x64"},
                        Case{"none", 2816, 2048, 64, 384, 6, "16x128x64"}, Case{"none", 4096, 7168, 4, 32768, 8192, "128x256x64"},
                        Case{"fp8_block", 2816, 2048, 64, 24576, 384, "128x192x128"}, Case{"fp8_block", 2048, 1408, 64, 12288, 2040, "128x192x128"},
                        Case{"fp8_block", 4096, 7168, 32, 640, 20, "128x128x128"}, Case{"fp8_block", 4096, 7168, 4, 32768, 8192, "128x192x128"}}) {
    KernelRequest request = r1(c.rows);
    REQUIRE(set_param(request, "quant", std::string_view(c.quant)));
    for (const auto& [name, value] : {std::pair<const char*, std::int64_t>("n", c.n), {"k", c.k}, {"groups", c.groups}, {"largest", c.largest}}) {
      REQUIRE(set_param(request, name, value));
    }
    const KernelChoice choice = choose("H200", request);
    CAPTURE(c.quant, c.n, c.k, c.groups, c.rows, choice.reason);
    CHECK(choice.source == ChoiceSource::kHeuristic);
    CHECK(tile(choice) == c.tile);
  }
}

TEST_CASE("many rows an expert get the general choice") {
  CHECK(tile(choose("MI300X", r1(256 * 4096))) == "128x128x128");
  CHECK(tile(choose("MI308X", r1(256 * 4096))) == "128x128x128");
}

TEST_CASE("unknown rows give the general choice, whatever the device") {
  KernelRequest open = r1(1);
  open.values[kRowsHint] = kUnset;
  const KernelChoice choice = choose("MI300X", open);
  CHECK_FALSE(choice.tiles.by_cost);
  CHECK_THAT(choice.tiles.reason, Contains("rows") && Contains("general"));
  CHECK(tile(choice) == tile(choose("MI308X", open)));
}

TEST_CASE("a body that does not tell what its tiles cost is chosen in its own order") {
  KernelRequest request;
  request.family = find_family("quantize").value();
  REQUIRE(set_param(request, "k", 4096));
  REQUIRE(set_param(request, "rows", 512));
  const KernelChoice choice = choose("H200", request);
  CHECK_FALSE(choice.tiles.by_cost);
  CHECK_THAT(choice.tiles.reason, Contains("cost"));
}

TEST_CASE("a choice is the same each time, and ties keep the body's order") {
  for (const std::int64_t rows : {1, 7, 64, 1000, 4096, 65536}) {
    const KernelChoice first = choose("MI355X", r1(rows)), second = choose("MI355X", r1(rows));
    CHECK(first.spec == second.spec);
    for (std::size_t i = 1; i < first.tiles.candidates.size(); ++i) {
      CHECK(first.tiles.candidates[i - 1].cost <= first.tiles.candidates[i].cost);
    }
  }
}

TEST_CASE("a denied tile is passed over, and the reason is kept") {
  const auto quirks = parse_quirks(R"({"format": 1, "quirks": [
      {"id": "narrow", "spec": "*_t32x128x*", "device": "MI300X", "reason": "a test", "reference": "x"}]})", "q.json").value();
  const KernelChoice choice = choose("MI300X", r1(512), quirks);
  CHECK(tile(choice) == "32x256x128");
  CHECK_THAT(choice.refusals.front(), Contains("quirk 'narrow' denies it"));
  CHECK_THAT(to_text(choice, DeviceCaps()), Contains("refused: ") && Contains("-> 32x256x128"));
  CHECK(tile(choose("MI308X", r1(512), quirks)) == "32x128x128");
}

TEST_CASE("a request's own tile is not chosen anew") {
  KernelRequest request = r1(512);
  REQUIRE(set_param(request, "tile", "64x64x128"));
  const KernelChoice choice = choose("MI300X", request);
  CHECK(tile(choice) == "64x64x128");
  CHECK(choice.tiles.candidates.empty());
}

TEST_CASE("a choice prints its candidates with numbers") {
  const auto json = nlohmann::json::parse(to_json(choose("MI300X", r1(512))));
  CHECK(json["by_cost"] == true);
  CHECK(json["candidates"][0]["chosen"] == true);
  CHECK(json["candidates"][0]["rounds"] >= 1);
  CHECK(json["candidates"][0]["blocks_per_unit"] >= 1);
  CHECK(json["candidates"][0]["waste"] > 0.9);
}

TEST_CASE("rows are a hint: no part of the kernel, and refused where a family has none") {
  KernelRequest request = r1(512), other = r1(513);
  CHECK_FALSE(request == other);
  CHECK(choose("MI300X", request).spec == choose("MI300X", other).spec);
  CHECK_FALSE(set_param(request, "rows", 0));
  CHECK_FALSE(set_param(request, "rows", "many"));
}

namespace {

// The choice of a device that knows these rows.
KernelChoice choose_tuned(std::string_view device, const KernelRequest& request, std::vector<TuningRow> rows, const std::vector<Quirk>& quirks = {}) {
  const auto table = load_capability_table(builtin_capability_json()).value();
  const DeviceCaps caps = *find_device_caps(table, device).value();
  const TunedTable tuned(std::move(rows));
  auto choice = choose_kernel({.request = request,
                               .target = resolve_target(caps, *caps.arch, Settings()),
                               .caps = caps,
                               .driver_version = {},
                               .quirks = quirks,
                               .all = true,
                               .tuned = &tuned,
                               .device = tuning_device(caps, *caps.arch, nullptr)});
  REQUIRE(choice);
  return *std::move(choice);
}

TuningRow measured(std::string_view device, const KernelRequest& request, std::string_view tile) {
  const auto table = load_capability_table(builtin_capability_json()).value();
  const DeviceCaps caps = *find_device_caps(table, device).value();
  const KernelSpec spec = resolve(request, {.arch = caps.arch}).value();
  TuningRow row;
  row.device = tuning_device(caps, *caps.arch, nullptr);
  row.problem = {"grouped_gemm", fixed_params(request, spec), 512, 2};
  row.choice = {{"tile", std::string(tile)}};
  row.candidates = {{.choice = row.choice, .median = 12.5, .lowest = 12, .highest = 13, .samples = 3, .problem = {}}};
  row.templates = template_digest(spec);
  return row;
}

}  // namespace

TEST_CASE("a measured row goes before the heuristic, and the choice says which") {
  const KernelChoice choice = choose_tuned("MI300X", r1(512), {measured("MI300X", r1(512), "64x128x128")});
  CHECK(tile(choice) == "64x128x128");
  CHECK(choice.source == ChoiceSource::kTunedExact);
  CHECK_THAT(choice.reason, Contains("tile=64x128x128 measured on MI300X (304 units") && Contains("12.5 us"));
  CHECK_THAT(to_text(choice, DeviceCaps()), Contains("choice by exact: ") && Contains("-> 64x128x128") && Contains("the heuristic alone: "));
  const auto json = nlohmann::json::parse(to_json(choice));
  CHECK(json["source"] == "exact");
  CHECK(json["tuned"]["choice"]["tile"] == "64x128x128");
  CHECK(json["candidates"][0]["tile"] == "32x128x128");  // the heuristic's order

  CHECK(choose_tuned("MI300X", r1(512), {}).source == ChoiceSource::kHeuristic);
  CHECK(choose_tuned("MI308X", r1(512), {measured("MI300X", r1(512), "64x128x128")}).source == ChoiceSource::kTunedArch);
  CHECK(choose_tuned("MI300X", r1(700), {measured("MI300X", r1(512), "64x128x128")}).source == ChoiceSource::kTunedExact);
  CHECK(choose_tuned("MI300X", r1(1000), {measured("MI300X", r1(512), "64x128x128")}).source == ChoiceSource::kTunedNearest);
  KernelRequest asked = r1(512);
  REQUIRE(set_param(asked, "tile", "64x64x128"));
  CHECK(choose_tuned("MI300X", asked, {measured("MI300X", r1(512), "64x128x128")}).source == ChoiceSource::kAsked);
}

TEST_CASE("a measured row that is stale, denied or of no candidate is passed over, and the reason is kept") {
  TuningRow stale = measured("MI300X", r1(512), "64x128x128");
  stale.templates = std::string(64, '0');
  KernelChoice choice = choose_tuned("MI300X", r1(512), {stale});
  CHECK(choice.source == ChoiceSource::kHeuristic);
  CHECK(tile(choice) == "32x128x128");
  REQUIRE(choice.notes.size() == 1);
  CHECK_THAT(choice.notes.front(), Contains("stale"));

  choice = choose_tuned("MI300X", r1(512), {measured("MI300X", r1(512), "256x256x128")});  // its sums do not fit the registers
  CHECK(choice.source == ChoiceSource::kHeuristic);
  CHECK_THAT(choice.notes.front(), Contains("no such candidate"));

  const auto quirks = parse_quirks(R"({"format": 1, "quirks": [
      {"id": "narrow", "spec": "*_t64x128x*", "device": "MI300X", "reason": "a test", "reference": "x"}]})", "q.json").value();
  choice = choose_tuned("MI300X", r1(512), {measured("MI300X", r1(512), "64x128x128")}, quirks);
  CHECK(tile(choice) == "32x128x128");
  CHECK_THAT(choice.notes.front(), Contains("quirk 'narrow'"));
}

TEST_CASE("what may be measured is every tile that nothing refuses, the choice without measurements first") {
  const auto table = load_capability_table(builtin_capability_json()).value();
  const DeviceCaps caps = *find_device_caps(table, "MI300X").value();
  const auto quirks = parse_quirks(R"({"format": 1, "quirks": [
      {"id": "narrow", "spec": "*_t64x128x*", "device": "MI300X", "reason": "a test", "reference": "x"}]})", "q.json").value();
  const KernelRequest request = r1(512);
  const auto specs = measurable_specs({request, resolve_target(caps, *caps.arch, Settings()), caps, {}, quirks});
  REQUIRE(specs);
  CHECK(specs->chosen == specs->specs.front());
  CHECK(tile_to_string(specs->chosen.tile(specs->chosen.family->param_index("tile"))) == "32x128x128");
  REQUIRE_FALSE(specs->refused.empty());
  CHECK_THAT(specs->refused.front().second, Contains("narrow"));
  const std::size_t tiles = specs->chosen.family->body(Vendor::kAmd)->tiles(specs->chosen).size();
  CHECK(specs->specs.size() + specs->refused.size() == tiles);
}
