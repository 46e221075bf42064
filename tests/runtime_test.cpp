// SPDX-License-Identifier: Apache-2.0

// The path of a request from end to end, on the host device with the real compiler worker.

#include <catch2/catch.hpp>

#include <cstdlib>
#include <new>
#include <thread>

#include "codegen/resolve.h"
#include "runtime/runtime.h"
#include "templates/grouped_gemm/args.h"
#include "tests/support/temporary_directory.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

thread_local std::int64_t allocations = 0;

RuntimeOptions options(const std::string& cache_dir) {
  RuntimeOptions options;
  options.settings.cache_dir = cache_dir;
  options.settings.host_threads = 2;
  options.settings.worker_dir = SINTER_TEST_WORKER_DIR;
  options.log = [](LogLevel, std::string_view) {};
  return options;
}

KernelRequest small_request(std::int64_t n = 48) {
  KernelRequest request;
  request.family = find_family("grouped_gemm").value();
  REQUIRE(set_param(request, "n", n));
  REQUIRE(set_param(request, "k", 40));
  REQUIRE(set_param(request, "groups", 2));
  return request;
}

// Ones times halves: every element of a row of group 0 is K / 2, of group 1 K.
struct Operands {
  std::vector<std::uint16_t> a, b, d;
  std::vector<std::int32_t> offsets{0, 3, 5};
  GroupedGemmArgs args{};

  explicit Operands(std::int64_t n) : a(5 * 40, 0x3f80), b(static_cast<std::size_t>(2 * n * 40), 0x3f00), d(static_cast<std::size_t>(5 * n), 0xffff) {
    std::fill(b.begin() + n * 40, b.end(), std::uint16_t{0x3f80});
    args = {a.data(), b.data(), d.data(), nullptr, nullptr, offsets.data(), 5};
  }
  bool right() const {
    for (std::size_t i = 0; i < d.size(); ++i) {
      if (d[i] != (i < d.size() * 3 / 5 ? 0x41a0 : 0x4220)) {  // 20, 40
        return false;
      }
    }
    return true;
  }
};

template <class T>
std::string message(const Result<T>& result) {
  return result ? "no error" : result.error().message;
}

}  // namespace

// GCC sees free() meet what operator new returned, which is what these replacements are for.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) {
    return memory;
  }
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

TEST_CASE("a request is compiled once, found on disk by the next runtime, and live after that") {
  const TemporaryDirectory directory;
  const KernelRequest request = small_request();
  {
    const auto runtime = Runtime::create(options(directory.path())).value();
    const int device = runtime->open_device("host").value();
    KernelOrigin first, second;
    const auto kernel = runtime->get_kernel(device, request, &first);
    REQUIRE(message(kernel) == "no error");
    CHECK(first.code == CodeOrigin::kCompiled);
    CHECK(runtime->get_kernel(device, request, &second).value() == *kernel);
    CHECK(second.live);
    Operands operands(48);
    REQUIRE(message((*kernel)->launch(&operands.args, sizeof operands.args, nullptr)) == "no error");
    CHECK(operands.right());
  }
  const auto runtime = Runtime::create(options(directory.path())).value();
  const int device = runtime->open_device("host").value();
  KernelOrigin origin;
  const auto kernel = runtime->get_kernel(device, request, &origin);
  REQUIRE(message(kernel) == "no error");
  CHECK(origin.code == CodeOrigin::kLocal);
  CHECK(runtime->counters().compiles == 0);
  Operands operands(48);
  REQUIRE((*kernel)->launch(&operands.args, sizeof operands.args, nullptr));
  CHECK(operands.right());
}

TEST_CASE("a live hit and a launch allocate nothing") {
  const TemporaryDirectory directory;
  const auto runtime = Runtime::create(options(directory.path())).value();
  const int device = runtime->open_device("host").value();
  const KernelRequest request = small_request();
  REQUIRE(runtime->get_kernel(device, request));
  Operands operands(48);
  REQUIRE(runtime->get_kernel(device, request).value()->launch(&operands.args, sizeof operands.args, nullptr));
  const std::int64_t before = allocations;
  for (int i = 0; i < 100; ++i) {
    const auto kernel = runtime->get_kernel(device, request);
    (void)(*kernel)->launch(&operands.args, sizeof operands.args, nullptr);
  }
  CHECK(allocations == before);
}

TEST_CASE("threads that ask for one kernel at once compile it once and get the same kernel") {
  const TemporaryDirectory directory;
  const auto runtime = Runtime::create(options(directory.path())).value();
  const int device = runtime->open_device("host").value();
  const KernelRequest request = small_request(56);
  std::vector<const Kernel*> kernels(8);
  {
    std::vector<std::jthread> threads;
    for (const Kernel*& kernel : kernels) {
      threads.emplace_back([&] { kernel = runtime->get_kernel(device, request).value(); });
    }
  }
  CHECK(std::ranges::count(kernels, kernels[0]) == 8);
  CHECK(runtime->counters().compiles == 1);
}

TEST_CASE("requests that resolve to one spec share one kernel") {
  const TemporaryDirectory directory;
  const auto runtime = Runtime::create(options(directory.path())).value();
  const int device = runtime->open_device("host").value();
  KernelRequest off = small_request();
  REQUIRE(set_param(off, "vskip", "off"));
  CHECK(runtime->get_kernel(device, small_request()).value() == runtime->get_kernel(device, off).value());
}

TEST_CASE("with compiling off a miss is not_prebuilt, and a cached kernel still runs") {
  const TemporaryDirectory directory;
  {
    const auto runtime = Runtime::create(options(directory.path())).value();
    REQUIRE(runtime->get_kernel(runtime->open_device("host").value(), small_request()));
  }
  RuntimeOptions strict = options(directory.path());
  strict.settings.compile = CompileMode::kOff;
  const auto runtime = Runtime::create(std::move(strict)).value();
  const int device = runtime->open_device("host").value();
  CHECK(runtime->get_kernel(device, small_request()));
  const auto missing = runtime->get_kernel(device, small_request(64));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotPrebuilt);
  CHECK_THAT(missing.error().message, Contains("sinter prebuild"));
}

TEST_CASE("a process without any compiler runs what another one built") {
  const TemporaryDirectory directory, nothing;
  {
    const auto runtime = Runtime::create(options(directory.path())).value();
    REQUIRE(runtime->get_kernel(runtime->open_device("host").value(), small_request()));
  }
  for (const CompileMode mode : {CompileMode::kOn, CompileMode::kOff}) {
    RuntimeOptions bare = options(directory.path());
    bare.settings.worker_dir = nothing.path();
    bare.settings.compile = mode;
    const auto runtime = Runtime::create(std::move(bare)).value();
    const int device = runtime->open_device("host").value();
    KernelOrigin origin;
    const auto kernel = runtime->get_kernel(device, small_request(), &origin);
    REQUIRE(message(kernel) == "no error");
    CHECK(origin.code == CodeOrigin::kLocal);
    const auto missing = runtime->get_kernel(device, small_request(64));
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == (mode == CompileMode::kOn ? ErrorCode::kCompilerUnavailable : ErrorCode::kNotPrebuilt));
  }
}

TEST_CASE("one compile is one miss") {
  const TemporaryDirectory directory;
  const auto runtime = Runtime::create(options(directory.path())).value();
  REQUIRE(runtime->get_kernel(runtime->open_device("host").value(), small_request()));
  CHECK(runtime->counters().cache.misses == 1);
  CHECK(runtime->counters().compiles == 1);
}

TEST_CASE("NVIDIA kernels come from LLVM as PTX where NVRTC is not") {
  const TemporaryDirectory directory;
  RuntimeOptions no_nvrtc = options(directory.path());
  no_nvrtc.settings.nvidia_compiler = "llvm";
  const auto runtime = Runtime::create(std::move(no_nvrtc)).value();
  for (const std::string_view arch : {"sm_80", "sm_89", "sm_90a", "compute_80"}) {
    const KernelSpec spec = resolve(small_request(), {find_arch(arch), false, 0}).value();
    const auto compiled = runtime->compile_service().load_or_compile(spec, make_plan(spec).value());
    INFO(arch << ": " << message(compiled));
    REQUIRE(compiled);
    CHECK(compiled->code->format == CodeFormat::kPtx);
  }
}

TEST_CASE("a launch that cannot be right is refused before it reaches the driver") {
  const TemporaryDirectory directory;
  const auto runtime = Runtime::create(options(directory.path())).value();
  const Kernel& kernel = *runtime->get_kernel(runtime->open_device("host").value(), small_request()).value();
  Operands operands(48);
  const auto launch = [&](const GroupedGemmArgs& args, std::span<const std::uint64_t> bytes = {}) { return kernel.launch(&args, sizeof args, nullptr, bytes); };
  GroupedGemmArgs args = operands.args;

  CHECK_THAT(message(kernel.launch(&args, sizeof args - 8, nullptr)), Contains("56") && Contains("64"));
  args.rows = -1;
  CHECK_THAT(message(launch(args)), Contains("rows"));
  args = operands.args;
  args.d = nullptr;
  CHECK_THAT(message(launch(args)), Contains("'d'") || Contains("d is"));
  args = operands.args;
  args.a = static_cast<const char*>(args.a) + 2;
  CHECK_THAT(message(launch(args)), Contains("16"));

  const std::uint64_t enough[] = {400, 2 * 48 * 40 * 2, 480, 0, 0, 12, 0, 0};
  CHECK(message(launch(operands.args, enough)) == "no error");
  const std::uint64_t short_d[] = {400, 2 * 48 * 40 * 2, 479, 0, 0, 12, 0, 0};
  CHECK_THAT(message(launch(operands.args, short_d)), Contains("479") && Contains("480"));
  args = operands.args;
  args.rows = 0;
  CHECK(message(launch(args)) == "no error");
}

TEST_CASE("kernels of a lower level run on the host when they are asked for, those it cannot run are refused") {
  const TemporaryDirectory directory;
  const auto runtime = Runtime::create(options(directory.path())).value();
  const int own = runtime->open_device("host").value();
  const int lower = runtime->open_device("host", find_arch("x86-64-v3")).value();
  CHECK(runtime->open_device("host").value() == own);
  const auto kernel = runtime->get_kernel(lower, small_request());
  REQUIRE(message(kernel) == "no error");
  CHECK_THAT((*kernel)->name(), Catch::Matchers::EndsWith("_x86_64_v3"));
  Operands operands(48);
  REQUIRE((*kernel)->launch(&operands.args, sizeof operands.args, nullptr));
  CHECK(operands.right());
  CHECK(runtime->open_device("host", find_arch("sm_90a")).error().code == ErrorCode::kUnsupported);
}

TEST_CASE("a device that is not there, and a name that is none, are told apart") {
  const TemporaryDirectory directory;
  RuntimeOptions no_driver = options(directory.path());
  no_driver.settings.cuda_library = "/nonexistent/libcuda.so.1";
  const auto runtime = Runtime::create(std::move(no_driver)).value();
  const auto cuda = runtime->open_device("cuda:0");
  REQUIRE_FALSE(cuda);
  CHECK(cuda.error().code == ErrorCode::kDriverError);
  CHECK_THAT(cuda.error().message, Contains("/nonexistent/libcuda.so.1"));
  for (const char* name : {"gpu:0", "cuda", "cuda:", "cuda:x", "cuda:-1", ""}) {
    const auto bad = runtime->open_device(name);
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code == ErrorCode::kInvalidRequest);
  }
}

TEST_CASE("a changed compiler identity misses instead of reusing the old code") {
  const TemporaryDirectory directory;
  const auto runtime = Runtime::create(options(directory.path())).value();
  const int device = runtime->open_device("host").value();
  REQUIRE(runtime->get_kernel(device, small_request()));
  const auto spec = resolve(small_request(), {runtime->device(device).caps.arch, false, 0}).value();
  const auto plan = make_plan(spec).value();
  Toolchain toolchain = runtime->compile_service().toolchain_for(*spec.arch).value();
  CHECK(runtime->cache().lookup(cache_key_of(spec, plan, toolchain).value()));
  toolchain.identity += "-next";
  CHECK_FALSE(runtime->cache().lookup(cache_key_of(spec, plan, toolchain).value()));
}

TEST_CASE("every input of the key changes the key") {
  const auto spec = resolve(small_request(), {find_arch("x86-64-v3"), false, 0}).value();
  const BodyPlan plan = make_plan(spec).value();
  const Toolchain toolchain{"llvm", "clang 22", {"-O3", "-g0"}};
  const Digest base = cache_key_of(spec, plan, toolchain)->digest;
  CHECK(cache_key_of(spec, plan, toolchain)->digest == base);
  const auto differs = [&](const KernelSpec& s, const BodyPlan& p, const Toolchain& t) { return cache_key_of(s, p, t)->digest != base; };
  KernelSpec other_arch = spec;
  other_arch.arch = find_arch("x86-64-v4");
  CHECK(differs(other_arch, plan, toolchain));
  KernelSpec other_n = spec;
  other_n.values[2] = 56;
  CHECK(differs(other_n, plan, toolchain));
  BodyPlan other_params = plan;
  other_params.params += "  static constexpr int kMore = 1;\n";
  CHECK(differs(spec, other_params, toolchain));
  BodyPlan other_template = plan;
  other_template.template_path = "grouped_gemm/amd.h";
  CHECK(differs(spec, other_template, toolchain));
  CHECK(differs(spec, plan, {"nvrtc", "clang 22", {"-O3", "-g0"}}));
  CHECK(differs(spec, plan, {"llvm", "clang 22.1", {"-O3", "-g0"}}));
  CHECK(differs(spec, plan, {"llvm", "clang 22", {"-O3"}}));
  CHECK(differs(spec, plan, {"llvm", "clang 22", {"-g0", "-O3"}}));
  CHECK(differs(spec, plan, {"llvm", "clang 22", {"-O3-g0"}}));
}

TEST_CASE("an unwritable cache directory costs one warning and nothing else") {
  const TemporaryDirectory directory;
  std::vector<std::string> warnings;
  RuntimeOptions blocked = options("/proc/sinter-cannot-be-made");
  blocked.log = [&](LogLevel level, std::string_view text) {
    if (level == LogLevel::kWarn) warnings.emplace_back(text);
  };
  const auto runtime = Runtime::create(std::move(blocked)).value();
  const int device = runtime->open_device("host").value();
  const auto kernel = runtime->get_kernel(device, small_request());
  REQUIRE(message(kernel) == "no error");
  Operands operands(48);
  REQUIRE((*kernel)->launch(&operands.args, sizeof operands.args, nullptr));
  CHECK(operands.right());
  CHECK(runtime->get_kernel(device, small_request(56)));
  const auto about_cache = std::ranges::count_if(warnings, [](const std::string& text) { return text.find("/proc/sinter") != std::string::npos; });
  CHECK(about_cache == 1);
}
