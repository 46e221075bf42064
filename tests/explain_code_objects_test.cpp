// SPDX-License-Identifier: Apache-2.0

// Kernels that our own compiler made under names of AITER, honest and not.

#include <algorithm>
#include <string>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "codegen/compile_options.h"
#include "runtime/explain/aiter_report.h"
#include "tools/worker_llvm/llvm_worker.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

constexpr std::string_view kVs = "_ZN5aiter50fmoe_bf16_blockscaleFp8_g1u1_vs_silu_1tg_ps_32x256E";
constexpr std::string_view kNovs = "_ZN5aiter52fmoe_bf16_blockscaleFp8_g1u1_novs_silu_1tg_ps_32x256E";

constexpr std::string_view kSkip = "asm volatile(\"s_setvskip 1, 0\\n global_store_dword %0, %1, off\\n s_setvskip 0, 0\" "
                                   ":: \"v\"(p), \"v\"(1) : \"memory\");";

/// What the reader finds of `asked` in a kernel of that symbol for gfx942.
CodeFacts compiled(std::string_view symbol, std::string_view body, std::string_view asked) {
  LlvmWorker worker;
  protocol::CompileRequest request;
  request.backend = "llvm";
  request.arch = "gfx942";
  request.entry = symbol;
  request.source = fmt::format("extern \"C\" __attribute__((global)) void {}(int* p) {{ {} *p = 1; }}\n", symbol, body);
  request.options = default_options("llvm", *find_arch("gfx942"));
  const auto reply = worker.compile(request);
  INFO(reply.error << reply.log);
  REQUIRE(reply.ok);
  const auto inspected = worker.inspect({reply.format, std::string(asked), reply.code});
  INFO(inspected.error);
  REQUIRE(inspected.ok);
  return code_facts_from_json(inspected.facts).value();
}

AiterReport report(std::string_view symbol, const CodeFacts& facts) {
  const auto table = load_capability_table(builtin_capability_json()).value();
  return make_aiter_report(symbol, parse_aiter_name(symbol).value(), &facts, table);
}

}  // namespace

TEST_CASE("a name that promises vskip is a lie where the binary has none, and the other way round") {
  const CodeFacts with = compiled(kVs, kSkip, kVs), without = compiled(kVs, "", kVs);
  CHECK(with.setvskip_count == 2);
  CHECK(without.setvskip_count == 0);
  CHECK(report(kVs, with).is_honest());
  CHECK_FALSE(report(kVs, without).is_honest());
  CHECK_THAT(to_text(report(kVs, without)), Contains("the name says 'vs', but the binary contains no s_setvskip"));

  CHECK(report(kNovs, compiled(kNovs, "", kNovs)).is_honest());
  const CodeFacts hidden = compiled(kNovs, kSkip, kNovs);
  CHECK_FALSE(report(kNovs, hidden).is_honest());
  for (const AiterVerdict& verdict : report(kNovs, hidden).verdicts) {
    const bool is_gfx942 = verdict.arch == "gfx942";
    CHECK(verdict.answer == (is_gfx942 ? AiterVerdict::Answer::kUnsafe : AiterVerdict::Answer::kCannotRun));
  }
}

TEST_CASE("a binary that holds another kernel than the name says so") {
  LlvmWorker worker;
  protocol::CompileRequest request;
  request.backend = "llvm";
  request.arch = "gfx942";
  request.entry = kVs;
  request.source = fmt::format("extern \"C\" __attribute__((global)) void {}(int* p) {{ *p = 1; }}\n", kVs);
  request.options = default_options("llvm", *find_arch("gfx942"));
  const auto reply = worker.compile(request);
  REQUIRE(reply.ok);
  const auto inspected = worker.inspect({reply.format, std::string(kNovs), reply.code});
  CHECK_FALSE(inspected.ok);
  CHECK_THAT(inspected.error, Contains(std::string(kNovs)) && Contains("it has '" + std::string(kVs) + "'"));
}
