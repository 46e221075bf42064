// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <catch2/catch.hpp>

#include "base/read_file.h"
#include "codegen/resolve.h"
#include "runtime/caps/validate.h"
#include "templates/grouped_gemm/args.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

KernelRequest request() {
  KernelRequest request;
  request.family = find_family("grouped_gemm").value();
  for (const auto& [name, value] : {std::pair("n", 2816), std::pair("k", 2048), std::pair("groups", 64)}) {
    REQUIRE(set_param(request, name, value));
  }
  return request;
}

DeviceCaps device(std::string_view name) {
  const auto table = load_capability_table(builtin_capability_json()).value();
  return *find_device_caps(table, name).value();
}

KernelSpec spec(const KernelRequest& request) { return resolve(request, {find_arch("gfx942"), true, 304}).value(); }

std::vector<Quirk> quirks(const std::string& fields) {
  auto parsed = parse_quirks(R"({"format": 1, "quirks": [{"id": "q", "spec": "*", "reason": "r", "reference": "x", )" + fields + "}]}", "q.json");
  INFO((parsed ? "" : parsed.error().message));
  REQUIRE(parsed);
  return *std::move(parsed);
}

std::string parse_error(const std::string& fields) {
  const auto parsed =
      parse_quirks(R"({"format": 1, "quirks": [{"id": "q", "spec": "*", "reason": "r", "reference": "x", )" + fields + "}]}", "q.json");
  REQUIRE_FALSE(parsed);
  return parsed.error().message;
}

bool denied(const std::string& fields) { return !check_quirks(spec(request()), device("MI300X"), "", quirks(fields)); }

QuirkMatch match_aiter(const Quirk& quirk, std::string_view kernel, std::string_view device_name,
                       std::vector<std::pair<std::string_view, std::int64_t>> numbers) {
  return match_quirk(quirk, {kernel, device_name, "", [numbers](std::string_view name) -> std::optional<std::int64_t> {
                               for (const auto& [known, value] : numbers) {
                                 if (known == name) return value;
                               }
                               return std::nullopt;
                             }});
}

}  // namespace

TEST_CASE("a predicate over shapes knows lists and multiples") {
  CHECK(denied(R"("ranges": {"k": {"in": [1024, 2048]}})"));
  CHECK_FALSE(denied(R"("ranges": {"k": {"in": [1024, 4096]}})"));
  CHECK(denied(R"("ranges": {"n": {"multiple_of": 256}, "k": {"not_multiple_of": 384}})"));
  CHECK_FALSE(denied(R"("ranges": {"n": {"multiple_of": 512}})"));
  CHECK_FALSE(denied(R"("ranges": {"n": {"not_multiple_of": 256}})"));
}

TEST_CASE("a predicate over rows denies launches, not the kernel") {
  const auto rows = quirks(R"("device": "MI3*", "ranges": {"rows": {"in": [304, 336]}, "groups": {"min": 64}})");
  CHECK(check_quirks(spec(request()), device("MI300X"), "", rows));
  const auto launch = launch_quirks(spec(request()), device("MI300X"), "", rows);
  REQUIRE(launch.size() == 1);
  GroupedGemmArgs args{};
  args.rows = 304;
  REQUIRE(find_launch_quirk(launch, &args) != nullptr);
  CHECK_THAT(find_launch_quirk(launch, &args)->message, Contains("quirk 'q' denies this launch") && Contains("rows one of 304, 336"));
  args.rows = 305;
  CHECK(find_launch_quirk(launch, &args) == nullptr);
  CHECK(launch_quirks(spec(request()), device("MI210"), "", rows).empty());
  CHECK(launch_quirks(spec(request()), device("MI300X"), "", quirks(R"("ranges": {"rows": {"min": 1}, "groups": {"min": 65}})")).empty());
}

TEST_CASE("a preference fills what the request leaves open and nothing else") {
  const auto prefer = quirks(R"("effect": "prefer", "instead": {"vskip": "off", "tile": "64x128x64"}, "ranges": {"groups": {"min": 64}})");
  const KernelRequest open = request();
  REQUIRE(spec(open)[spec(open).family->param_index("vskip")] == kVskipOn);
  const KernelSpec preferred = spec(with_preferences(open, spec(open), device("MI300X"), "", prefer));
  CHECK_THAT(preferred.name(), Contains("t64x128x64_vskip_off"));
  CHECK(check_quirks(spec(open), device("MI300X"), "", prefer));

  KernelRequest closed = request();
  REQUIRE(set_param(closed, "vskip", "on"));
  REQUIRE(set_param(closed, "tile", "128x128x64"));
  CHECK(with_preferences(closed, spec(closed), device("MI300X"), "", prefer) == closed);
}

TEST_CASE("effects and predicates with a mistake are refused") {
  CHECK_THAT(parse_error(R"("effect": "warn")"), Contains("'warn' is neither deny nor prefer"));
  CHECK_THAT(parse_error(R"("effect": "prefer")"), Contains("'instead'"));
  CHECK_THAT(parse_error(R"("instead": {"vskip": "off"})"), Contains("'instead'"));
  CHECK_THAT(parse_error(R"("effect": "prefer", "instead": {"colour": "red"})"), Contains("'colour'"));
  CHECK_THAT(parse_error(R"("ranges": {"rows": {"in": []}})"), Contains("'in'"));
  CHECK_THAT(parse_error(R"("ranges": {"rows": {"in": ["304"]}})"), Contains("whole number"));
  CHECK_THAT(parse_error(R"("ranges": {"rows": {"multiple_of": 0}})"), Contains("above 0"));
}

TEST_CASE("the five incidents of the example file parse, match the kernels they are about, and touch none of ours") {
  const auto incidents = parse_quirks(read_text_file(SINTER_QUIRKS_EXAMPLE).value(), "quirks.example.json");
  INFO((incidents ? "" : incidents.error().message));
  REQUIRE(incidents);
  REQUIRE(incidents->size() == 5);
  const std::vector<Quirk>& q = *incidents;
  constexpr std::string_view kVs384 = "_ZN5aiter50fmoe_bf16_blockscaleFp8_g1u1_vs_silu_1tg_ps_32x384E";
  CHECK(match_aiter(q[0], kVs384, "MI355X", {{"k", 256}}) == QuirkMatch::kYes);
  CHECK(match_aiter(q[0], kVs384, "MI355X", {{"k", 768}}) == QuirkMatch::kNo);
  CHECK(match_aiter(q[0], kVs384, "MI300X", {{"k", 256}}) == QuirkMatch::kNo);
  CHECK(match_aiter(q[1], kVs384, "MI350X", {{"groups", 288}, {"rows", 64}}) == QuirkMatch::kYes);
  CHECK(match_aiter(q[1], kVs384, "MI350X", {{"groups", 256}}) == QuirkMatch::kNo);
  CHECK(match_aiter(q[1], kVs384, "MI350X", {{"groups", 288}}) == QuirkMatch::kDepends);
  constexpr std::string_view kDefault = "fmoe_bf16_blockscaleFp8_g1u1_vs_silu_1tg_ps_32x256";
  CHECK(match_aiter(q[2], kDefault, "MI300X", {{"rows", 304}}) == QuirkMatch::kYes);
  CHECK(match_aiter(q[2], kDefault, "MI300X", {{"rows", 320}}) == QuirkMatch::kNo);
  CHECK(match_aiter(q[3], "wv_splitk_skinny", "MI300X", {{"rows", 1}}) == QuirkMatch::kYes);
  CHECK(match_aiter(q[4], kDefault, "RX 9070 XT", {}) == QuirkMatch::kYes);
  for (const Quirk& quirk : q) {
    CHECK(match_quirk(quirk, spec(request()), device("MI355X"), "") == QuirkMatch::kNo);
  }
}
