// SPDX-License-Identifier: Apache-2.0

// Whether the simulator knows every instruction of every AMD kernel that can be rendered: each family, value of its
// choices and tile, for the device's arch. Compiled, not run: unknown instructions are found where no data leads too.

#include <cstdio>
#include <set>

#include "codegen/render.h"
#include "tests/support/simulated_amd.h"

namespace sinter {
namespace {

using testing::SimulatedAmd;

/// Requests of a family with each value of each of its choices, and small numbers elsewhere.
std::vector<KernelRequest> requests_of(std::size_t family) {
  const std::pair<std::string_view, std::string_view> numbers[] = {{"n", "384"}, {"k", "512"}, {"groups", "4"}};
  std::vector<KernelRequest> requests(1);
  requests[0].family = family;
  for (const ParamInfo& param : all_families()[family]->params()) {
    const auto number = std::ranges::find(numbers, param.name, &std::pair<std::string_view, std::string_view>::first);
    if (number != std::end(numbers)) {
      for (KernelRequest& request : requests) {
        static_cast<void>(set_param(request, param.name, number->second));
      }
    }
    std::vector<KernelRequest> more;
    for (const std::string_view value : param.words) {
      for (const KernelRequest& request : requests) {
        more.push_back(request);
        if (!set_param(more.back(), param.name, value)) {
          more.pop_back();
        }
      }
    }
    if (!more.empty()) {
      requests = std::move(more);
    }
  }
  return requests;
}

/// Every spec of an arch; those that its bodies do not have are left out.
std::vector<KernelSpec> all_specs(std::string_view arch) {
  std::vector<KernelSpec> specs;
  for (std::size_t family = 0; family < all_families().size(); ++family) {
    for (const KernelRequest& request : requests_of(family)) {
      const auto resolved = resolve(request, {.arch = find_arch(arch)});
      if (!resolved || resolved->family->body(Vendor::kAmd) == nullptr) {
        continue;
      }
      for (const TileShape tile : resolved->family->body(Vendor::kAmd)->tiles(*resolved)) {
        KernelSpec spec = *resolved;
        spec.values[static_cast<std::size_t>(spec.family->param_index("tile"))] = pack_tile(tile);
        if (make_plan(spec)) {
          specs.push_back(spec);
        }
      }
    }
  }
  return specs;
}

protocol::CompileReply compile(LlvmWorker& worker, const KernelSpec& spec) {
  const auto generated = render(spec, *make_plan(spec));
  REQUIRE(generated);
  protocol::CompileRequest request;
  request.backend = "llvm";
  request.arch = spec.arch->name;
  request.entry = generated->entry;
  request.source = generated->source;
  request.headers = generated->headers;
  request.options = default_options("llvm", *spec.arch);
  protocol::CompileReply reply = worker.compile(request);
  CAPTURE(spec.name(), reply.error, reply.log);
  REQUIRE(reply.ok);
  return reply;
}

/// One line per instruction that is not known, in any of every `step`th spec.
std::string unknown_instructions(const SimulatedAmd& amd, std::size_t step, std::size_t& compiled) {
  auto* const unknown = testing::simulator_function<std::uint64_t(const void*, char*, std::uint64_t)>(
      "sinter_simhip_unknown_instructions");
  const std::vector<KernelSpec> specs = all_specs(amd.device().caps.arch->name);
  std::set<std::string> lines;
  LlvmWorker worker;
  for (std::size_t at = 0; at < specs.size(); at += step) {
    const KernelSpec& spec = specs[at];
    const protocol::CompileReply reply = compile(worker, spec);
    std::vector<char> text(65536);
    if (unknown(reply.code.data(), text.data(), text.size()) != 0) {
      lines.insert(spec.name() + ": " + text.data());
    }
    ++compiled;
  }
  std::string all;
  for (const std::string& line : lines) {
    all += line;
  }
  return all;
}

}  // namespace

TEST_CASE("a sample of the kernels holds no instruction that the simulator does not know") {
  const SimulatedAmd amd;
  std::size_t compiled = 0;
  CHECK(unknown_instructions(amd, 53, compiled) == "");
  CHECK(compiled >= 4);
}

// Some hundred kernels: test-simhip "[.every-tile]".
TEST_CASE("no kernel holds an instruction that the simulator does not know", "[.every-tile]") {
  const SimulatedAmd amd;
  std::size_t compiled = 0;
  CHECK(unknown_instructions(amd, 1, compiled) == "");
  CHECK(compiled > 50);
}

// The table of docs/amd.md: test-simhip "[.figures]".
TEST_CASE("static figures of the grouped GEMM", "[.figures]") {
  const SimulatedAmd amd;
  LlvmWorker worker;
  for (const KernelSpec& spec : all_specs(amd.device().caps.arch->name)) {
    const std::string name = spec.name();
    if (name.find("grouped_gemm") == std::string::npos || name.find("vskip_off") == std::string::npos) {
      continue;
    }
    const protocol::CompileReply reply = compile(worker, spec);
    const auto facts = code_facts_from_json(reply.facts);
    REQUIRE(facts);
    const protocol::InspectReply inspected = worker.inspect({reply.format, facts->entry, reply.code});
    std::int64_t products = 0;
    for (std::size_t at = inspected.disassembly.find("v_mfma"); at != std::string::npos;
         at = inspected.disassembly.find("v_mfma", at + 1)) {
      ++products;
    }
    const std::int64_t waves = std::min<std::int64_t>(8, 512 / ((facts->registers + 7) / 8 * 8));
    std::printf("%s | %ld | %ld | %ld | %.0f%%\n", name.c_str(), facts->registers, facts->static_shared_bytes, waves,
                100.0 * static_cast<double>(products) / static_cast<double>(facts->instruction_count));
  }
}

}  // namespace sinter
