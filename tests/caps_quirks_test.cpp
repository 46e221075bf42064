// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <catch2/catch.hpp>

#include "codegen/resolve.h"
#include "runtime/caps/validate.h"

using namespace sinter;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

KernelSpec spec() {
  auto parsed = parse_spec_name("grouped_gemm_fp8_block_bf16_n2816_k2048_g64_t32x256x128_vskip_off_gfx950");
  REQUIRE(parsed);
  return *parsed;
}

DeviceCaps caps() {
  DeviceCaps row;
  row.name = "MI355X";
  row.arch = find_arch("gfx950");
  return row;
}

std::vector<Quirk> quirks(const std::string& more) {
  auto parsed =
      parse_quirks(R"({"format": 1, "quirks": [{"id": "q", "spec": "grouped_gemm_fp8_*", "reason": "it faults",
                                 "reference": "a report")" +
                       more + "}]}",
                   "q.json");
  INFO((parsed ? "" : parsed.error().message));
  REQUIRE(parsed);
  return *std::move(parsed);
}

bool denied(const std::string& more, std::string_view driver = "6.8.5") {
  return !check_quirks(spec(), caps(), driver, quirks(more));
}

std::string parse_error(std::string_view json) {
  const auto parsed = parse_quirks(json, "q.json");
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code == ErrorCode::kInvalidRequest);
  return parsed.error().message;
}

std::string one(const std::string& fields) { return R"({"format": 1, "quirks": [{)" + fields + "}]}"; }

}  // namespace

TEST_CASE("the built-in quirks parse") { CHECK(parse_quirks(builtin_quirks_json(), "quirks.json")); }

TEST_CASE("patterns know * and ? and nothing else") {
  CHECK(glob_match("", ""));
  CHECK(glob_match("*", ""));
  CHECK(glob_match("a*b?d*", "aXXbcd"));
  CHECK(glob_match("*_gfx9*", "x_gfx942"));
  CHECK(glob_match("*aab", "aaaaab"));
  CHECK_FALSE(glob_match("a?", "a"));
  CHECK_FALSE(glob_match("", "a"));
  CHECK_FALSE(glob_match("abc", "abcd"));
  CHECK_FALSE(glob_match("[a]", "a"));
}

TEST_CASE("versions compare by number, part by part") {
  CHECK(compare_versions("6.10", "6.9") == 1);
  CHECK(compare_versions("6.8", "6.8.0") == 0);
  CHECK(compare_versions("6.8.5-rc1", "6.8.5") == 0);
  CHECK(compare_versions("50221153", "60000000") == -1);
  CHECK(compare_versions("", "1") == -1);
}

TEST_CASE("a quirk denies with its reason and its reference") {
  const auto result = check_quirks(spec(), caps(), "6.8.5", quirks(""));
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kUnsupported);
  CHECK_THAT(result.error().message, StartsWith("quirk check: ") && Contains("MI355X") &&
                                         Contains("quirk 'q' denies it: it faults") && Contains("see a report") &&
                                         Contains("6.8.5"));
}

TEST_CASE("a quirk matches by device, driver range and parameter ranges together") {
  CHECK(denied(R"(, "device": "MI35?X")"));
  CHECK_FALSE(denied(R"(, "device": "MI300X")"));
  CHECK(denied(R"(, "driver_min": "6.8", "driver_max": "6.8.5")"));
  CHECK_FALSE(denied(R"(, "driver_max": "6.8.4")"));
  CHECK_FALSE(denied(R"(, "driver_min": "6.9")"));
  CHECK(denied(R"(, "ranges": {"n": {"min": 2816, "max": 2816}, "groups": {"min": 64}})"));
  CHECK_FALSE(denied(R"(, "ranges": {"n": {"min": 2817}})"));
  CHECK_FALSE(denied(R"(, "device": "MI355X", "ranges": {"k": {"max": 2047}})"));
}

TEST_CASE("a driver of unknown version is within every range") {
  CHECK(denied(R"(, "driver_max": "6.8")", ""));
  CHECK(denied(R"(, "driver_min": "6.8")", "unknown"));
}

TEST_CASE("a quirk file with a mistake is refused with the quirk and the field") {
  CHECK_THAT(parse_error("{\n  \"format\": 1,,"), Contains("q.json") && Contains("line 2"));
  CHECK_THAT(parse_error(R"({"format": 1})"), Contains("'quirks': missing"));
  CHECK_THAT(parse_error(one(R"("id": "a")")), Contains("quirk 'a', field 'spec': missing"));
  CHECK_THAT(parse_error(one(R"("spec": "*")")), Contains("quirk 0, field 'id': missing"));
  CHECK_THAT(parse_error(one(R"("id": "a", "spec": "", "reason": "r", "reference": "s")")),
             Contains("field 'spec'") && Contains("not empty"));
  CHECK_THAT(parse_error(one(R"("id": "a", "spec": "*", "reason": "r", "reference": "s", "arch": "gfx9")")),
             Contains("'arch': unknown"));
  CHECK_THAT(parse_error(one(R"("id": "a", "spec": "*", "reason": "r", "reference": "s", "driver_min": "6.x")")),
             Contains("'driver_min': '6.x' is not dotted numbers"));
  CHECK_THAT(
      parse_error(one(R"("id": "a", "spec": "*", "reason": "r", "reference": "s", "ranges": {"m": {"min": 1}})")),
      Contains("range 'm'") && Contains("known: n, k, groups, rows"));
  CHECK_THAT(parse_error(one(
                 R"("id": "a", "spec": "*", "reason": "r", "reference": "s", "ranges": {"n": {"min": 2, "max": 1}})")),
             Contains("min 2 is above max 1"));
  CHECK_THAT(parse_error(one(R"("id": "a", "spec": "*", "reason": "r", "reference": "s",
                               "ranges": {"n": {"max": 18446744073709551615}})")),
             Contains("field 'max'") && Contains("at most 9223372036854775807"));
  CHECK_THAT(parse_error(one(
                 R"("id": "a", "spec": "*", "reason": "r", "reference": "s"}, {"id": "a", "spec": "*", "reason": "r",
                               "reference": "s")")),
             Contains("quirk 'a', field 'id': used twice"));
}

TEST_CASE("a driver range is about amdgpu's version on HIP, and an unknown one is inside every range") {
  const auto quirks = parse_quirks(R"({"format": 1, "quirks": [{"id": "old", "spec": "*", "driver_max": "6.12", "reason": "r", "reference": "x"}]})", "q.json");
  REQUIRE((quirks ? std::string() : quirks.error().message).empty());
  KernelRequest request;
  request.family = find_family("quantize").value();
  REQUIRE(set_param(request, "k", 128));
  const auto table = load_capability_table(builtin_capability_json()).value();
  const DeviceCaps& caps = *find_device_caps(table, "MI300X").value();
  const KernelSpec spec = resolve(request, {caps.arch, false, 0}).value();
  CHECK_FALSE(check_quirks(spec, caps, "60443482 amdgpu 6.10.5", *quirks));
  CHECK(check_quirks(spec, caps, "60443482 amdgpu 6.14.1", *quirks));
  CHECK_FALSE(check_quirks(spec, caps, "60443482", *quirks));
  CHECK_FALSE(check_quirks(spec, caps, "", *quirks));
  CHECK_FALSE(check_quirks(spec, caps, "6.10.5", *quirks));
  CHECK(check_quirks(spec, caps, "6.14", *quirks));
}
