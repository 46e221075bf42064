// SPDX-License-Identifier: Apache-2.0

// Compiles every tile of the AMD bodies with the LLVM worker's own compiler and reads the code objects back.

#include <catch2/catch.hpp>
#include <initializer_list>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codegen/code_object.h"
#include "codegen/compile_options.h"
#include "codegen/render.h"
#include "codegen/resolve.h"
#include "tools/worker_llvm/llvm_worker.h"

using namespace sinter;

namespace {

using Settings = std::initializer_list<std::pair<std::string_view, std::string_view>>;

constexpr std::string_view kArchs[] = {"gfx90a", "gfx942", "gfx950"};

/// One spec for each tile that the body offers.
std::vector<KernelSpec> specs_of(std::string_view family, std::string_view arch, Settings settings) {
  KernelRequest request;
  request.family = *find_family(family);
  for (const auto& [name, value] : settings) {
    REQUIRE(set_param(request, name, value));
  }
  const auto resolved = resolve(request, {.arch = find_arch(arch)});
  REQUIRE(resolved);
  std::vector<KernelSpec> specs;
  for (const TileShape tile : resolved->family->body(Vendor::kAmd)->tiles(*resolved)) {
    specs.push_back(*resolved);
    specs.back().values[static_cast<std::size_t>(resolved->family->param_index("tile"))] = pack_tile(tile);
  }
  return specs;
}

struct Compiled {
  BodyPlan plan;
  CodeFacts facts;
  std::vector<std::string> instructions;
};

Compiled compile(LlvmWorker& worker, const KernelSpec& spec) {
  auto plan = make_plan(spec);
  REQUIRE(plan);
  auto generated = render(spec, *plan);
  REQUIRE(generated);
  protocol::CompileRequest request;
  request.backend = "llvm";
  request.arch = spec.arch->name;
  request.entry = generated->entry;
  request.source = generated->source;
  request.headers = generated->headers;
  request.options = default_options("llvm", *spec.arch);
  const protocol::CompileReply reply = worker.compile(request);
  INFO(reply.error << "\n" << reply.log);
  REQUIRE(reply.ok);
  CHECK(reply.log.empty());
  const protocol::InspectReply inspected = worker.inspect({reply.format, generated->entry, reply.code});
  REQUIRE(inspected.ok);

  Compiled compiled{*plan, *code_facts_from_json(reply.facts), {}};
  std::istringstream lines(inspected.disassembly);
  for (std::string line; std::getline(lines, line);) {
    compiled.instructions.push_back(line.substr(line.find(": ") + 2));
  }
  return compiled;
}

/// What stands between s_setvskip and its reset but is no store, or a set without reset; empty if nothing.
std::string strangers_between_set_and_reset(const std::vector<std::string>& instructions) {
  std::string strangers;
  bool skipping = false;
  for (const std::string& instruction : instructions) {
    if (instruction.starts_with("s_setvskip ")) {
      const bool is_reset = instruction == "s_setvskip 0, 0";
      if (is_reset != skipping) {
        strangers += instruction + "; ";
      }
      skipping = !is_reset;
    } else if (skipping && !instruction.starts_with("global_store_")) {
      strangers += instruction + "; ";
    }
  }
  return skipping ? strangers + "no reset" : strangers;
}

void check_common(const KernelSpec& spec, const Compiled& compiled) {
  CHECK(compiled.facts.target == spec.arch->name);
  CHECK(compiled.facts.scratch_bytes == 0);
  CHECK(compiled.facts.spilled_registers == 0);
  CHECK(compiled.facts.wave_size == 64);
  CHECK(compiled.facts.args_bytes == spec.family->args_bytes());
  CHECK(compiled.facts.static_shared_bytes == compiled.plan.static_shared_bytes);
  CHECK(compiled.facts.max_threads_per_block == compiled.plan.threads_per_block);
  CHECK(strangers_between_set_and_reset(compiled.instructions) == "");
}

}  // namespace

TEST_CASE("with vskip on, every tile of the AMD grouped GEMM skips stores and nothing else") {
  LlvmWorker worker;
  for (const std::string_view arch : kArchs) {
    for (const std::string_view quant : {"none", "fp8_block"}) {
      const Settings settings = {{"quant", quant}, {"n", "2832"}, {"k", "1392"}, {"groups", "64"}, {"vskip", "on"}};
      for (const KernelSpec& spec : specs_of("grouped_gemm", arch, settings)) {
        CAPTURE(spec.name());
        const Compiled compiled = compile(worker, spec);
        check_common(spec, compiled);
        CHECK(compiled.facts.setvskip_count > 0);
        const std::string instruction(compiled.plan.required_instructions.front());
        CHECK(compiled.facts.matrix_instructions == std::vector{instruction});
      }
    }
  }
}

TEST_CASE("with vskip on, every tile of the AMD quantize skips stores and nothing else") {
  LlvmWorker worker;
  for (const std::string_view arch : kArchs) {
    for (const KernelSpec& spec : specs_of("quantize", arch, {{"k", "1408"}, {"vskip", "on"}})) {
      CAPTURE(spec.name());
      const Compiled compiled = compile(worker, spec);
      check_common(spec, compiled);
      CHECK(compiled.facts.setvskip_count > 0);
    }
  }
}

TEST_CASE("with vskip off, no AMD kernel holds s_setvskip") {
  LlvmWorker worker;
  for (const std::string_view arch : kArchs) {
    const Settings gemm = {{"n", "2816"}, {"k", "2048"}, {"groups", "64"}};
    for (const KernelSpec& spec :
         {specs_of("grouped_gemm", arch, gemm).front(), specs_of("quantize", arch, {{"k", "2048"}}).front()}) {
      CAPTURE(spec.name());
      const Compiled compiled = compile(worker, spec);
      check_common(spec, compiled);
      CHECK(compiled.facts.setvskip_count == 0);
    }
  }
}

TEST_CASE("4096 groups leave the matrix loop its registers") {
  LlvmWorker worker;
  for (const std::string_view arch : kArchs) {
    const Settings settings = {{"quant", "fp8_block"}, {"n", "2816"}, {"k", "2048"}, {"groups", "4096"}};
    const KernelSpec spec = specs_of("grouped_gemm", arch, settings).front();
    check_common(spec, compile(worker, spec));
  }
}

TEST_CASE("every mode that the AMD grouped GEMM takes compiles without scratch, with its own matrix instruction") {
  LlvmWorker worker;
  const std::vector<std::vector<std::pair<std::string_view, std::string_view>>> modes = {
      {{"dtype", "fp16"}},
      {{"quant", "fp8_token"}},
      {{"quant", "fp8_token"}, {"dtype", "fp16"}, {"epilogue", "bias"}},
      {{"b_tensors", "separate"}},
      {{"epilogue", "bias"}, {"dtype", "fp16"}, {"b_tensors", "separate"}},
      {{"b_layout", "kn"}, {"dtype", "fp16"}, {"epilogue", "bias"}, {"b_tensors", "separate"}},
      {{"epilogue", "swiglu"}, {"quant", "fp8_token"}, {"dtype", "fp16"}},
  };
  for (const std::string_view arch : kArchs) {
    for (const auto& mode : modes) {
      KernelRequest request;
      request.family = *find_family("grouped_gemm");
      for (const auto& [name, value] : {std::pair<std::string_view, std::string_view>{"n", "2832"}, {"k", "1392"}, {"groups", "64"}}) {
        REQUIRE(set_param(request, name, value));
      }
      for (const auto& [name, value] : mode) REQUIRE(set_param(request, name, value));
      const auto spec = resolve(request, {.arch = find_arch(arch)});
      REQUIRE(spec);
      CAPTURE(spec->name());
      const Compiled compiled = compile(worker, *spec);
      check_common(*spec, compiled);
      const std::string instruction(compiled.plan.required_instructions.front());
      CHECK(compiled.facts.matrix_instructions == std::vector{instruction});
    }
  }
}

TEST_CASE("every tile of kn, swiglu and the weight gradient compiles without scratch, with its matrix instruction") {
  LlvmWorker worker;
  for (const std::string_view arch : kArchs) {
    for (const auto& specs :
         {specs_of("grouped_gemm", arch, {{"n", "2824"}, {"k", "1400"}, {"groups", "64"}, {"b_layout", "kn"}}),
          specs_of("grouped_gemm", arch,
                   {{"n", "2832"}, {"k", "1400"}, {"groups", "64"}, {"epilogue", "swiglu"}, {"vskip", "on"}}),
          specs_of("grouped_wgrad", arch, {{"n", "2824"}, {"k", "1400"}, {"groups", "64"}})}) {
      for (const KernelSpec& spec : specs) {
        CAPTURE(spec.name());
        const Compiled compiled = compile(worker, spec);
        check_common(spec, compiled);
        const std::string instruction(compiled.plan.required_instructions.front());
        CHECK(compiled.facts.matrix_instructions == std::vector{instruction});
      }
    }
  }
}
