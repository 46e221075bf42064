// SPDX-License-Identifier: Apache-2.0

// How a request may be answered without waiting: stand-ins, strict requests, prefetches, and the end of the warm-up. On
// the host device with the real compiler worker.

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "codegen/resolve.h"
#include "runtime/runtime.h"
#include "templates/quantize/args.h"
#include "tests/support/temporary_directory.h"

using namespace sinter;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

struct Setup {
  TemporaryDirectory directory;
  std::vector<std::string> warnings;
  std::unique_ptr<Runtime> runtime;
  int device = -1;

  Setup() { open(); }

  void open() {
    RuntimeOptions options;
    options.settings.cache_dir = directory.path();
    options.settings.host_threads = 1;
    options.settings.worker_dir = SINTER_TEST_WORKER_DIR;
    options.log = [this](LogLevel level, std::string_view text) {
      if (level == LogLevel::kWarn) warnings.emplace_back(text);
    };
    runtime = Runtime::create(std::move(options)).value();
    device = runtime->open_device("host").value();
  }
};

KernelRequest request(std::int64_t k, std::string_view tile = {}) {
  KernelRequest request;
  request.family = find_family("grouped_gemm").value();
  REQUIRE(set_param(request, "n", 64));
  REQUIRE(set_param(request, "k", k));
  REQUIRE(set_param(request, "groups", 2));
  if (!tile.empty()) {
    REQUIRE(set_param(request, "tile", tile));
  }
  return request;
}

// Two tiles that the host's body has for the shape.
std::string tile(std::size_t index) {
  const KernelSpec spec = resolve(request(64), {host_arch(), false, 0}).value();
  return tile_to_string(spec.family->body(Vendor::kHost)->tiles(spec).at(index));
}

constexpr auto kLong = 120s;

}  // namespace

TEST_CASE("with fallback a resident kernel answers at once, and the one asked for takes its place when the host says so") {
  Setup setup;
  Runtime& runtime = *setup.runtime;
  const Kernel* const resident = runtime.get_kernel(setup.device, request(64, tile(0))).value();
  const KernelRequest wanted = request(64, tile(1));
  const KernelHandle* const handle = runtime.get_handle(setup.device, wanted, {GetPolicy::kFallback}).value();
  CHECK(&handle->kernel() == resident);
  CHECK(handle->is_standing_in());
  CHECK(runtime.get_handle(setup.device, wanted, {GetPolicy::kFallback}).value() == handle);
  REQUIRE(runtime.wait_for_background(kLong));
  CHECK(&handle->kernel() == resident);  // ready, but nobody said that launches may change

  CHECK(runtime.swap_ready() == 1);
  CHECK_FALSE(handle->is_standing_in());
  CHECK(&handle->kernel() != resident);
  CHECK(&handle->kernel() == runtime.get_kernel(setup.device, wanted).value());
  CHECK(runtime.swap_ready() == 0);
  CHECK(runtime.counters().stand_ins == 1);
  CHECK(runtime.counters().swaps == 1);
}

TEST_CASE("a blocking request gets its own kernel while a stand-in answers for others") {
  Setup setup;
  Runtime& runtime = *setup.runtime;
  REQUIRE(runtime.get_kernel(setup.device, request(64, tile(0))));
  const KernelRequest wanted = request(64, tile(1));
  const KernelHandle* const handle = runtime.get_handle(setup.device, wanted, {GetPolicy::kFallback}).value();
  const Kernel* const own = runtime.get_kernel(setup.device, wanted).value();
  CHECK(own != &handle->kernel());
  KernelOrigin origin;
  CHECK(runtime.get_kernel(setup.device, wanted, &origin).value() == own);
  CHECK(origin.live);
  CHECK(origin.choice.empty());  // so that nothing was resolved again
  REQUIRE(runtime.get_handle(setup.device, wanted, {GetPolicy::kStrict}).value() == own->handle());
  REQUIRE(runtime.wait_for_background(kLong));
  CHECK(runtime.swap_ready() == 1);
  CHECK(&handle->kernel() == own);
  CHECK(own->name().find("_t" + tile(1) + "_") != std::string::npos);
}

TEST_CASE("a build that failed behind a stand-in is begun again by a later request") {
  Setup setup;
  Runtime& runtime = *setup.runtime;
  REQUIRE(runtime.get_kernel(setup.device, request(64, tile(0))));
  runtime.end_warmup(LateCompiles::kRefused);
  const KernelRequest wanted = request(64, tile(1));
  const KernelHandle* const handle = runtime.get_handle(setup.device, wanted, {GetPolicy::kFallback}).value();
  REQUIRE(runtime.wait_for_background(kLong));
  CHECK(runtime.counters().background_failures == 1);

  runtime.end_warmup(LateCompiles::kAllowed);
  runtime.retry_failures();
  CHECK(runtime.get_handle(setup.device, wanted, {GetPolicy::kFallback}).value() == handle);
  REQUIRE(runtime.wait_for_background(kLong));
  CHECK(runtime.swap_ready() == 1);
  CHECK_FALSE(handle->is_standing_in());
  CHECK(runtime.counters().background_failures == 1);
}

TEST_CASE("a build behind a stand-in has one builder, and after a failure none for a while") {
  const auto* const kernel = reinterpret_cast<const Kernel*>(std::uintptr_t{64});
  StandIn stand_in(kernel);
  CHECK(stand_in.begin_build());
  CHECK_FALSE(stand_in.begin_build());
  stand_in.give_up_build();
  CHECK(stand_in.begin_build());
  for (int i = 0; i < 4; ++i) {
    stand_in.fail_build();
  }
  CHECK_FALSE(stand_in.begin_build());
  stand_in.retry_at_once();
  CHECK(stand_in.begin_build());
  CHECK(stand_in.finish_build(kernel));
  CHECK_FALSE(stand_in.finish_build(kernel));
  CHECK_FALSE(stand_in.begin_build());
}

TEST_CASE("a kernel of another shape does not stand in: the request blocks") {
  Setup setup;
  REQUIRE(setup.runtime->get_kernel(setup.device, request(64)));
  const auto handle = setup.runtime->get_handle(setup.device, request(128), {GetPolicy::kFallback});
  REQUIRE(handle);
  CHECK_FALSE((*handle)->is_standing_in());
  CHECK((*handle)->kernel().name().find("_k128_") != std::string::npos);
}

TEST_CASE("a strict request takes what a cache has and compiles nothing") {
  Setup setup;
  REQUIRE(setup.runtime->get_kernel(setup.device, request(64)));
  setup.open();
  CHECK(setup.runtime->get_handle(setup.device, request(64), {GetPolicy::kStrict}));
  const auto missing = setup.runtime->get_handle(setup.device, request(128), {GetPolicy::kStrict});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotPrebuilt);
  CHECK_THAT(missing.error().message, Contains("strict") && Contains("sinter prebuild"));
  CHECK(setup.runtime->counters().compiles == 0);
}

TEST_CASE("prefetched kernels are live once the background is idle, and a failure among them is counted") {
  Setup setup;
  const KernelRequest list[] = {request(64), request(128), request(64, "1x1x1")};
  REQUIRE(setup.runtime->prefetch(setup.device, list));
  REQUIRE(setup.runtime->wait_for_background(kLong));
  KernelOrigin first, second;
  CHECK(setup.runtime->get_kernel(setup.device, list[0], &first));
  CHECK(setup.runtime->get_kernel(setup.device, list[1], &second));
  CHECK((first.live && second.live));
  CHECK(setup.runtime->counters().background == 0);
  CHECK(setup.runtime->counters().background_failures == 1);
  const auto nowhere = setup.runtime->prefetch(9, list);
  REQUIRE_FALSE(nowhere);
  CHECK_THAT(nowhere.error().message, Contains("no device number 9") && Contains("0 to 0"));
}

TEST_CASE("a runtime that ends while it prefetches drops what waits") {
  Setup setup;
  const std::vector<KernelRequest> list(64, request(64, "1x1x1"));
  REQUIRE(setup.runtime->prefetch(setup.device, list));
  setup.runtime.reset();
}

TEST_CASE("a runtime that ends while a compiler says nothing does not wait for it, and complains of nothing") {
  const TemporaryDirectory directory;
  const std::string worker = directory.path() + "/sinter-worker-llvm";
  std::ofstream(worker) << "#!/bin/sh\nexec sleep 60\n";
  std::filesystem::permissions(worker, std::filesystem::perms::owner_all);
  std::vector<std::string> warnings;
  RuntimeOptions options;
  options.settings.cache_dir = directory.path() + "/cache";
  options.settings.worker_dir = directory.path();
  options.settings.compile_timeout_s = 3600;
  options.log = [&](LogLevel, std::string_view text) { warnings.emplace_back(text); };
  auto runtime = Runtime::create(std::move(options)).value();
  const KernelRequest list[] = {request(64), request(72)};
  REQUIRE(runtime->prefetch(runtime->open_device("host").value(), list));
  std::this_thread::sleep_for(500ms);
  runtime.reset();
  CHECK(warnings.empty());
}

TEST_CASE("after the warm-up a compile is counted, warned of, or refused") {
  Setup setup;
  Runtime& runtime = *setup.runtime;
  REQUIRE(runtime.get_kernel(setup.device, request(64, tile(0))));
  CHECK(runtime.counters().late_compiles == 0);
  runtime.end_warmup(LateCompiles::kCounted);
  REQUIRE(runtime.get_kernel(setup.device, request(72)));
  CHECK(runtime.counters().late_compiles == 1);
  CHECK(setup.warnings.empty());
  runtime.end_warmup(LateCompiles::kWarned);
  REQUIRE(runtime.get_kernel(setup.device, request(80)));
  CHECK(runtime.counters().late_compiles == 2);
  REQUIRE(setup.warnings.size() == 1);
  CHECK_THAT(setup.warnings[0], Contains("_k80_") && Contains("after the warm-up"));
  runtime.end_warmup(LateCompiles::kRefused);
  const auto refused = runtime.get_kernel(setup.device, request(88));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kNotPrebuilt);
  CHECK_THAT(refused.error().message, Contains("the warm-up is over"));
  CHECK(runtime.counters().late_compiles == 3);
  CHECK(runtime.get_kernel(setup.device, request(80)));  // live

  // What stands in stays, since what it stands for is refused too.
  const KernelHandle* const handle = runtime.get_handle(setup.device, request(64, tile(1)), {GetPolicy::kFallback}).value();
  REQUIRE(runtime.wait_for_background(kLong));
  CHECK(runtime.swap_ready() == 0);
  CHECK(handle->is_standing_in());
  CHECK(runtime.counters().background_failures == 1);
  runtime.end_warmup(LateCompiles::kAllowed);
  CHECK(runtime.get_kernel(setup.device, request(88)));
  CHECK(runtime.counters().late_compiles == 4);

  setup.open();
  setup.runtime->end_warmup(LateCompiles::kRefused);
  CHECK(setup.runtime->get_kernel(setup.device, request(88)));  // from the cache
  CHECK(setup.runtime->counters().late_loads == 1);
  CHECK(setup.runtime->counters().late_compiles == 0);
}
