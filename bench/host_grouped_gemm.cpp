// SPDX-License-Identifier: Apache-2.0

// bf16 grouped GEMM on the host: Sinter's kernel beside a loop of oneDNN matmuls, one per group, on all cores.
//
// 64 experts of DeepSeek-V2-Lite's expert layer with skewed row counts. oneDNN's primitives and memory objects are made
// beforehand, so its loop is execution alone; both read B as it is, [N, K] per group. Compare the medians of real_time;
// the two are run in turns, since a shared machine's clock drifts.

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <dnnl.hpp>
#include <fmt/format.h>

#include "codegen/compile_options.h"
#include "codegen/families/grouped_gemm.h"
#include "codegen/render.h"
#include "codegen/resolve.h"
#include "runtime/device/driver.h"
#include "tools/worker_llvm/llvm_worker.h"

namespace sinter {
namespace {

constexpr std::array<int, 64> kGroupRows = {
    8, 83, 945, 0, 162, 4, 3, 0, 251, 510, 24, 140, 37, 0, 33, 10, 1,    0,    5, 0,    115, 0,
    1, 1,  1,   188, 43, 1, 7, 0, 12, 0,   324, 5,  88, 0, 0,  58, 558, 219,  1296, 1155, 2, 1102, 6, 0,
    115, 0, 106, 0, 10, 0, 698, 2, 594, 221, 351, 0, 1, 2, 2040, 0, 7, 743};

/// Operands of one layer.
struct Operands {
  Operands(std::int64_t n_columns, std::int64_t depth) : n(n_columns), k(depth), offsets{0} {
    for (const int rows : kGroupRows) {
      offsets.push_back(offsets.back() + rows);
    }
    a.resize(static_cast<std::size_t>(rows() * k));
    b.resize(kGroupRows.size() * static_cast<std::size_t>(n * k));
    d.resize(static_cast<std::size_t>(rows() * n));
    // Random bf16 of magnitude 0.25 to 2, cheap enough for gigabytes.
    std::mt19937_64 random(1);
    for (std::vector<std::uint16_t>* operand : {&a, &b}) {
      for (std::uint16_t& value : *operand) {
        value = static_cast<std::uint16_t>((random() & 0x81ff) | 0x3e00);
      }
    }
  }
  std::int64_t rows() const { return offsets.back(); }
  double flops() const { return 2.0 * static_cast<double>(rows()) * static_cast<double>(n) * static_cast<double>(k); }

  std::int64_t n, k;
  std::vector<int> offsets;
  std::vector<std::uint16_t> a, b, d;
};

class SinterGemm {
 public:
  static Result<SinterGemm> make(Operands& operands, const std::string& tile) {
    KernelRequest request;
    SINTER_TRY(request.family, find_family("grouped_gemm"));
    SINTER_TRY_VOID(set_param(request, "n", operands.n));
    SINTER_TRY_VOID(set_param(request, "k", operands.k));
    SINTER_TRY_VOID(set_param(request, "groups", static_cast<std::int64_t>(kGroupRows.size())));
    if (!tile.empty()) {
      SINTER_TRY_VOID(set_param(request, "tile", std::string_view(tile)));
    }
    const Arch& arch = *host_arch();
    SINTER_TRY(const KernelSpec spec, resolve(request, ResolveTarget{.arch = &arch}));
    SINTER_TRY(const BodyPlan plan, make_plan(spec));
    SINTER_TRY(const GeneratedSource generated, render(spec, plan));
    protocol::CompileRequest compile;
    compile.backend = "llvm";
    compile.arch = arch.name;
    compile.entry = generated.entry;
    compile.source = generated.source;
    compile.headers = generated.headers;
    compile.options = default_options("llvm", arch);
    const protocol::CompileReply reply = LlvmWorker().compile(compile);
    if (!reply.ok) {
      return make_error(ErrorCode::kCompileFailed, reply.error + "\n" + reply.log);
    }
    SINTER_TRY(const std::unique_ptr<Driver> driver, make_host_driver(0));
    CodeObject code;
    code.entry = compile.entry;
    code.code = reply.code;
    SinterGemm gemm;
    gemm.args_ = {operands.a.data(), operands.b.data(), operands.d.data(), nullptr, nullptr, operands.offsets.data(),
                  operands.rows()};
    gemm.shape_ = spec.family->body(Vendor::kHost)->launch_shape(spec, plan, &gemm.args_, LaunchTarget{});
    SINTER_TRY(gemm.kernel_, driver->load(0, code, gemm.shape_));
    return gemm;
  }

  Result<void> run() const { return kernel_->launch(shape_, &args_, sizeof args_, nullptr); }

 private:
  GroupedGemmArgs args_{};
  LaunchShape shape_;
  std::unique_ptr<LoadedKernel> kernel_;
};

class OneDnnLoop {
 public:
  explicit OneDnnLoop(Operands& operands) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    using Desc = dnnl::memory::desc;
    using Tag = dnnl::memory::format_tag;
    constexpr auto kBf16 = dnnl::memory::data_type::bf16;
    for (std::size_t group = 0; group < kGroupRows.size(); ++group) {
      const std::int64_t rows = kGroupRows[group], first = operands.offsets[group];
      if (rows == 0) {
        continue;
      }
      const Desc a({rows, operands.k}, kBf16, Tag::ab), b({operands.k, operands.n}, kBf16, Tag::ba),
          d({rows, operands.n}, kBf16, Tag::ab);
      const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(a, b, d), engine_);
      const std::size_t b_offset = group * static_cast<std::size_t>(operands.n * operands.k);
      calls_.push_back({dnnl::matmul(description),
                        {{DNNL_ARG_SRC, dnnl::memory(a, engine_, operands.a.data() + first * operands.k)},
                         {DNNL_ARG_WEIGHTS, dnnl::memory(b, engine_, operands.b.data() + b_offset)},
                         {DNNL_ARG_DST, dnnl::memory(d, engine_, operands.d.data() + first * operands.n)}}});
    }
  }

  void run() {
    for (const Call& call : calls_) {
      call.primitive.execute(stream_, call.arguments);
    }
    stream_.wait();
  }

 private:
  struct Call {
    dnnl::matmul primitive;
    std::unordered_map<int, dnnl::memory> arguments;
  };
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::vector<Call> calls_;
};

void report_flops(benchmark::State& state, const Operands& operands) {
  state.counters["FLOPS"] = benchmark::Counter(operands.flops(), benchmark::Counter::kIsIterationInvariantRate);
}

void bench_sinter(benchmark::State& state, Operands& operands, const std::string& tile) {
  const auto gemm = SinterGemm::make(operands, tile);
  if (!gemm) {
    state.SkipWithError(gemm.error().message.c_str());
    return;
  }
  (void)gemm->run();
  for (auto _ : state) {
    if (const auto launched = gemm->run(); !launched) {
      state.SkipWithError(launched.error().message.c_str());
    }
  }
  report_flops(state, operands);
}

void bench_onednn(benchmark::State& state, Operands& operands) {
  try {
    OneDnnLoop loop(operands);
    loop.run();
    for (auto _ : state) {
      loop.run();
    }
  } catch (const dnnl::error& error) {
    state.SkipWithError(error.what());
  }
  report_flops(state, operands);
}

void register_benchmarks(Operands& operands, std::span<char* const> tiles) {
  const auto add = [&](const std::string& name, auto run) {
    const std::string full = fmt::format("{}/n{}_k{}", name, operands.n, operands.k);
    benchmark::RegisterBenchmark(full.c_str(), run)
        ->Unit(benchmark::kMillisecond)->UseRealTime()->MinTime(1.0)->Repetitions(5);
  };
  add("onednn_loop", [&operands](benchmark::State& state) { bench_onednn(state, operands); });
  add("sinter", [&operands](benchmark::State& state) { bench_sinter(state, operands, ""); });
  for (const std::string tile : tiles) {
    add("sinter_" + tile, [&operands, tile](benchmark::State& state) { bench_sinter(state, operands, tile); });
  }
}

}  // namespace
}  // namespace sinter

// Arguments that are no options of Google Benchmark are further tiles to try: "192x128x512".
int main(int argc, char** argv) {
  std::string in_turns = "--benchmark_enable_random_interleaving=true";
  std::vector<char*> arguments(argv, argv + argc);
  arguments.insert(arguments.begin() + 1, in_turns.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  const auto tiles = std::span(arguments).subspan(1, static_cast<std::size_t>(count) - 1);
  sinter::Operands up(2816, 2048), down(2048, 1408);
  sinter::register_benchmarks(up, tiles);
  sinter::register_benchmarks(down, tiles);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
