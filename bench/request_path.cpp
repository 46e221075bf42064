// SPDX-License-Identifier: Apache-2.0

// What each step of a request costs: building a key, a live hit, a disk hit in a new process, a cold compile per backend.
//
//   bench-request-path --benchmark_format=json --benchmark_repetitions=5
//
// A disk hit is measured inside a fresh child process (this program again), from opening the cache to verified bytes;
// beside it, in a fresh child too, reading a plain file of the same size. Compare ratios: the machine is shared.

#include <benchmark/benchmark.h>
#include <dlfcn.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "codegen/resolve.h"
#include "runtime/device/cuda_api.h"
#include "runtime/runtime.h"
#include "templates/quantize/args.h"
#include "tests/support/fake_gpu.h"

extern char** environ;

namespace sinter {
namespace {

using Clock = std::chrono::steady_clock;

class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "sinter-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      std::abort();
    }
    path_ = name;
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

RuntimeOptions options(const std::string& cache_dir) {
  RuntimeOptions options;
  options.settings.cache_dir = cache_dir;
  options.settings.worker_dir = SINTER_BENCH_WORKER_DIR;
  return options;
}

KernelRequest gemm_request() {
  KernelRequest request;
  request.family = *find_family("grouped_gemm");
  for (const auto& [name, value] : {std::pair{"n", 2816}, std::pair{"k", 2048}, std::pair{"groups", 64}}) {
    (void)set_param(request, name, value);
  }
  return request;
}

KernelSpec gemm_spec(std::string_view arch) { return *resolve(gemm_request(), {find_arch(arch), false, 0}); }

void key_building(benchmark::State& state) {
  const KernelSpec spec = gemm_spec("sm_90a");
  const BodyPlan plan = *make_plan(spec);
  const Toolchain toolchain{"nvrtc", "nvrtc 13.0 0123456789abcdef", {"--gpu-architecture=sm_90a", "--std=c++17"}};
  for (auto _ : state) {
    benchmark::DoNotOptimize(cache_key_of(spec, plan, toolchain));
  }
}
BENCHMARK(key_building);

void live_hit(benchmark::State& state) {
  const ScratchDirectory directory;
  const auto runtime = *Runtime::create(options(directory.path()));
  const int device = *runtime->open_device("host");
  const KernelRequest request = gemm_request();
  if (auto kernel = runtime->get_kernel(device, request); !kernel) {
    state.SkipWithError(kernel.error().message.c_str());
    return;
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(runtime->get_kernel(device, request));
  }
}
BENCHMARK(live_hit);

#ifdef SINTER_FAKE_CUDA
// What Sinter itself adds to a launch: the driver is a fake that returns at once. `mode`: 0 the bare function, 1 launch,
// 2 launch with arguments that are packed already, 3 a look-up before that.
void launch_without_driver(benchmark::State& state) {
  void* const library = ::dlopen(SINTER_FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
  testing::FakeGpu& fake = *reinterpret_cast<testing::FakeGpuFunction*>(::dlsym(library, "fake_gpu"))();
  fake.args_bytes = sizeof(QuantizeArgs);
  fake.local_bytes = 0;
  const ScratchDirectory directory;
  RuntimeOptions with_fake = options(directory.path());
  with_fake.settings.cuda_library = SINTER_FAKE_CUDA;
  with_fake.settings.nvidia_compiler = "llvm";
  const auto runtime = *Runtime::create(std::move(with_fake));
  const int device = *runtime->open_device("cuda:0");
  KernelRequest request;
  request.family = *find_family("quantize");
  (void)set_param(request, "k", 128);
  const auto kernel = runtime->get_kernel(device, request);
  if (!kernel) {
    state.SkipWithError(kernel.error().message.c_str());
    return;
  }
  fake.is_silent = true;
  alignas(64) static std::byte memory[4096];
  const QuantizeArgs args{memory, memory, reinterpret_cast<float*>(memory), 4};
  PackedLaunch packed{};
  (void)(*kernel)->launch_packed(&args, sizeof args, packed, nullptr);
  const cuda::Api api = *cuda::open_api(SINTER_FAKE_CUDA);
  const cuda::LaunchConfig config{};
  for (auto _ : state) {
    switch (state.range(0)) {
      case 0: benchmark::DoNotOptimize(api.launch(&config, nullptr, nullptr, nullptr)); break;
      case 1: benchmark::DoNotOptimize((*kernel)->launch(&args, sizeof args, nullptr)); break;
      case 2: benchmark::DoNotOptimize((*kernel)->launch_packed(&args, sizeof args, packed, nullptr)); break;
      default:
        benchmark::DoNotOptimize((*runtime->get_handle(device, request))->kernel().launch_packed(&args, sizeof args, packed, nullptr));
    }
  }
}
BENCHMARK(launch_without_driver)->DenseRange(0, 3);
#endif

void memory_hit(benchmark::State& state) {
  const ScratchDirectory directory;
  const auto runtime = *Runtime::create(options(directory.path()));
  const KernelSpec spec = gemm_spec("x86-64-v3");
  const BodyPlan plan = *make_plan(spec);
  const auto compiled = runtime->compile_service().load_or_compile(spec, plan);
  if (!compiled) {
    state.SkipWithError(compiled.error().message.c_str());
    return;
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(runtime->cache().lookup(compiled->key));
  }
}
BENCHMARK(memory_hit);

// Runs this program again as `mode` and returns the nanoseconds that it prints.
double nanoseconds_in_child(const std::string& mode, const std::string& argument, const std::string& key) {
  int ends[2];
  if (::pipe(ends) != 0) {
    return -1;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  std::string words[] = {"bench", mode, argument, key};
  char* argv[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  pid_t child = 0;
  const int failed = ::posix_spawn(&child, "/proc/self/exe", &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  char text[64] = {};
  const ssize_t length = failed != 0 ? 0 : ::read(ends[0], text, sizeof text - 1);
  ::close(ends[0]);
  if (failed == 0) {
    ::waitpid(child, nullptr, 0);
  }
  return length > 0 ? std::atof(text) : -1;
}

int disk_hit_child(const std::string& directory, const std::string& key_json) {
  const auto fields = key_fields_from_json(key_json);
  if (!fields) {
    return 1;
  }
  const CacheKey key = make_cache_key(*fields);
  const auto start = Clock::now();
  CacheOptions cache_options;
  cache_options.directory = directory;
  KernelCache cache(cache_options, [](const std::string&) {});
  const auto hit = cache.lookup(key);
  const double nanoseconds = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
  if (!hit) {
    return 1;
  }
  std::printf("%f\n", nanoseconds);
  return 0;
}

int file_read_child(const std::string& path) {
  const auto start = Clock::now();
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(in)), {});
  const double nanoseconds = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
  std::printf("%f\n", bytes.empty() ? -1.0 : nanoseconds);
  return 0;
}

// A cubin-sized entry, as a compile for sm_90a stores it, or the host's where no NVRTC is.
void disk_hit_in_new_process(benchmark::State& state) {
  const ScratchDirectory directory;
  std::string key_json;
  std::int64_t bytes = 0;
  {
    const auto runtime = *Runtime::create(options(directory.path()));
    for (const std::string_view arch : {"sm_90a", "x86-64-v3"}) {
      const KernelSpec spec = gemm_spec(arch);
      const auto compiled = runtime->compile_service().load_or_compile(spec, *make_plan(spec));
      if (compiled) {
        key_json = key_fields_to_json(compiled->key.fields);
        bytes = static_cast<std::int64_t>(compiled->code->code.size());
        break;
      }
    }
  }
  const std::string plain = directory.path() + "/plain";
  std::ofstream(plain, std::ios::binary) << std::string(static_cast<std::size_t>(bytes), 'x');
  double plain_ns = 0;
  for (auto _ : state) {
    const double nanoseconds = nanoseconds_in_child("--disk-hit", directory.path(), key_json);
    if (nanoseconds < 0) {
      state.SkipWithError("the child did not hit");
      return;
    }
    state.SetIterationTime(nanoseconds * 1e-9);
    plain_ns += nanoseconds_in_child("--file-read", plain, "");
  }
  state.counters["code_bytes"] = static_cast<double>(bytes);
  state.counters["plain_file_us"] = plain_ns / 1e3 / static_cast<double>(state.iterations());
}
BENCHMARK(disk_hit_in_new_process)->UseManualTime()->Unit(benchmark::kMicrosecond)->Iterations(50);

// From a request to a stored code object, the worker started anew for each: what a first request of a process costs.
void cold_compile(benchmark::State& state, const char* arch, const char* quant, const char* backend) {
  KernelRequest request = gemm_request();
  (void)set_param(request, "quant", std::string_view(quant));
  const KernelSpec spec = *resolve(request, {find_arch(arch), false, 0});
  const BodyPlan plan = *make_plan(spec);
  for (auto _ : state) {
    const ScratchDirectory directory;
    RuntimeOptions cold = options(directory.path());
    cold.settings.amd_compiler = std::strcmp(backend, "hiprtc") == 0 ? "hiprtc" : "llvm";
    cold.settings.nvidia_compiler = std::strcmp(backend, "nvrtc") == 0 ? "nvrtc" : "llvm";
    const auto runtime = *Runtime::create(std::move(cold));
    const auto start = Clock::now();
    const auto compiled = runtime->compile_service().load_or_compile(spec, plan);
    state.SetIterationTime(std::chrono::duration<double>(Clock::now() - start).count());
    if (!compiled) {
      state.SkipWithError(compiled.error().message.c_str());
      return;
    }
    state.counters["compile_only_ms"] = compiled->code->compile_ms;
  }
}
#define COLD(name, ...) BENCHMARK_CAPTURE(cold_compile, name, __VA_ARGS__)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(3)
COLD(nvrtc_sm_90a_bf16, "sm_90a", "none", "nvrtc");
COLD(nvrtc_sm_90a_fp8_block, "sm_90a", "fp8_block", "nvrtc");
COLD(llvm_gfx942_bf16, "gfx942", "none", "llvm");
COLD(llvm_gfx942_fp8_block, "gfx942", "fp8_block", "llvm");
COLD(llvm_gfx90a_fp8_block, "gfx90a", "fp8_block", "llvm");
COLD(llvm_host_bf16, "x86-64-v4+avx512bf16", "none", "llvm");
COLD(llvm_compute_80_bf16, "compute_80", "none", "llvm");
COLD(hiprtc_gfx90a_bf16, "gfx90a", "none", "hiprtc");

}  // namespace
}  // namespace sinter

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "--disk-hit") == 0) {
    return sinter::disk_hit_child(argv[2], argv[3]);
  }
  if (argc == 4 && std::strcmp(argv[1], "--file-read") == 0) {
    return sinter::file_read_child(argv[2]);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
