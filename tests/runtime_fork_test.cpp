// SPDX-License-Identifier: Apache-2.0

// Forks of a process whose threads ask for kernels and launch them, on the host device with the real compiler worker.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdint>
#include <thread>
#include <vector>

#include "codegen/resolve.h"
#include "runtime/runtime.h"
#include "templates/grouped_gemm/args.h"
#include "tests/support/temporary_directory.h"

using namespace sinter;

namespace {

KernelRequest request(std::int64_t n) {
  KernelRequest request;
  request.family = find_family("grouped_gemm").value();
  (void)set_param(request, "n", n);
  (void)set_param(request, "k", 32);
  (void)set_param(request, "groups", 1);
  return request;
}

/// Ones times ones: every element is 32.
bool launch(Runtime& runtime, int device, std::int64_t n) {
  const auto kernel = runtime.get_kernel(device, request(n));
  std::vector<std::uint16_t> a(4 * 32, 0x3f80), b(static_cast<std::size_t>(n) * 32, 0x3f80);
  std::vector<std::uint16_t> d(static_cast<std::size_t>(4 * n));
  std::vector<std::int32_t> offsets{0, 4};
  const GroupedGemmArgs args{a.data(), b.data(), d.data(), nullptr, nullptr, offsets.data(), 4};
  if (!kernel || !(*kernel)->launch(&args, sizeof args, nullptr)) {
    return false;
  }
  return d.front() == 0x4200 && d.back() == 0x4200;
}

}  // namespace

TEST_CASE("children forked while threads get and launch kernels get and launch theirs", "[fork]") {
  constexpr int kChildren = 200;
  const TemporaryDirectory directory;
  RuntimeOptions options;
  options.settings.cache_dir = directory.path();
  options.settings.host_threads = 2;
  options.settings.worker_dir = SINTER_TEST_WORKER_DIR;
  options.log = [](LogLevel, std::string_view) {};
  const auto runtime = Runtime::create(std::move(options)).value();
  const int device = runtime->open_device("host").value();
  REQUIRE(launch(*runtime, device, 16));
  std::atomic<bool> stop{false};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      // The last one compiles, for as long as the test lasts.
      for (std::int64_t i = 0; !stop; ++i) {
        (void)launch(*runtime, device, t < 3 ? 16 : 32 + 8 * i);
      }
    });
  }
  int failed = 0;
  for (int c = 0; c < kChildren; ++c) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(120);  // a child that hangs is killed
      const bool live = launch(*runtime, device, 16);
      const bool compiled = c % 40 != 0 || launch(*runtime, device, 8);
      ::_exit(live && compiled ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    failed += status == 0 ? 0 : 1;
  }
  stop = true;
  threads.clear();
  CHECK(failed == 0);
}
