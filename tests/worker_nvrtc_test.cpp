// SPDX-License-Identifier: Apache-2.0
// sinter-worker with the real NVRTC and hiprtc, where they are installed.

#include <catch2/catch.hpp>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/digest.h"
#include "codegen/compile_options.h"
#include "runtime/compile/compiler_locations.h"
#include "runtime/compile/worker_pool.h"
#include "runtime/compile/worker_process.h"
#include "tools/worker/cubin_facts.h"
#include "tools/worker/hsaco_facts.h"
#include "tools/worker/nvrtc_log.h"

namespace sinter {
namespace {

constexpr const char* kCudaSource = R"(
#include "args.h"
extern "C" __global__ void __launch_bounds__(192, 2) kernel(const __grid_constant__ Args args) {
  __shared__ float tile[300];
  tile[threadIdx.x] = args.x[threadIdx.x];
  __syncthreads();
  args.y[threadIdx.x] = tile[191 - threadIdx.x] * args.n;
}
extern "C" __global__ void __launch_bounds__(1024, 2) spilling(const float* x, float* y, int n) {
  float v[96];
#pragma unroll
  for (int i = 0; i < 96; i++) v[i] = x[i * n + threadIdx.x];
  for (int k = 0; k < n; k++) {
#pragma unroll
    for (int i = 0; i < 96; i++) v[i] = v[i] * v[(i * 7 + 3) % 96] + y[k * n + i];
  }
#pragma unroll
  for (int i = 0; i < 96; i++) y[i * n + threadIdx.x] = v[i];
}
extern "C" __global__ void empty() {}
)";

constexpr const char* kHipSource = R"(
#include "args.h"
extern "C" __global__ void __launch_bounds__(128) kernel(Args args) {
  __shared__ float tile[300];
  tile[threadIdx.x] = args.x[threadIdx.x];
  __syncthreads();
  args.y[threadIdx.x] = tile[127 - threadIdx.x] * args.n;
}
)";

const char* environment(const char* name) { return std::getenv(name); }

CompilerLocations locations(Settings settings = {}) {
  settings.worker_dir = SINTER_TEST_WORKER_DIR;
  return find_compilers(settings, environment);
}

CompileJob job(const std::string& backend, const std::string& arch, const std::string& source) {
  const Arch* target = find_arch(arch);
  const protocol::NamedText header{"args.h", "struct Args { const float* x; float* y; long long n; int a, b; };\n"};
  return {backend, target, "kernel", source, {header}, default_options(backend, *target)};
}

/// True if the test cannot run here, which is then said aloud.
bool is_missing(WorkerPool& pool, const std::string& backend) {
  const auto info = pool.backend_info(backend);
  if (!info) {
    WARN("skipped: " << info.error().message);
  }
  return !info;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("NVRTC compiles cubins whose facts are those of the source") {
  WorkerPool pool(locations(), {});
  if (is_missing(pool, "nvrtc")) {
    return;
  }
  for (const std::string arch : {"sm_80", "sm_89", "sm_90", "sm_90a"}) {
    INFO(arch);
    const auto object = pool.compile(job("nvrtc", arch, kCudaSource));
    REQUIRE(object);
    CHECK(object->format == CodeFormat::kCubin);
    CHECK(object->facts.target == arch);
    CHECK(object->facts.static_shared_bytes == 1200);
    CHECK(object->facts.args_bytes == 32);
    CHECK(object->facts.max_threads_per_block == 192);
    CHECK(object->facts.registers >= 8);
    CHECK(object->facts.registers <= 32);
    CHECK(object->facts.scratch_bytes == 0);
    CHECK(object->facts.spilled_registers == 0);
    CHECK(object->facts.setvskip_count == 0);
    CHECK(object->facts.instruction_count > 10);
    CHECK_FALSE(contains(object->log, "ptxas info"));
    CHECK(contains(object->compiler, "nvrtc 1"));
  }
}

TEST_CASE("the gap before a parameter of large alignment does not count as arguments") {
  WorkerPool pool(locations(), {});
  if (is_missing(pool, "nvrtc")) {
    return;
  }
  const char* const source = "struct alignas(64) Aligned { int words[32]; };\n"
                             "extern \"C\" __global__ void kernel(const __grid_constant__ Aligned in, int* out) {\n"
                             "  *out = in.words[threadIdx.x];\n"
                             "}\n";
  for (const std::string arch : {"sm_80", "sm_90a"}) {
    INFO(arch);
    const auto object = pool.compile(job("nvrtc", arch, source));
    REQUIRE(object);
    CHECK(object->facts.args_bytes == 136);
  }
}

TEST_CASE("spills, the stack and the register limit are seen") {
  WorkerPool pool(locations(), {});
  if (is_missing(pool, "nvrtc")) {
    return;
  }
  CompileJob spilling = job("nvrtc", "sm_80", kCudaSource);
  spilling.entry = "spilling";
  const auto object = pool.compile(spilling);
  REQUIRE(object);
  CHECK(object->facts.registers == 32);
  CHECK(object->facts.spilled_registers > 64);
  CHECK(object->facts.scratch_bytes > 256);
  CHECK(object->facts.max_threads_per_block == 1024);
  CHECK(object->facts.args_bytes == 20);

  CompileJob empty = job("nvrtc", "sm_90a", kCudaSource);
  empty.entry = "empty";
  const auto nothing = pool.compile(empty);
  REQUIRE(nothing);
  CHECK(nothing->facts.args_bytes == 0);
  CHECK(nothing->facts.static_shared_bytes == 0);
  CHECK(nothing->facts.max_threads_per_block == kUnknown);
}

TEST_CASE("NVRTC compiles PTX that the CUDA driver takes as text") {
  WorkerPool pool(locations(), {});
  if (is_missing(pool, "nvrtc")) {
    return;
  }
  const auto object = pool.compile(job("nvrtc", "compute_80", kCudaSource));
  REQUIRE(object);
  CHECK(object->format == CodeFormat::kPtx);
  CHECK(object->facts.target == "compute_80");
  CHECK(object->facts.args_bytes == 32);
  CHECK(object->facts.max_threads_per_block == 192);
  CHECK(object->code.back() == std::byte{0});
}

TEST_CASE("NVRTC's refusals carry its log and the source") {
  WorkerPool pool(locations(), {});
  if (is_missing(pool, "nvrtc")) {
    return;
  }
  const auto broken = pool.compile(job("nvrtc", "sm_80", "extern \"C\" __global__ void kernel() { undeclared(); }"));
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code == ErrorCode::kCompileFailed);
  CHECK(contains(broken.error().log, "undeclared"));
  CHECK(contains(broken.error().source, "undeclared"));

  CompileJob elsewhere = job("nvrtc", "sm_80", kCudaSource);
  elsewhere.options = default_options("nvrtc", *find_arch("sm_90a"));
  const auto other_arch = pool.compile(elsewhere);
  REQUIRE_FALSE(other_arch);
  CHECK(contains(other_arch.error().message, "asked for sm_80, the options made code for sm_90a"));

  CompileJob absent = job("nvrtc", "sm_80", kCudaSource);
  absent.entry = "absent";
  const auto no_kernel = pool.compile(absent);
  REQUIRE_FALSE(no_kernel);
  CHECK(contains(no_kernel.error().message, "no kernel 'absent'"));
}

TEST_CASE("one compiler has one identity, and equal requests give equal code") {
  std::vector<CodeObject> objects;
  for (int i = 0; i < 2; ++i) {
    WorkerPool pool(locations(), {});
    if (is_missing(pool, "nvrtc")) {
      return;
    }
    auto object = pool.compile(job("nvrtc", "sm_90a", kCudaSource));
    REQUIRE(object);
    objects.push_back(std::move(*object));
  }
  CHECK(objects[0].compiler == objects[1].compiler);
  CHECK(objects[0].code == objects[1].code);
  CHECK(objects[0].log == objects[1].log);
}

TEST_CASE("a cubin is read again by a worker without a compiler") {
  WorkerPool pool(locations(), {});
  if (is_missing(pool, "nvrtc")) {
    return;
  }
  const auto object = pool.compile(job("nvrtc", "sm_90a", kCudaSource));
  REQUIRE(object);
  const auto again = pool.inspect(CodeFormat::kCubin, "kernel", object->code);
  REQUIRE(again);
  CodeFacts expected = object->facts;
  expected.spilled_registers = kUnknown;  // only the log of the compile has it
  CHECK(again->facts == to_json(expected));
  CHECK_FALSE(pool.inspect(CodeFormat::kCubin, "absent", object->code));
}

TEST_CASE("damaged cubins and AMD code objects are read or refused, never trusted") {
  WorkerPool pool(locations(), {});
  for (const std::string backend : {"nvrtc", "hiprtc"}) {
    if (is_missing(pool, backend)) {
      continue;
    }
    const bool is_cubin = backend == "nvrtc";
    const auto object =
        pool.compile(is_cubin ? job(backend, "sm_90a", kCudaSource) : job(backend, "gfx90a", kHipSource));
    REQUIRE(object);
    const auto read = is_cubin ? read_cubin_facts : read_hsaco_facts;
    std::mt19937 random(7);
    for (int i = 0; i < 1000; ++i) {
      std::vector<std::byte> damaged = object->code;
      for (int changes = 0; changes < 4; ++changes) {
        damaged[random() % damaged.size()] = static_cast<std::byte>(random());
      }
      damaged.resize(i % 3 == 0 ? random() % damaged.size() : damaged.size());
      (void)read(damaged, "kernel");
    }
    SUCCEED();
  }
}

TEST_CASE("hiprtc compiles for an arch it knows, and its code object is read without LLVM") {
  WorkerPool pool(locations(), {});
  if (is_missing(pool, "hiprtc")) {
    return;
  }
  const auto object = pool.compile(job("hiprtc", "gfx90a", kHipSource));
  REQUIRE(object);
  CHECK(object->format == CodeFormat::kHsaco);
  CHECK(object->facts.target == "gfx90a");
  CHECK(object->facts.features == "xnack=any sramecc=any");
  CHECK(object->facts.static_shared_bytes == 1200);
  CHECK(object->facts.args_bytes == 32);
  CHECK(object->facts.max_threads_per_block == 128);
  CHECK(object->facts.wave_size == 64);
  CHECK(object->facts.registers > 0);
  CHECK(object->facts.scalar_registers > 0);
  CHECK(object->facts.spilled_registers == 0);
  CHECK(object->facts.scratch_bytes == 0);
  CHECK(object->facts.code_object_version >= 4);
}

TEST_CASE("hiprtc's refusals carry its log, with what its assembler writes to stderr") {
  WorkerPool pool(locations(), {});
  if (is_missing(pool, "hiprtc")) {
    return;
  }
  const auto broken = pool.compile(job("hiprtc", "gfx90a", "extern \"C\" __global__ void kernel() { undeclared(); }"));
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code == ErrorCode::kCompileFailed);
  CHECK(contains(broken.error().log, "undeclared"));

  const auto assembly =
      pool.compile(job("hiprtc", "gfx90a", "extern \"C\" __global__ void kernel() { asm volatile(\"s_bogus\"); }"));
  REQUIRE_FALSE(assembly);
  CHECK(contains(assembly.error().log, "s_bogus"));
}

TEST_CASE("hiprtc is never given an arch that it does not know, whoever asks") {
  const auto places = locations();
  const auto location = places.require("hiprtc");
  if (!location) {
    WARN("skipped: " << location.error().message);
    return;
  }
  WorkerCommand command;
  command.program = location->worker;
  command.arguments = location->arguments();
  command.environment = places.environment;
  auto worker = WorkerProcess::start(command);
  REQUIRE(worker);
  const auto& backends = (*worker)->hello().backends;
  if (backends.empty() || backends[0].archs != std::vector<std::string>{"gfx90a"}) {
    WARN("skipped: hiprtc is missing here, or knows more than HIP 5.2 does. " << (*worker)->hello().problems);
    return;
  }
  protocol::CompileRequest request{"hiprtc", "gfx942", "kernel", kHipSource, {}, {"--offload-arch=gfx942"}};
  for (const std::string arch : {"gfx942", "gfx90a"}) {
    request.arch = arch;  // once in the request, once only in its options
    const auto frame = (*worker)->exchange(protocol::encode(request), std::chrono::seconds(30));
    REQUIRE(frame);
    const auto reply = protocol::decode_compile_reply(*frame);
    REQUIRE(reply);
    CHECK_FALSE(reply->ok);
    CHECK(contains(reply->error, "gfx942"));
    CHECK((*worker)->is_usable());
  }

  WorkerPool pool(places, {});
  const auto refused = pool.compile(job("hiprtc", "gfx942", kHipSource));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kCompilerUnavailable);
  CHECK(contains(refused.error().message, "only for gfx90a"));
}

TEST_CASE("a library that is not there is named with the way out") {
  Settings settings;
  settings.nvrtc_library = "/nowhere/libnvrtc.so.13";
  WorkerPool pool(locations(settings), {});
  const auto object = pool.compile(job("nvrtc", "sm_80", kCudaSource));
  REQUIRE_FALSE(object);
  CHECK(object.error().code == ErrorCode::kCompilerUnavailable);
  CHECK(contains(object.error().message, "SINTER_NVRTC names /nowhere/libnvrtc.so.13"));
}

constexpr std::string_view kLog =
    "kernel.cu(3): warning #177-D: variable \"x\" was declared but never referenced\n"
    "\n"
    "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized\n"
    "ptxas info    : 0 bytes gmem\n"
    "ptxas info    : Compiling entry function 'other' for 'sm_90a'\n"
    "ptxas info    : Function properties for other\n"
    "ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
    "ptxas info    : Function properties for kernel\n"
    "ptxas         .     824 bytes stack frame, 1182 bytes spill stores, 1292 bytes spill loads\n"
    "ptxas info    : Compile time = 57.048 ms\n";

TEST_CASE("a log's spills are those of the kernel asked for, in registers") {
  CHECK(spilled_registers_in_log(kLog, "kernel") == 296);
  CHECK(spilled_registers_in_log(kLog, "other") == 0);
  CHECK(spilled_registers_in_log(kLog, "ernel") == kUnknown);
  CHECK(spilled_registers_in_log("", "kernel") == kUnknown);
}

TEST_CASE("serialized wgmma is found by its message number and nothing else is") {
  CHECK(contains(std::string(serialized_wgmma_line(kLog)), "(C7510)"));
  CHECK_FALSE(serialized_wgmma_line("ptxas info : (C7518) Potential Performance Loss").empty());
  CHECK(serialized_wgmma_line("ptxas info : (C7519) Something else").empty());
  CHECK(serialized_wgmma_line("ptxas info : (C751").empty());
  CHECK(serialized_wgmma_line("").empty());
}

TEST_CASE("statistics leave a log, warnings stay") {
  CHECK(without_statistics(kLog) ==
        "kernel.cu(3): warning #177-D: variable \"x\" was declared but never referenced\n"
        "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized\n");
}

}  // namespace
}  // namespace sinter
