// SPDX-License-Identifier: Apache-2.0

// What the host pays on a machine with an NVIDIA GPU: a live look-up, a launch beside the bare driver's, a whole grouped
// GEMM call, 10,000 synchronized calls, a cold compile, and the first kernels of a new process.
//
//   bench-host-path [--quick]     (SINTER_NVRTC, SINTER_WORKER_DIR where they are not found)
//
// Each call is timed by itself with a steady clock, whose own cost is printed and in every number; the contenders of a
// line take turns. bench/grouped_linear.py measures the peers in the same way.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "base/settings.h"
#include "codegen/resolve.h"
#include "runtime/device/cuda_api.h"
#include "runtime/runtime.h"
#include "templates/grouped_gemm/args.h"

namespace sinter {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kGroups = 64, kN = 2816, kK = 2048;
/// The GPU is waited for this often, so that its queue never fills.
constexpr int kCallsPerWait = 64;

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(result).value();
}
void must(const Result<void>& result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
}

double nanoseconds(Clock::duration time) { return std::chrono::duration<double, std::nano>(time).count(); }

double quantile(std::vector<double> values, double q) {
  const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

void print(const char* what, const std::vector<double>& ns) {
  std::printf("%-58s p50 %9.3f us  p99 %9.3f us  worst %9.3f us\n", what, quantile(ns, 0.5) / 1e3, quantile(ns, 0.99) / 1e3,
              *std::max_element(ns.begin(), ns.end()) / 1e3);
}

KernelRequest request_of(std::string_view quant, std::int64_t n = kN, std::int64_t k = kK) {
  KernelRequest request;
  request.family = must(find_family("grouped_gemm"));
  must(set_param(request, "quant", quant));
  must(set_param(request, "n", n));
  must(set_param(request, "k", k));
  must(set_param(request, "groups", kGroups));
  return request;
}

RuntimeOptions options(const std::string& cache_dir) {
  RuntimeOptions options;
  options.settings = must(read_environment());
  options.settings.cache_dir = cache_dir;
  return options;
}

/// Operands of one problem on the device; a and b random, so that the chip draws the power that it draws on real data.
struct Operands {
  std::vector<std::unique_ptr<DeviceBuffer>> buffers;
  GroupedGemmArgs args{};

  Operands(Driver& driver, std::int64_t rows_per_group) {
    const std::int64_t rows = kGroups * rows_per_group;
    std::vector<std::int32_t> offsets;
    for (std::int64_t g = 0; g <= kGroups; ++g) {
      offsets.push_back(static_cast<std::int32_t>(g * rows_per_group));
    }
    args.a = random(driver, rows * kK);
    args.b = random(driver, kGroups * kN * kK);
    args.d = buffer(driver, static_cast<std::size_t>(rows * kN) * 2);
    auto* const on_device = buffer(driver, offsets.size() * sizeof(std::int32_t));
    must(buffers.back()->upload(std::as_bytes(std::span(offsets))));
    args.row_offsets = static_cast<const int*>(on_device);
    args.rows = rows;
  }

 private:
  void* buffer(Driver& driver, std::size_t bytes) {
    buffers.push_back(must(driver.allocate(0, bytes)));
    return buffers.back()->data();
  }

  const void* random(Driver& driver, std::int64_t count) {
    std::mt19937_64 generator(static_cast<std::uint64_t>(count));
    std::normal_distribution<float> normal;
    std::vector<std::uint16_t> block(std::size_t{1} << 20);
    for (auto& element : block) {
      const float value = normal(generator);
      std::uint32_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      element = static_cast<std::uint16_t>(bits >> 16);
    }
    std::vector<std::uint16_t> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = block[(i + (i >> 20) * 7919) % block.size()];
    }
    auto* const data = buffer(driver, values.size() * 2);
    must(buffers.back()->upload(std::as_bytes(std::span(values))));
    return data;
  }
};

/// The kernel again, loaded and launched by the driver's own functions.
class RawKernel {
 public:
  explicit RawKernel(const Kernel& kernel) : api_(must(cuda::open_api(options("").settings.cuda_library))) {
    cuda::Module* module = nullptr;
    const auto start = Clock::now();
    check(api_.module_load(&module, kernel.code().code.data(), 0, nullptr, nullptr));
    check(api_.module_function(&function_, module, kernel.code().entry.c_str()));
    const auto found = Clock::now();
    check(api_.function_load(function_));
    const auto loaded = Clock::now();
    check(api_.set_function_attribute(function_, cuda::kFunctionMaxDynamicSharedBytes, static_cast<int>(kernel.plan().dynamic_shared_bytes)));
    std::printf("  the driver alone: %.3f ms for the module of %zu bytes, %.3f ms to load its function\n", nanoseconds(found - start) / 1e6,
                kernel.code().code.size(), nanoseconds(loaded - found) / 1e6);
    auto library = must(DynLib::open(api_.library.path()));
    cuda::Status (*create)(cuda::Stream**, unsigned) = nullptr;
    must(library.bind({{"cuStreamCreate", &create}}));
    check(create(&stream_, kNonBlocking));
  }

  /// That does not wait for the default one, as serving stacks use them.
  void* stream() const { return stream_; }

  void context() const {
    cuda::Context* current = nullptr;
    check(api_.context_get(&current));
  }

  void launch(const PackedLaunch& packed) const {
    const LaunchShape& shape = packed.shape;
    const cuda::LaunchConfig config{shape.grid[0], shape.grid[1], shape.grid[2], shape.block[0], shape.block[1], shape.block[2],
                                    shape.dynamic_shared_bytes, stream_, nullptr, 0};
    void* parameters[] = {const_cast<std::byte*>(packed.parameter.data())};
    check(api_.launch(&config, function_, parameters, nullptr));
  }

 private:
  void check(cuda::Status status) const {
    if (status != cuda::kSuccess) {
      std::fprintf(stderr, "%s\n", cuda::call_error(api_, "a raw call", status).message.c_str());
      std::exit(1);
    }
  }
  static constexpr unsigned kNonBlocking = 1;
  cuda::Api api_;
  cuda::Function* function_ = nullptr;
  cuda::Stream* stream_ = nullptr;
};

struct Contender {
  const char* name;
  std::function<void()> call;
  std::vector<double> ns = {};
};

/// Calls in turns of kCallsPerWait, as a program launches one layer after the other, each timed by itself. The first of a
/// turn, which finds the GPU asleep and the driver's caches cold, is not counted.
void compare(Driver& driver, std::vector<Contender>& contenders, int calls) {
  for (int turn = 0; turn < calls / kCallsPerWait; ++turn) {
    for (Contender& contender : contenders) {
      contender.call();
      for (int i = 1; i < kCallsPerWait; ++i) {
        const auto start = Clock::now();
        contender.call();
        contender.ns.push_back(nanoseconds(Clock::now() - start));
      }
      must(driver.synchronize(0));
    }
  }
  for (Contender& contender : contenders) {
    contender.ns.erase(contender.ns.begin(), contender.ns.begin() + static_cast<std::ptrdiff_t>(contender.ns.size() / 10));
    print(contender.name, contender.ns);
  }
}

void measure_look_up(Runtime& runtime, int device, const KernelRequest& request, int batches) {
  constexpr int kBatch = 1000;
  std::vector<double> ns;
  for (int i = 0; i < batches; ++i) {
    const auto start = Clock::now();
    for (int j = 0; j < kBatch; ++j) {
      const auto handle = runtime.get_handle(device, request);
      asm volatile("" : : "r"(&*handle) : "memory");
    }
    ns.push_back(nanoseconds(Clock::now() - start) / kBatch);
  }
  std::printf("%-58s p50 %9.1f ns  (median of %d batches of %d)\n", "live look-up", quantile(ns, 0.5), batches, kBatch);
}

void measure_launches(Runtime& runtime, Driver& driver, int device, const KernelRequest& request, const GroupedGemmArgs& args, int calls) {
  const Kernel& kernel = *must(runtime.get_kernel(device, request));
  PackedLaunch packed{}, looked_up{};
  must(kernel.launch_packed(&args, sizeof args, packed, nullptr));  // makes the context this thread's, too
  const RawKernel raw(kernel);
  void* const stream = raw.stream();
  GroupedGemmArgs other = args;
  other.rows -= 1;
  PackedLaunch changing{};
  bool is_other = false;
  std::vector<Contender> contenders{
      {"  the clock alone", [] {}},
      {"  cuCtxGetCurrent", [&] { raw.context(); }},
      {"  cuLaunchKernelEx", [&] { raw.launch(packed); }},
      {"  cuLaunchKernelEx again (the spread)", [&] { raw.launch(packed); }},
      {"  launch, packed", [&] { must(kernel.launch_packed(&args, sizeof args, packed, stream)); }},
      {"  launch", [&] { must(kernel.launch(&args, sizeof args, stream)); }},
      {"  launch, packed anew each time",
       [&] {
         is_other = !is_other;
         must(kernel.launch_packed(is_other ? &other : &args, sizeof args, changing, stream));
       }},
      {"  look-up and launch, packed (a whole call)",
       [&] {
         const auto handle = runtime.get_handle(device, request);
         must((*handle)->kernel().launch_packed(&args, sizeof args, looked_up, stream));
       }},
  };
  compare(driver, contenders, calls);
  const auto median = [&](std::size_t contender) { return quantile(contenders[contender].ns, 0.5) / 1e3; };
  const double raw_median = (median(2) + median(3)) / 2;
  std::printf("%-58s %+.3f us packed, %+.3f us not, %+.3f us with the look-up\n", "  added to cuLaunchKernelEx (medians)",
              median(4) - raw_median, median(5) - raw_median, median(7) - raw_median);
}

void measure_synchronized(Driver& driver, const Kernel& kernel, const GroupedGemmArgs& args, int calls) {
  PackedLaunch packed{};
  std::vector<double> call, until_done;
  for (int i = 0; i < calls + calls / 20; ++i) {
    const auto start = Clock::now();
    must(kernel.launch_packed(&args, sizeof args, packed, nullptr));
    const auto launched = Clock::now();
    must(driver.synchronize(0));
    if (i >= calls / 20) {  // after the clocks have settled
      call.push_back(nanoseconds(launched - start));
      until_done.push_back(nanoseconds(Clock::now() - start));
    }
  }
  print("  the call", call);
  print("  until the GPU is done", until_done);
  const double median = quantile(until_done, 0.5);
  const auto slow = std::count_if(until_done.begin(), until_done.end(), [&](double ns) { return ns > 1.1 * median; });
  const auto late_call = std::count_if(call.begin(), call.end(), [&](double ns) { return ns > 0.1 * median; });
  std::printf("  %d calls: %td slower than 1.10 x the median, worst %.3f x; %td calls held the host for longer than a tenth of it\n", calls,
              slow, *std::max_element(until_done.begin(), until_done.end()) / median, late_call);
}

void measure_cold(std::string_view quant) {
  const KernelSpec spec = must(resolve(request_of(quant), {find_arch("sm_90a"), false, 0}));
  const BodyPlan plan = must(make_plan(spec));
  const KernelSpec other = must(resolve(request_of(quant, 2048, 1408), {find_arch("sm_90a"), false, 0}));
  const BodyPlan other_plan = must(make_plan(other));
  std::vector<double> all, worker, warm;
  for (int i = 0; i < 3; ++i) {
    const auto runtime = must(Runtime::create(options("")));
    const auto start = Clock::now();
    const CompiledCode compiled = must(runtime->compile_service().load_or_compile(spec, plan));
    all.push_back(nanoseconds(Clock::now() - start) / 1e6);
    worker.push_back(compiled.code->compile_ms);
    warm.push_back(must(runtime->compile_service().load_or_compile(other, other_plan)).code->compile_ms);
  }
  std::printf("cold compile, %-10.*s in the worker %.0f ms, its next one %.0f ms; from request to code, worker started, %.0f ms\n",
              static_cast<int>(quant.size()), quant.data(), quantile(worker, 0.5), quantile(warm, 0.5), quantile(all, 0.5));
}

double milliseconds_of(const std::function<void()>& body) {
  const auto start = Clock::now();
  body();
  return nanoseconds(Clock::now() - start) / 1e6;
}

// In a process of its own: two kernels from the cache directory, one after the other. The context is made before.
int first_kernels(const std::string& cache_dir) {
  const auto runtime = must(Runtime::create(options(cache_dir)));
  const int device = must(runtime->open_device("cuda:0"));
  must(runtime->device(device).driver->allocate(0, 1));
  for (const KernelRequest& request : {request_of("none"), request_of("none", 2048, 1408), request_of("fp8_block")}) {
    KernelOrigin origin;
    const double total = milliseconds_of([&] { must(runtime->get_kernel(device, request, &origin)); });
    std::printf("%.3f %.3f %.3f %.3f\n", total, origin.resolve_ms, origin.code_ms, origin.load_ms);
  }
  return runtime->counters().compiles == 0 ? 0 : 1;
}

void measure_new_process(const std::string& cache_dir) {
  constexpr std::size_t kKernels = 3, kParts = 4;
  std::vector<double> ms[kKernels][kParts];
  for (int i = 0; i < 7; ++i) {
    FILE* const out = ::popen((std::filesystem::read_symlink("/proc/self/exe").string() + " --first-kernels " + cache_dir).c_str(), "r");
    for (auto& kernel : ms) {
      double parts[kParts] = {};
      if (out == nullptr || std::fscanf(out, "%lf %lf %lf %lf", &parts[0], &parts[1], &parts[2], &parts[3]) != 4) {
        std::fprintf(stderr, "a new process did not find its kernels\n");
        std::exit(1);
      }
      for (std::size_t part = 0; part < kParts; ++part) {
        kernel[part].push_back(parts[part]);
      }
    }
    if (::pclose(out) != 0) {
      std::fprintf(stderr, "a new process compiled\n");
      std::exit(1);
    }
  }
  for (std::size_t i = 0; i < kKernels; ++i) {
    std::printf("new process, %-12s from disk: %.3f ms (resolved %.3f, found and verified %.3f, loaded by the driver %.3f)\n",
                i == 0 ? "first kernel" : "next kernel", quantile(ms[i][0], 0.5), quantile(ms[i][1], 0.5), quantile(ms[i][2], 0.5),
                quantile(ms[i][3], 0.5));
  }
}

int run(bool is_quick) {
  std::string cache_dir = (std::filesystem::temp_directory_path() / "sinter-bench-XXXXXX").string();
  if (::mkdtemp(cache_dir.data()) == nullptr) {
    return 1;
  }
  {
    const auto runtime = must(Runtime::create(options(cache_dir)));
    const int device = must(runtime->open_device("cuda:0"));
    Driver& driver = *runtime->device(device).driver;
    const KernelRequest request = request_of("none");
    const Kernel& kernel = *must(runtime->get_kernel(device, request));
    must(runtime->get_kernel(device, request_of("none", 2048, 1408)));
    must(runtime->get_kernel(device, request_of("fp8_block")));
    std::printf("%s, driver %s\n%s\n", runtime->device(device).properties.name.c_str(),
                runtime->device(device).properties.driver_version.c_str(), kernel.name().c_str());
    measure_look_up(*runtime, device, request, is_quick ? 50 : 1000);
    {
      const Operands small(driver, 1);
      std::printf("64 groups of 1 row\n");
      measure_launches(*runtime, driver, device, request, small.args, is_quick ? 500 : 20'000);
    }
    {
      const Operands layer(driver, 384);
      std::printf("64 groups of 384 rows\n");
      measure_launches(*runtime, driver, device, request, layer.args, is_quick ? 100 : 1000);
    }
    const Operands large(driver, 2304);
    std::printf("64 groups of 2304 rows, every call waited for\n");
    measure_synchronized(driver, kernel, large.args, is_quick ? 200 : 10'000);
  }
  measure_new_process(cache_dir);
  measure_cold("none");
  measure_cold("fp8_block");
  std::filesystem::remove_all(cache_dir);
  return 0;
}

}  // namespace
}  // namespace sinter

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--first-kernels") == 0) {
    return sinter::first_kernels(argv[2]);
  }
  return sinter::run(argc == 2 && std::strcmp(argv[1], "--quick") == 0);
}
