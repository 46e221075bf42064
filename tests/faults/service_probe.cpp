// SPDX-License-Identifier: Apache-2.0
// store_probe one floor up: the same life through CompileService, so that the leases of keys, the remembered failures
// and whatever else compiling keeps in the cache directory meet the same faults. Ends with 0 if every request got the
// right code, and the kernel that does not compile its error.

#include <cstdio>
#include <string>

#include "base/settings.h"
#include "cache/kernel_cache.h"
#include "runtime/compile/compile_service.h"
#include "tests/faults/compiler_directory.h"
#include "tests/faults/fault_kernels.h"
#include "tests/faults/verify_cache.h"

using namespace sinter;
using namespace sinter::faults;

namespace {

constexpr int kKernels = 3;
constexpr int kRefused = 7;  ///< fault_kernel(7): n is 64.

bool run_session(const Settings& settings, CacheCounters& counters) {
  KernelCache cache({.directory = settings.cache_dir, .busy_timeout_ms = 20}, nullptr);
  const Log log(LogLevel::kOff, [](LogLevel, std::string_view) {});
  CompileService service(settings, cache, log);
  for (int i = 0; i < kKernels; ++i) {
    const FaultKernel kernel = fault_kernel(i).value();
    const auto compiled = service.load_or_compile(kernel.spec, kernel.plan);
    if (!compiled || compiled->code->code != fault_code(kernel.spec.name())) {
      std::fprintf(stderr, "kernel %d: %s\n", i, compiled ? "wrong bytes" : compiled.error().message.c_str());
      return false;
    }
  }
  const FaultKernel refused = fault_kernel(kRefused).value();
  const auto compiled = service.load_or_compile(refused.spec, refused.plan);
  if (compiled || compiled.error().code != ErrorCode::kCompileFailed) {
    std::fprintf(stderr, "a kernel that does not compile: %s\n",
                 compiled ? "wrong bytes" : compiled.error().message.c_str());
    return false;
  }
  counters = cache.counters();
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "service_probe DIRECTORY [works|clean]\n");
    return 2;
  }
  const std::string wanted = argc > 2 ? argv[2] : "";
  const CompilerDirectory compilers;
  compilers.behave("_n64_ refuse");
  Settings settings;
  settings.cache_dir = argv[1];
  settings.worker_dir = compilers.path();
  CacheCounters counters;
  for (int session = 0; session < 2; ++session) {
    if (!run_session(settings, counters)) {
      return 1;
    }
  }
  if (wanted.empty()) {
    return 0;
  }
  const std::string damage = wanted == "clean" ? verify_cache(settings.cache_dir) : "";
  if (counters.local_hits != kKernels || counters.storage_faults != 0 || !damage.empty()) {
    std::fprintf(stderr, "%d hits, %d faults; %s\n", static_cast<int>(counters.local_hits),
                 static_cast<int>(counters.storage_faults), damage.c_str());
    return 1;
  }
  return 0;
}
