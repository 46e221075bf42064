// SPDX-License-Identifier: Apache-2.0
#include "runtime/trace.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "codegen/resolve.h"
#include "runtime/runtime.h"
#include "tests/support/cache.h"

namespace sinter {
namespace {

using testing::Problems;
using testing::TempDir;

std::vector<nlohmann::json> lines_of(const std::string& path) {
  std::vector<nlohmann::json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    lines.push_back(nlohmann::json::parse(line));
  }
  return lines;
}

KernelRequest request_of(std::int64_t n) {
  KernelRequest request;
  request.family = find_family("grouped_gemm").value();
  REQUIRE(set_param(request, "n", n));
  REQUIRE(set_param(request, "k", 40));
  REQUIRE(set_param(request, "groups", 2));
  return request;
}

TEST_CASE("a trace has what the caller set and leaves out what was open") {
  const TempDir directory;
  Problems problems;
  Trace trace(directory / "trace", problems.sink());
  KernelRequest request = request_of(48);
  REQUIRE(set_param(request, "quant", "fp8_block"));
  REQUIRE(set_param(request, "tile", "64x64x64"));
  REQUIRE(set_param(request, "rows", 512));
  REQUIRE(set_param(request, "largest", 96));
  trace.write(0, {.request = request,
                  .arch = "gfx942",
                  .device = "MI300X",
                  .driver_version = "6.4",
                  .spec = "s",
                  .layer = "disk",
                  .milliseconds = 1.5});
  const auto lines = lines_of(directory / "trace");
  REQUIRE(lines.size() == 1);
  const auto& line = lines[0];
  CHECK(line.at("sinter_trace") == 1);
  CHECK(line.at("family") == "grouped_gemm");
  CHECK(line.at("params").dump() == R"({"groups":2,"k":40,"n":48,"quant":"fp8_block","tile":"64x64x64"})");
  CHECK(line.at("rows") == 512);
  CHECK(line.at("largest") == 96);
  CHECK(line.at("arch") == "gfx942");
  CHECK(line.at("device") == "MI300X");
  CHECK(line.at("driver") == "6.4");
  CHECK(line.at("spec") == "s");
  CHECK(line.at("layer") == "disk");
  CHECK(line.at("outcome") == "ok");
  CHECK(line.at("pid") == ::getpid());
  CHECK(problems.texts().empty());
}

TEST_CASE("a request is traced once for each device and outcome, however often it fails") {
  const TempDir directory;
  Trace trace(directory / "trace", {});
  const KernelRequest request = request_of(48), other = request_of(56);
  for (int i = 0; i < 3; ++i) {
    for (const int device : {0, 1}) {
      trace.write(device,
                  {.request = request, .arch = "a", .device = "d", .driver_version = "", .outcome = "compile_failed"});
    }
    trace.write(0,
                {.request = other, .arch = "a", .device = "d", .driver_version = "", .spec = "s", .layer = "compiled"});
  }
  trace.write(0, {.request = request, .arch = "a", .device = "d", .driver_version = "", .spec = "s", .layer = "disk"});
  const auto lines = lines_of(directory / "trace");
  REQUIRE(lines.size() == 4);
  CHECK(lines[3].at("outcome") == "ok");
  CHECK_FALSE(lines[0].contains("spec"));
  CHECK(lines[0].at("outcome") == "compile_failed");
}

TEST_CASE("lines of many traced processes do not mix") {
  const TempDir directory;
  const std::string spec(3000, 's');
  std::vector<pid_t> children;
  for (int c = 0; c < 6; ++c) {
    children.push_back(testing::start_child([&] {
      Trace trace(directory / "trace", {});
      for (int i = 0; i < 50; ++i) {
        trace.write(i, {.request = request_of(48),
                        .arch = "a",
                        .device = "d",
                        .driver_version = "",
                        .spec = spec,
                        .layer = "disk"});
      }
      return 0;
    }));
  }
  for (const pid_t child : children) {
    CHECK(testing::wait_for(child) == 0);
  }
  CHECK(lines_of(directory / "trace").size() == 300);
}

TEST_CASE("a trace that cannot be written is said once and costs nothing else") {
  const TempDir directory;
  Problems problems;
  Trace trace(directory / "missing/trace", problems.sink());
  trace.write(0, {.request = request_of(48), .arch = "a", .device = "d", .driver_version = ""});
  trace.write(1, {.request = request_of(48), .arch = "a", .device = "d", .driver_version = ""});
  REQUIRE(problems.texts().size() == 1);
  CHECK_THAT(problems.texts()[0], Catch::Matchers::Contains("SINTER_TRACE"));
}

TEST_CASE("a runtime traces each request that is not live, with the kernel it got and where from") {
  const TempDir directory;
  RuntimeOptions options;
  options.settings.cache_dir = directory / "cache";
  options.settings.host_threads = 1;
  options.settings.worker_dir = SINTER_TEST_WORKER_DIR;
  options.settings.trace_file = directory / "trace";
  options.log = [](LogLevel, std::string_view) {};
  auto runtime = Runtime::create(std::move(options));
  REQUIRE(runtime);
  const int host = (*runtime)->open_device("host").value();
  const auto first = (*runtime)->get_kernel(host, request_of(48));
  REQUIRE(first);
  REQUIRE((*runtime)->get_kernel(host, request_of(48)));  // live: not traced
  KernelRequest same = request_of(48);
  REQUIRE(set_param(same, "vskip", "off"));
  REQUIRE((*runtime)->get_kernel(host, same));
  CHECK_FALSE((*runtime)->get_kernel(host, request_of(49)));
  CHECK_FALSE((*runtime)->get_kernel(host, request_of(49)));
  const auto lines = lines_of(directory / "trace");
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].at("spec") == (*first)->name());
  CHECK(lines[0].at("layer") == "compiled");
  CHECK(lines[0].at("arch") == (*runtime)->device(host).build_arch->name);
  CHECK(lines[1].at("spec") == (*first)->name());
  CHECK(lines[1].at("layer") == "live");
  CHECK(lines[1].at("params").at("vskip") == "off");
  CHECK(lines[2].at("outcome") == "invalid_request");
}

}  // namespace
}  // namespace sinter
