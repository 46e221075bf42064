// SPDX-License-Identifier: Apache-2.0
// The wgmma kernels of grouped_gemm as NVRTC compiles them: code whose registers are dealt out by hand.

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codegen/compile_options.h"
#include "codegen/families/grouped_gemm_hopper.h"
#include "codegen/render.h"
#include "codegen/resolve.h"
#include "runtime/compile/compiler_locations.h"
#include "runtime/compile/worker_pool.h"

namespace sinter {
namespace {

KernelSpec gemm(std::string_view quant, std::string_view n, std::string_view k, std::string_view groups) {
  KernelRequest request;
  request.family = *find_family("grouped_gemm");
  const std::pair<std::string_view, std::string_view> settings[] = {
      {"quant", quant}, {"n", n}, {"k", k}, {"groups", groups}};
  for (const auto& [name, value] : settings) {
    REQUIRE(set_param(request, name, value));
  }
  ResolveTarget target;
  target.arch = find_arch("sm_90a");
  const auto spec = resolve(request, target);
  REQUIRE(spec);
  return *spec;
}

TEST_CASE("every wgmma tile compiles to the registers of its plan, without spills or serialized products") {
  Settings settings;
  settings.worker_dir = SINTER_TEST_WORKER_DIR;
  WorkerPool pool(find_compilers(settings, [](const char* name) -> const char* { return std::getenv(name); }), {});
  if (const auto info = pool.backend_info("nvrtc"); !info) {
    WARN("skipped: " << info.error().message);
    return;
  }
  // Whole steps and tiles or not, each width of the last tile, and more groups than threads.
  for (KernelSpec spec : {gemm("none", "2816", "2048", "64"), gemm("none", "448", "256", "64"),
                          gemm("none", "584", "1096", "1030"), gemm("fp8_block", "2816", "2048", "64"),
                          gemm("fp8_block", "592", "1104", "1030")}) {
    for (const TileShape tile : grouped_gemm::hopper_tiles(spec)) {
      spec.values[grouped_gemm::kTile] = pack_tile(tile);
      const auto plan = make_plan(spec);
      REQUIRE(plan);
      auto source = render(spec, *plan);
      REQUIRE(source);
      INFO(source->entry);
      const auto object = pool.compile({"nvrtc", spec.arch, source->entry, source->source, source->headers,
                                        default_options("nvrtc", *spec.arch)});
      REQUIRE(object);  // the worker refuses code whose products ptxas has serialized
      CHECK(object->facts.registers == plan->exact_registers);
      CHECK(object->facts.spilled_registers == 0);
      CHECK(object->facts.scratch_bytes == 0);
    }
  }
}

TEST_CASE("every mode of sm_90a compiles to the registers of its plan, without spills or serialized products") {
  Settings settings;
  settings.worker_dir = SINTER_TEST_WORKER_DIR;
  WorkerPool pool(find_compilers(settings, [](const char* name) -> const char* { return std::getenv(name); }), {});
  if (const auto info = pool.backend_info("nvrtc"); !info) {
    WARN("skipped: " << info.error().message);
    return;
  }
  // With last tiles of both narrow widths, which cost registers.
  using Params = std::vector<std::pair<std::string_view, std::string_view>>;
  const std::vector<std::pair<std::string_view, Params>> modes = {
      {"grouped_gemm", {{"n", "592"}, {"dtype", "fp16"}, {"epilogue", "bias"}}},
      {"grouped_gemm", {{"n", "568"}, {"epilogue", "bias"}, {"b_layout", "kn"}}},
      {"grouped_gemm", {{"n", "128"}, {"epilogue", "bias"}, {"b_tensors", "separate"}}},
      {"grouped_gemm", {{"n", "592"}, {"quant", "fp8_token"}, {"epilogue", "bias"}}},
      {"grouped_gemm", {{"n", "592"}, {"b_layout", "kn"}, {"b_tensors", "separate"}}},
      {"grouped_gemm", {{"n", "592"}, {"epilogue", "swiglu"}, {"quant", "fp8_token"}}},
      {"grouped_gemm", {{"n", "592"}, {"epilogue", "swiglu"}}},
      {"grouped_wgrad", {{"n", "592"}, {"output", "add_f32"}}},
      {"grouped_wgrad", {{"n", "592"}, {"output", "f32"}}},
      {"grouped_wgrad", {{"n", "592"}, {"output", "same"}, {"dw_tensors", "separate"}}},
  };
  for (const auto& [family, params] : modes) {
    KernelRequest request;
    request.family = *find_family(family);
    for (const auto& [name, value] : Params{{"k", "1104"}, {"groups", "64"}}) REQUIRE(set_param(request, name, value));
    for (const auto& [name, value] : params) REQUIRE(set_param(request, name, value));
    ResolveTarget target;
    target.arch = find_arch("sm_90a");
    const auto resolved = resolve(request, target);
    REQUIRE(resolved);
    const int tile_index = resolved->family->param_index("tile");
    for (const TileShape tile : resolved->family->body(Vendor::kNvidia)->tiles(*resolved)) {
      KernelSpec spec = *resolved;
      spec.values[tile_index] = pack_tile(tile);
      const auto plan = make_plan(spec);
      REQUIRE(plan);
      if (plan->tensor_maps.empty()) continue;  // a body of mma.sync
      auto source = render(spec, *plan);
      REQUIRE(source);
      INFO(source->entry);
      const auto object = pool.compile({"nvrtc", spec.arch, source->entry, source->source, source->headers,
                                        default_options("nvrtc", *spec.arch)});
      REQUIRE(object);
      CHECK(object->facts.registers == plan->exact_registers);
      CHECK(object->facts.spilled_registers == 0);
      CHECK(object->facts.scratch_bytes == 0);
    }
  }
}

}  // namespace
}  // namespace sinter
