// SPDX-License-Identifier: Apache-2.0
#include "tools/worker/ptx_facts.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "base/digest.h"

namespace sinter {
namespace {

constexpr std::string_view kPtx = R"(
.version 8.0
.target sm_90a // .target sm_80
.address_size 64
.extern .shared .align 16 .b8 dyn[];
.shared .align 128 .b8 tile[100];
.func helper(.param .b32 x)
{
	.shared .b8 not_ours[4096];
	mma.sync.not.ours {%r1};
}
.visible .entry other(.param .u64 p)
.maxntid 32
{
	ret;
}
.visible .entry kernel(
	.param .align 8 .b8 kernel_param_0[56],
	.param .u32 kernel_param_1
)
.maxntid 16, 16, 1
{
	.reg .b32 	%r<21>;
	.shared .align 4 .b8 one[132];
	.shared .align 1 .u8 two;
	@%p1 mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%r1}, {%r2};
	mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%r1}, {%r2};
	/* wgmma.mma_async.commented */ wgmma.mma_async.sync.aligned.m64n8k16 {%r1};
	st.shared.b8 	[two], 1;
	ret;
}
)";

Result<CodeFacts> read_text(std::string_view text, std::string_view entry) {
  return read_ptx_facts(as_bytes(text), entry);
}

}  // namespace

TEST_CASE("PTX names its target, its kernel's arguments, threads, shared memory and matrix instructions") {
  const Result<CodeFacts> facts = read_text(kPtx, "kernel");
  REQUIRE(facts);
  CHECK(facts->target == "compute_90a");
  CHECK(facts->entry == "kernel");
  CHECK(facts->args_bytes == 60);
  CHECK(facts->max_threads_per_block == 256);
  CHECK(facts->static_shared_bytes == 100 + 132 + 1);
  CHECK(facts->registers == kUnknown);
  CHECK(facts->matrix_instructions ==
        std::vector<std::string>{"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32",
                                 "wgmma.mma_async.sync.aligned.m64n8k16"});
}

TEST_CASE("each kernel of a PTX module has its own facts") {
  const Result<CodeFacts> facts = read_text(kPtx, "other");
  REQUIRE(facts);
  CHECK(facts->args_bytes == 8);
  CHECK(facts->max_threads_per_block == 32);
  CHECK(facts->matrix_instructions.empty());
}

TEST_CASE("text without a target or without the kernel is an error") {
  CHECK(read_text("", "kernel").error().code == ErrorCode::kInvalidRequest);
  CHECK(read_text("hello", "kernel").error().code == ErrorCode::kInvalidRequest);
  CHECK(read_text(kPtx, "kerne").error().code == ErrorCode::kInvalidRequest);
  CHECK(read_text(kPtx, "helper").error().code == ErrorCode::kInvalidRequest);
}

TEST_CASE("no damaged PTX is worse than an error") {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string text(kPtx.substr(0, random() % kPtx.size()));
    for (int flips = 0; flips < 4 && !text.empty(); ++flips) {
      text[random() % text.size()] = kPtx[random() % kPtx.size()];
    }
    (void)read_text(text, "kernel");
  }
  std::string repeated;
  for (int i = 0; i < 100000; ++i) {
    repeated += ".maxntid 1 .entry k .param .b8 x[9999999][9][9] /*";
    repeated += i % 2 == 0 ? "*/" : "";
  }
  (void)read_text(repeated, "k");
}

}  // namespace sinter
