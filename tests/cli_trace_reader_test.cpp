// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/trace_reader.h"

#include <catch2/catch.hpp>

#include "codegen/families/grouped_gemm.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

std::string line(std::string_view more = R"("outcome": "ok")",
                 std::string_view params = R"({"n": 48, "k": 40, "groups": 2})") {
  return R"({"sinter_trace": 1, "unix_s": 1.5, "pid": 7, "family": "grouped_gemm", "params": )" + std::string(params) +
         R"(, "arch": "gfx942", "device": "MI300X", "driver": "6.4", )" + std::string(more) + "}\n";
}

}  // namespace

TEST_CASE("a line of a trace is a request, where it was asked for and what it became") {
  const auto trace = parse_trace(
      line(
          R"("rows": 512, "largest": 96, "spec": "grouped_gemm_none_bf16_n48_k40_g2_t128x128x64_vskip_off_gfx942", "layer": "disk", "outcome": "ok")",
          R"({"quant": "fp8_block", "n": 48, "k": 40, "groups": 2, "tile": "64x64x64"})"),
      "t.jsonl");
  REQUIRE(trace);
  REQUIRE(trace->kernels.size() == 1);
  const TracedKernel& kernel = trace->kernels[0];
  CHECK(kernel.where == "t.jsonl:1");
  CHECK(kernel.request.values[grouped_gemm::kQuant] == grouped_gemm::kQuantFp8Block);
  CHECK(kernel.request.values[grouped_gemm::kTile] == pack_tile({64, 64, 64}));
  CHECK(kernel.request.values[grouped_gemm::kVskip] == kUnset);
  CHECK(rows_hint(kernel.request) == 512);
  CHECK(largest_hint(kernel.request) == 96);
  CHECK(kernel.arch->name == "gfx942");
  CHECK(kernel.device == "MI300X");
  CHECK(kernel.driver_version == "6.4");
  REQUIRE(kernel.spec);
  CHECK(kernel.spec->arch == kernel.arch);
}

TEST_CASE("what many processes asked for is there once") {
  const auto trace =
      parse_trace(line() + line() + line(R"("outcome": "not_prebuilt")") + line(R"("rows": 64, "outcome": "ok")"), "t");
  REQUIRE(trace);
  CHECK(trace->lines == 4);
  CHECK(trace->kernels.size() == 2);
}

TEST_CASE("requests that no compiler can mend are left out and counted") {
  const auto trace = parse_trace(line(R"("outcome": "invalid_request")") + line(R"("outcome": "unsupported")") +
                                     line(R"("outcome": "compile_failed")"),
                                 "t");
  REQUIRE(trace);
  CHECK(trace->refused == 2);
  CHECK(trace->kernels.size() == 1);
}

TEST_CASE("lines that were cut short or are of another Sinter are left out and counted") {
  std::string text = line();
  text += text.substr(0, 40) + "\n";                     // the disk was full
  text += line(R"("outcome": "ok")", R"({"warp": 3})");  // a parameter that is not known
  text += R"({"sinter_trace": 2, "family": "grouped_gemm"})"
          "\n";                             // of a later version
  text += "[]\n\n" + line().substr(0, 70);  // a process was killed
  const auto trace = parse_trace(text, "t");
  REQUIRE(trace);
  CHECK(trace->kernels.size() == 1);
  CHECK(trace->unreadable == 5);
  CHECK_THAT(trace->first_problem, Contains("line 2"));
}

TEST_CASE("a file that has no line of a trace is none, but an empty one is a trace of nothing") {
  CHECK_THAT(parse_trace("#!/bin/sh\nexit\n", "x.sh").error().message, Contains("x.sh is no trace"));
  const auto empty = parse_trace("", "t");
  REQUIRE(empty);
  CHECK(empty->kernels.empty());
}
