// SPDX-License-Identifier: Apache-2.0

// What a live look-up and a launch cost the host, through the C ABI: nothing is allocated, locked, or read from the
// environment. This program takes the place of the C library's functions and counts. CUDA is a fake driver library; the
// kernel in it is a real one, compiled to PTX.

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <sinter/sinter.hpp>

#include "tests/support/fake_gpu_library.h"
#include "tests/support/temporary_directory.h"

namespace {

struct Counts {
  long allocations = 0, locks = 0, environment_reads = 0;
};
thread_local Counts counts;
thread_local bool is_counting = false;

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);

void* malloc(std::size_t bytes) {
  counts.allocations += is_counting ? 1 : 0;
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  counts.allocations += is_counting ? 1 : 0;
  return __libc_calloc(count, bytes);
}
void* realloc(void* memory, std::size_t bytes) {
  counts.allocations += is_counting ? 1 : 0;
  return __libc_realloc(memory, bytes);
}

__attribute__((visibility("default"))) int pthread_mutex_lock(pthread_mutex_t* mutex) {
  static auto* const real = next<int(pthread_mutex_t*)>("pthread_mutex_lock");
  counts.locks += is_counting ? 1 : 0;
  return real(mutex);
}

__attribute__((visibility("default"))) char* getenv(const char* name) {
  static auto* const real = next<char*(const char*)>("getenv");
  counts.environment_reads += is_counting ? 1 : 0;
  return real(name);
}

}  // extern "C"

namespace {

using sinter::testing::FakeGpu;

/// Counts what this thread does in `body`.
template <class Body>
Counts count(Body&& body) {
  counts = {};
  is_counting = true;
  body();
  is_counting = false;
  return counts;
}

struct Machine {
  sinter::TemporaryDirectory directory;
  FakeGpu& fake = sinter::testing::fresh_fake(SINTER_FAKE_CUDA);
  std::string launch_log = directory.path() + "/launches";

  Machine() {
    fake.device_count = 2;
    fake.args_bytes = sizeof(sinter_quantize_args);
    fake.local_bytes = 0;
  }

  sinter::Runtime runtime(const std::string& more = "SINTER_LOG=off") const {
    const std::string texts[] = {"SINTER_CACHE_DIR=" + directory.path(), "SINTER_WORKER_DIR=" SINTER_TEST_WORKER_DIR,
                                 "SINTER_LIBCUDA=" SINTER_FAKE_CUDA, "SINTER_NVIDIA_COMPILER=llvm", "SINTER_HOST_THREADS=2", more};
    const char* settings[std::size(texts)];
    for (std::size_t i = 0; i < std::size(texts); ++i) {
      settings[i] = texts[i].c_str();
    }
    return sinter::Runtime(sinter_options{sizeof(sinter_options), 0, settings, std::size(settings), nullptr, nullptr, 0, 0});
  }
};

sinter::Request quantize() { return sinter::Request("quantize").set("k", 128); }

struct Operands {
  alignas(64) std::uint16_t x[4 * 128] = {};
  alignas(64) std::uint8_t q[4 * 128] = {};
  float scale[4] = {};
  sinter_quantize_args args{x, q, scale, 4};
};

}  // namespace

TEST_CASE("the counters of this program see what the library does") {
  const Machine machine;
  const Counts seen = count([&] { (void)machine.runtime(); });
  CHECK(seen.allocations > 0);
  CHECK(seen.locks > 0);
  CHECK(seen.environment_reads > 0);
}

TEST_CASE("on CUDA a live look-up and a launch neither allocate, lock, nor read the environment") {
  Machine machine;
  sinter::Runtime runtime = machine.runtime();
  const std::int32_t device = runtime.open_device("cuda:0");
  const sinter::Request request = quantize();
  Operands operands;
  sinter::Packed packed;
  const sinter::KernelRef first = runtime.get_kernel(device, request);
  first.launch(operands.args);
  machine.fake.is_silent = true;
  Operands others;
  const Counts seen = count([&] {
    for (int i = 0; i < 100; ++i) {
      const sinter::KernelRef kernel = runtime.get_kernel(device, request, SINTER_FALLBACK);
      kernel.launch(operands.args);
      kernel.launch(i % 10 == 0 ? others.args : operands.args, packed);
      runtime.swap_ready();
    }
  });
  CHECK(seen.allocations == 0);
  CHECK(seen.locks == 100);  // of swap_ready, which is for once a step
  CHECK(seen.environment_reads == 0);
}

TEST_CASE("on the host a look-up and a launch allocate nothing and do not read the environment") {
  const Machine machine;
  sinter::Runtime runtime = machine.runtime();
  const std::int32_t device = runtime.open_device("host");
  const sinter::Request request = quantize();
  Operands operands;
  sinter::Packed packed;
  runtime.get_kernel(device, request).launch(operands.args);
  const Counts seen = count([&] {
    for (int i = 0; i < 20; ++i) {
      runtime.get_kernel(device, request).launch(operands.args);
      runtime.get_kernel(device, request).launch(operands.args, packed);
    }
  });
  CHECK(seen.allocations == 0);
  CHECK(seen.environment_reads == 0);
}

TEST_CASE("a packed launch passes what a plain one passes, also after the arguments or the kernel change") {
  Machine machine;
  sinter::Runtime runtime = machine.runtime();
  const sinter::KernelRef on_first = runtime.get_kernel(runtime.open_device("cuda:0"), quantize());
  const sinter::KernelRef on_second = runtime.get_kernel(runtime.open_device("cuda:1"), quantize());
  Operands one, two;
  sinter::Packed packed;
  const auto launched_alike = [&](const sinter::KernelRef& kernel, const sinter_quantize_args& args) {
    kernel.launch(args);
    kernel.launch(args, packed);
    kernel.launch(args, packed);
    const auto& launches = machine.fake.launches;
    const auto& plain = launches[launches.size() - 3];
    for (std::size_t i = launches.size() - 2; i < launches.size(); ++i) {
      CHECK(launches[i].args == plain.args);
      CHECK(launches[i].grid[0] == plain.grid[0]);
      CHECK(launches[i].context == plain.context);
    }
  };
  launched_alike(on_first, one.args);
  launched_alike(on_first, two.args);
  launched_alike(on_second, two.args);
  sinter_quantize_args bad = one.args;
  bad.q = nullptr;
  CHECK_THROWS_AS(on_first.launch(bad, packed), sinter::Failure);
  launched_alike(on_first, one.args);
  sinter_quantize_args none = one.args;
  none.rows = 0;
  const std::size_t before = machine.fake.launches.size();
  on_first.launch(none, packed);
  on_first.launch(none, packed);
  CHECK(machine.fake.launches.size() == before);
}

TEST_CASE("one device's launch that does not return holds up neither look-ups nor launches of another device") {
  Machine machine;
  sinter::Runtime runtime = machine.runtime();
  const std::int32_t first = runtime.open_device("cuda:0"), second = runtime.open_device("cuda:1");
  const sinter::KernelRef slow = runtime.get_kernel(first, quantize());
  int stuck_stream = 0;
  std::mutex mutex;
  std::condition_variable changed;
  bool is_stuck = false, may_go = false;
  machine.fake.on_launch = [&](void* stream) {
    if (stream == &stuck_stream) {
      std::unique_lock lock(mutex);
      is_stuck = true;
      changed.notify_all();
      changed.wait(lock, [&] { return may_go; });
    }
  };
  Operands operands;
  std::jthread stuck([&] { slow.launch(operands.args, &stuck_stream); });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return is_stuck; });
  }
  // Loaded, found and launched on the other device, and on another stream of the same one.
  const sinter::KernelRef quick = runtime.get_kernel(second, quantize());
  quick.launch(operands.args);
  runtime.get_kernel(first, quantize()).launch(operands.args);
  CHECK(machine.fake.launches.size() == 2);
  CHECK(machine.fake.launches[0].context != machine.fake.launches[1].context);
  {
    const std::lock_guard lock(mutex);
    may_go = true;
  }
  changed.notify_all();
  stuck.join();
  CHECK(machine.fake.launches.size() == 3);
}

TEST_CASE("threads that launch on several devices and streams at once all get through") {
  Machine machine;
  sinter::Runtime runtime = machine.runtime();
  constexpr int kThreads = 4, kLaunches = 200;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        const std::int32_t device = runtime.open_device(i % 2 == 0 ? "cuda:0" : "cuda:1");
        Operands operands;
        sinter::Packed packed;
        for (int launch = 0; launch < kLaunches; ++launch) {
          runtime.get_kernel(device, quantize()).launch(operands.args, packed, &operands);
        }
      });
    }
  }
  CHECK(machine.fake.launches.size() == kThreads * kLaunches);
  CHECK(runtime.stats().compiles == 1);
}

TEST_CASE("in a capture a kernel that is not live is refused before anything is compiled or loaded") {
  Machine machine;
  sinter::Runtime runtime = machine.runtime();
  const std::int32_t device = runtime.open_device("cuda:0");
  runtime.get_kernel(device, quantize());
  const sinter::Request other = sinter::Request("quantize").set("k", 256);
  int stream = 0;
  const auto refused = [&](sinter_policy policy) {
    const std::size_t calls = machine.fake.calls.size();
    std::string message;
    try {
      runtime.get_kernel(device, other, policy, &stream);
    } catch (const sinter::Failure& failure) {
      CHECK(failure.status() == SINTER_INVALID_REQUEST);
      message = failure.what();
    }
    CHECK(message.find("captured") != std::string::npos);
    CHECK(machine.fake.calls.size() == calls);
    CHECK(runtime.stats().compiles == 1);
  };
  machine.fake.capturing = 1;
  refused(SINTER_BLOCK);
  refused(SINTER_FALLBACK);
  CHECK_NOTHROW(runtime.get_kernel(device, quantize(), SINTER_BLOCK, &stream));  // live
  machine.fake.capturing = 0;
  machine.fake.capture_status = 906;  // the default stream, while a stream that it waits for is captured
  refused(SINTER_STRICT);
  machine.fake.capture_status = 0;
  runtime.get_kernel(device, other, SINTER_BLOCK, &stream);
  machine.fake.capturing = 1;
  Operands operands;
  CHECK_NOTHROW(runtime.get_kernel(device, other).launch(operands.args, &stream));  // 4 rows of 256 columns: not looked at
}

TEST_CASE("the launch log has a line per launch that names the spec, and nothing is allocated for it") {
  Machine machine;
  {
    sinter::Runtime runtime = machine.runtime("SINTER_LAUNCH_LOG=" + machine.launch_log);
    const sinter::KernelRef kernel = runtime.get_kernel(runtime.open_device("cuda:1"), quantize());
    Operands operands;
    sinter::Packed packed;
    kernel.launch(operands.args, &operands);
    machine.fake.is_silent = true;
    CHECK(count([&] { kernel.launch(operands.args, packed); }).allocations == 0);
  }
  std::ifstream file(machine.launch_log);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  REQUIRE(lines.size() == 2);
  for (const std::string& line : lines) {
    CHECK(line.find(R"("spec": "quantize_fp8_block_k128_)") != std::string::npos);
    CHECK(line.find(R"("device": "cuda:1")") != std::string::npos);
    CHECK(line.find(R"("grid": [)") != std::string::npos);
  }
}

TEST_CASE("NVTX ranges name the spec of each launch, and nest") {
  // The dynamic linker takes a library that is loaded for one of the same name.
  void* const library = dlopen(SINTER_FAKE_NVTX, RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != nullptr);
  auto* const depth = static_cast<int*>(dlsym(library, "fake_nvtx_depth"));
  auto* const names = reinterpret_cast<const char* (*)()>(dlsym(library, "fake_nvtx_names"));
  REQUIRE((depth != nullptr && names != nullptr));
  Machine machine;
  sinter::Runtime runtime = machine.runtime("SINTER_NVTX=1");
  const sinter::KernelRef kernel = runtime.get_kernel(runtime.open_device("cuda:0"), quantize());
  Operands operands;
  kernel.launch(operands.args);
  CHECK_THAT(names(), Catch::Matchers::StartsWith("sinter look up or compile;sinter load;quantize_fp8_block_k128_"));
  CHECK(*depth == 0);
}
