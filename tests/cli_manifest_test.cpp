// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "codegen/families/grouped_gemm.h"
#include "tools/sinter/manifest.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

std::string refusal(std::string_view text) {
  const auto kernels = parse_manifest(text, "m.json");
  return kernels ? "accepted" : kernels.error().message;
}

}  // namespace

TEST_CASE("a list in place of a value is a sweep, and sweeps multiply") {
  const auto kernels = parse_manifest(R"({"kernels": [{"family": "grouped_gemm", "quant": ["none", "fp8_block"], "dtype": "bf16", "n": [2816, 2048],
      "k": 2048, "groups": 64, "tile": [[128, 128, 64], "64x64x64", [64, 128, 64]], "vskip": "off"}]})", "m.json");
  REQUIRE(kernels);
  CHECK(kernels->size() == 12);
  CHECK(kernels->at(0).request.values[grouped_gemm::kTile] == pack_tile({128, 128, 64}));
  CHECK(kernels->at(11).request.values[grouped_gemm::kN] == 2048);
}

TEST_CASE("a single tile of three numbers is no sweep") {
  const auto kernels = parse_manifest(R"({"kernels": [{"family": "grouped_gemm", "n": 64, "k": 64, "groups": 1, "tile": [128, 128, 64]}]})", "m.json");
  REQUIRE(kernels);
  CHECK(kernels->size() == 1);
}

TEST_CASE("rows are a hint that sweeps like any value") {
  const auto kernels = parse_manifest(R"({"kernels": [{"family": "grouped_gemm", "n": 64, "k": 64, "groups": 1, "rows": [16, 4096]}]})", "m.json");
  REQUIRE(kernels);
  REQUIRE(kernels->size() == 2);
  CHECK(rows_hint(kernels->at(1).request) == 4096);
  CHECK_THAT(refusal(R"({"kernels": [{"family": "grouped_gemm", "n": 64, "k": 64, "groups": 1, "rows": 0}]})"), Contains("rows is '0'"));
}

TEST_CASE("a syntax error is reported with line and column") {
  CHECK_THAT(refusal("{\"kernels\": [\n  {\"family\": \"grouped_gemm\",,}\n]}"), Contains("m.json: line 2, column 29"));
}

TEST_CASE("a manifest that is nested too deep to copy or print is refused") {
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  CHECK_THAT(refusal(R"({"kernels": [{"family": "grouped_gemm", "n": )" + deep + "}]}"), Contains("nested deeper than 32"));
  CHECK_THAT(refusal(deep), Contains("nested deeper than 32"));
}

TEST_CASE("a wrong field, value, type or duplicate is refused and named") {
  const auto with = [](std::string_view field) {
    return refusal(std::string(R"({"kernels": [{"family": "grouped_gemm", "n": 64, "k": 64, "groups": 1, )") + std::string(field) + "}]}");
  };
  CHECK_THAT(with(R"("tiel": [64, 64, 64])"), Contains("kernels[0]") && Contains("'tiel'") && Contains("tile"));
  CHECK_THAT(with(R"("vskip": "maybe")"), Contains("'maybe'") && Contains("auto, on, off"));
  CHECK_THAT(with(R"("vskip": 1)"), Contains("expected a word"));
  CHECK_THAT(with(R"("tile": [64, 64])"), Contains("tile"));
  CHECK_THAT(with(R"("tile": [64, 64, 0])"), Contains("64x64x0"));
  CHECK_THAT(with(R"("quant": [])"), Contains("empty list"));
  CHECK_THAT(with(R"("n": 128)"), Contains("'n' stands twice"));
  CHECK_THAT(refusal(R"({"kernels": [{"family": "gemm"}]})"), Contains("'gemm'"));
  CHECK_THAT(refusal(R"({"kernels": [{"n": 1}]})"), Contains("'family'"));
  CHECK_THAT(refusal(R"({"kernel": []})"), Contains("'kernels'"));
  CHECK_THAT(refusal(R"({"kernels": [], "jobs": 4})"), Contains("'jobs'"));
  CHECK_THAT(refusal(R"({"kernels": [{"family": "quantize", "k": 128}, {"family": "quantize", "k": [64, 128]}]})"), Contains("the same kernel as kernels[0]"));
}

TEST_CASE("a sweep that would build for a week is refused") {
  std::string text = R"({"kernels": [{"family": "grouped_gemm", "groups": 1, "n": [)";
  std::string list;
  for (int i = 1; i <= 400; ++i) {
    list += (i > 1 ? "," : "") + std::to_string(8 * i);
  }
  text += list + "], \"k\": [" + list + "]}]}";
  CHECK_THAT(refusal(text), Contains("more than 100000"));
}
