// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/prebuild_plan.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "codegen/families/grouped_gemm.h"
#include "codegen/resolve.h"
#include "runtime/caps/tuning_device.h"
#include "tests/support/tuning_rows.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

struct Tables {
  std::vector<DeviceCaps> table = load_capability_table(builtin_capability_json()).value();
  std::vector<Quirk> quirks;
  TunedTable tuned;
  Settings settings;
  PlanContext context() const { return {table, quirks, tuned, settings}; }
  std::vector<PlanTarget> of_arch(std::string_view name) const { return targets_of_arch(*find_arch(name), table, ""); }
  PlanTarget device(std::string_view name) const {
    const DeviceCaps* caps = find_device_caps(table, name).value();
    return {caps->arch, *caps, {}};
  }
};

ManifestKernel gemm(std::int64_t n, std::initializer_list<std::pair<std::string_view, std::string_view>> more = {}) {
  ManifestKernel kernel{{}, "here"};
  kernel.request.family = find_family("grouped_gemm").value();
  REQUIRE(set_param(kernel.request, "n", n));
  REQUIRE(set_param(kernel.request, "k", 2048));
  REQUIRE(set_param(kernel.request, "groups", 8));
  for (const auto& [name, value] : more) {
    REQUIRE(set_param(kernel.request, name, value));
  }
  return kernel;
}

TracedKernel traced(const ManifestKernel& kernel, std::string_view arch, std::string device) {
  return {kernel.request, "trace:1", find_arch(arch), std::move(device), "", std::nullopt};
}

}  // namespace

TEST_CASE("kernels are planned once for an arch, with the devices that may ask for them") {
  const Tables tables;
  const auto plan = plan_kernels({gemm(2816)}, {}, tables.of_arch("gfx942"), tables.context());
  REQUIRE(plan);
  REQUIRE_FALSE(plan->kernels.empty());
  CHECK(plan->refused.empty());
  const std::vector<std::string>& devices = plan->kernels[0].devices;
  CHECK(std::find(devices.begin(), devices.end(), "MI300X") != devices.end());
  CHECK(devices.back() == "any other gfx942");
}

TEST_CASE("where serving hints rows, devices of one arch may need different tiles") {
  const Tables tables;
  std::map<std::string, std::string> spec_of;
  const auto plan = plan_kernels({gemm(2816, {{"rows", "1024"}})}, {}, tables.of_arch("gfx942"), tables.context());
  REQUIRE(plan);
  for (const PlannedKernel& kernel : plan->kernels) {
    for (const std::string& device : kernel.devices) {
      spec_of.try_emplace(device, kernel.name);
    }
  }
  CHECK(spec_of.at("MI300X") != spec_of.at("MI308X"));
}

TEST_CASE("what was measured on a device is planned for it, as a server there would choose") {
  Tables tables;
  const ManifestKernel kernel = gemm(2816, {{"rows", "1024"}});
  const PlanTarget device = tables.device("MI308X");
  tables.tuned = TunedTable({test::tuned_row(tuning_device(device.caps, *device.arch, nullptr), kernel.request, "32x128x64", 1024)});
  const auto plan = plan_kernels({kernel}, {}, {device}, tables.context());
  REQUIRE(plan);
  REQUIRE(plan->kernels.size() == 1);
  CHECK(plan->kernels[0].spec.tile(grouped_gemm::kTile) == TileShape{32, 128, 64});
}

TEST_CASE("a quirk changes the plan of its device and of no other") {
  Tables tables;
  auto quirks =
      parse_quirks(R"({"format": 1, "quirks": [{"id": "t", "spec": "grouped_gemm*", "device": "H20", "reason": "a test",
      "reference": "none"}]})",
                   "q.json");
  if (!quirks) {
    FAIL(quirks.error().message);
  }
  tables.quirks = *quirks;
  const auto plan = plan_kernels({gemm(2816)}, {}, tables.of_arch("sm_90a"), tables.context());
  REQUIRE(plan);
  REQUIRE(plan->kernels.size() == 1);
  CHECK(std::find(plan->kernels[0].devices.begin(), plan->kernels[0].devices.end(), "H20") ==
        plan->kernels[0].devices.end());
  REQUIRE(plan->refused.size() == 1);
  CHECK(plan->refused[0].device == "H20");
}

TEST_CASE("what an arch cannot have is refused, once, and the others are planned") {
  const Tables tables;
  auto targets = tables.of_arch("sm_90a");
  const auto none = tables.of_arch("gfx1100");
  targets.insert(targets.end(), none.begin(), none.end());
  const auto plan = plan_kernels({gemm(2816)}, {}, targets, tables.context());
  REQUIRE(plan);
  CHECK(plan->kernels.size() == 1);
  REQUIRE(plan->refused.size() == 1);
  CHECK(plan->refused[0].device.empty());
  CHECK_THAT(plan->refused[0].error.message, Contains("here: ") && Contains("gfx1100"));
}

TEST_CASE("a request that no arch could have is an error of a manifest, and is refused of a trace") {
  const Tables tables;
  const auto wrong = plan_kernels({gemm(2817)}, {}, tables.of_arch("sm_90a"), tables.context());
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == ErrorCode::kInvalidRequest);
  CHECK_THAT(wrong.error().message, Contains("here: "));
  const auto plan = plan_kernels({}, {traced(gemm(2817), "sm_90a", "H200"), traced(gemm(2816), "sm_90a", "H200")}, {},
                                 tables.context());
  REQUIRE(plan);
  CHECK(plan->kernels.size() == 1);
  CHECK(plan->refused.size() == 1);
}

TEST_CASE("a trace alone is planned for the devices of its lines, with the spec that was recorded") {
  const Tables tables;
  TracedKernel line = traced(gemm(2816), "gfx942", "MI308X");
  KernelSpec recorded = resolve(gemm(2816, {{"tile", "64x64x64"}}).request, {find_arch("gfx942")}).value();
  line.spec = recorded;
  const auto plan = plan_kernels({}, {line}, {}, tables.context());
  REQUIRE(plan);
  std::set<std::string> names;
  for (const PlannedKernel& kernel : plan->kernels) {
    CHECK(kernel.devices == std::vector<std::string>{"MI308X"});
    names.insert(kernel.name);
  }
  CHECK(names.size() == 2);
  CHECK(names.count(recorded.name()) == 1);
}

TEST_CASE("a trace can be planned for another arch, where its specs do not count") {
  const Tables tables;
  TracedKernel line = traced(gemm(2816), "gfx942", "MI308X");
  line.spec = resolve(line.request, {find_arch("gfx942")}).value();
  const auto plan = plan_kernels({}, {line}, {tables.device("H200")}, tables.context());
  REQUIRE(plan);
  REQUIRE(plan->kernels.size() == 1);
  CHECK(plan->kernels[0].spec.arch->name == "sm_90a");
}

TEST_CASE("shards are disjoint, complete, and do not depend on what else is wanted") {
  const Tables tables;
  std::vector<ManifestKernel> kernels;
  for (int i = 1; i <= 40; ++i) {
    kernels.push_back(gemm(64 * i));
  }
  const auto targets = tables.of_arch("sm_90a");
  std::map<std::string, int> shard_of;
  for (std::uint64_t i = 0; i < 4; ++i) {
    KernelPlan plan = plan_kernels(kernels, {}, targets, tables.context()).value();
    keep_shard(plan, {i, 4});
    CHECK(plan.kernels.size() >= 3);
    for (const PlannedKernel& kernel : plan.kernels) {
      CHECK(shard_of.emplace(kernel.name, static_cast<int>(i)).second);
    }
  }
  CHECK(shard_of.size() == 40);
  KernelPlan one = plan_kernels({kernels[7]}, {}, targets, tables.context()).value();
  const std::string name = one.kernels[0].name;
  keep_shard(one, {static_cast<std::uint64_t>(shard_of.at(name)), 4});
  CHECK(one.kernels.size() == 1);
}

TEST_CASE("a shard is written I/N with I below N") {
  CHECK(parse_shard("0/1")->count == 1);
  CHECK(parse_shard("3/4")->index == 3);
  for (const std::string_view wrong :
       {"", "4/4", "1", "1/", "/4", "-1/4", "1/4x", "0/0", "0x1/4", "1/100001", "1 /4"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_shard(wrong));
  }
}
