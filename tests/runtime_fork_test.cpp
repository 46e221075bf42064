// SPDX-License-Identifier: Apache-2.0

// Forks of a process whose threads ask for kernels and launch them, on the host device with the real compiler worker.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
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

// Two tiles that the host's body has for the shape.
KernelRequest tiled_request(std::size_t index) {
  KernelRequest tiled = request(64);
  const KernelSpec spec = resolve(tiled, {host_arch(), false, 0}).value();
  (void)set_param(tiled, "tile", tile_to_string(spec.family->body(Vendor::kHost)->tiles(spec).at(index)));
  return tiled;
}

RuntimeOptions options_of(const TemporaryDirectory& directory) {
  RuntimeOptions options;
  options.settings.cache_dir = directory.path();
  options.settings.host_threads = 2;
  options.settings.worker_dir = SINTER_TEST_WORKER_DIR;
  options.log = [](LogLevel, std::string_view) {};
  return options;
}

/// What a child answers, which is killed if it hangs.
template <class Body>
int answer_of_child(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(120);
    ::_exit(body());
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
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
  const auto runtime = Runtime::create(options_of(directory)).value();
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

TEST_CASE("in a child, where nothing is built in the background, a fallback builds what it was asked for", "[fork]") {
  const TemporaryDirectory directory;
  const auto runtime = Runtime::create(options_of(directory)).value();
  const int device = runtime->open_device("host").value();
  const Kernel* const resident = runtime->get_kernel(device, tiled_request(0)).value();
  CHECK(answer_of_child([&] {
    const auto handle = runtime->get_handle(device, tiled_request(1), {GetPolicy::kFallback});
    return handle && !(*handle)->is_standing_in() && &(*handle)->kernel() != resident ? 0 : 1;
  }) == 0);

  // A stand-in of the parent, behind which the parent may be building.
  runtime->end_warmup(LateCompiles::kRefused);
  const KernelHandle* const inherited = runtime->get_handle(device, tiled_request(2), {GetPolicy::kFallback}).value();
  REQUIRE(runtime->wait_for_background(std::chrono::seconds(120)));
  CHECK(answer_of_child([&] {
    runtime->end_warmup(LateCompiles::kAllowed);
    runtime->retry_failures();
    const auto handle = runtime->get_handle(device, tiled_request(2), {GetPolicy::kFallback});
    if (!handle || &(*handle)->kernel() == resident || !inherited->is_standing_in()) return 1;
    return runtime->swap_ready() == 1 && &inherited->kernel() == &(*handle)->kernel() ? 0 : 2;
  }) == 0);

  StandIn built_by_the_parent(resident);
  CHECK(built_by_the_parent.begin_build());
  CHECK(answer_of_child([&] { return built_by_the_parent.begin_build() ? 0 : 1; }) == 0);

  // What it cannot build either goes on being answered by the stand-in, and is counted.
  CHECK(answer_of_child([&] {
    const std::int64_t failures = runtime->counters().background_failures;
    const auto handle = runtime->get_handle(device, tiled_request(3), {GetPolicy::kFallback});
    if (!handle || &(*handle)->kernel() != resident || !(*handle)->is_standing_in()) return 1;
    return runtime->counters().background_failures == failures + 1 ? 0 : 2;
  }) == 0);
}
