// SPDX-License-Identifier: Apache-2.0

// What a grouped GEMM costs on a simulated AMD device: time, and wave instructions per second of processor time.
//
//   SINTER_SIMHIP_DEVICE=MI300X bench-simulated-gemm [QUANT [M N K [TILE [REPEATS]]]]
//
// Processor time is of all threads together, so that "per core" holds on a machine that others use too.

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "codegen/resolve.h"
#include "runtime/runtime.h"
#include "templates/grouped_gemm/args.h"
#include "tools/simhip/simhip.h"

namespace {

using namespace sinter;

template <class T>
T or_exit(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(*result);
}

std::string argument(int count, char** arguments, int number, const char* otherwise) {
  return number < count ? arguments[number] : otherwise;
}

std::unique_ptr<DeviceBuffer> upload(Driver& driver, const std::vector<std::byte>& bytes) {
  auto buffer = or_exit(driver.allocate(0, bytes.size()));
  static_cast<void>(buffer->upload(bytes));
  return buffer;
}

std::vector<std::byte> random_bytes(std::int64_t count, std::mt19937& random) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(count));
  // Neither e4m3's NaN nor bf16's infinities: the two highest bits below the sign are never both set.
  std::ranges::generate(bytes, [&] { return static_cast<std::byte>(random() & 0xbfU); });
  return bytes;
}

sinter_simhip_counters counters() {
  auto* const library = ::dlopen(SINTER_BENCH_SIMHIP, RTLD_NOW);
  auto* const get =
      reinterpret_cast<decltype(&sinter_simhip_get_counters)>(::dlsym(library, "sinter_simhip_get_counters"));
  sinter_simhip_counters counts{};
  get(&counts);
  return counts;
}

double processor_seconds() {
  std::timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string quant = argument(count, arguments, 1, "fp8_block");
  const std::int64_t m = std::stoll(argument(count, arguments, 2, "1024"));
  const std::int64_t n = std::stoll(argument(count, arguments, 3, "1024"));
  const std::int64_t k = std::stoll(argument(count, arguments, 4, "512"));
  const std::string tile = argument(count, arguments, 5, "");
  const int repeats = std::stoi(argument(count, arguments, 6, "5"));

  RuntimeOptions options;
  options.settings.cache_dir = (std::filesystem::temp_directory_path() / "sinter-bench-simulated").string();
  options.settings.worker_dir = SINTER_BENCH_WORKER_DIR;
  options.settings.hip_library = SINTER_BENCH_SIMHIP;
  const auto runtime = or_exit(Runtime::create(std::move(options)));
  const int device = or_exit(runtime->open_device("hip:0"));
  KernelRequest request;
  request.family = or_exit(find_family("grouped_gemm"));
  for (const auto& [name, value] : {std::pair{"quant", quant}, {"n", std::to_string(n)}, {"k", std::to_string(k)},
                                    {"groups", std::string("1")}, {"tile", tile}}) {
    if (!value.empty() && !set_param(request, name, std::string_view(value))) {
      std::fprintf(stderr, "%s cannot be %s\n", name, value.c_str());
      return 2;
    }
  }
  const Kernel* const kernel = or_exit(runtime->get_kernel(device, request));

  Driver& driver = *runtime->device(device).driver;
  std::mt19937 random(1);
  const std::int64_t bytes_each = quant == "none" ? 2 : 1, blocks = (k + 127) / 128;
  const auto a = upload(driver, random_bytes(m * k * bytes_each, random));
  const auto b = upload(driver, random_bytes(n * k * bytes_each, random));
  const auto a_scale = upload(driver, random_bytes(m * blocks * 4, random));
  const auto b_scale = upload(driver, random_bytes((n + 127) / 128 * blocks * 4, random));
  const auto d = upload(driver, std::vector<std::byte>(static_cast<std::size_t>(m * n * 2)));
  std::vector<std::byte> offsets(8);
  const auto rows = static_cast<std::int32_t>(m);
  std::copy_n(reinterpret_cast<const std::byte*>(&rows), 4, offsets.begin() + 4);
  const auto device_offsets = upload(driver, offsets);
  const GroupedGemmArgs args{a->data(), b->data(), d->data(), static_cast<const float*>(a_scale->data()),
                             static_cast<const float*>(b_scale->data()),
                             static_cast<const int*>(device_offsets->data()), m};
  std::printf("%s on %s\n", kernel->name().c_str(), runtime->device(device).properties.name.c_str());
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    const double used = processor_seconds();
    const std::uint64_t before = counters().wave_instructions;
    if (!kernel->launch(&args, sizeof args, nullptr) || !driver.synchronize(0)) {
      std::fprintf(stderr, "the launch failed\n");
      return 1;
    }
    const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double processor = processor_seconds() - used;
    const auto executed = static_cast<double>(counters().wave_instructions - before);
    std::printf("%.3f s, %.3f s of processors, %.0f wave instructions, %.2f M/s per core\n", wall, processor, executed,
                executed / processor * 1e-6);
  }
  return 0;
}
