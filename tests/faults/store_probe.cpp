// SPDX-License-Identifier: Apache-2.0
// A small process as a cache sees it: opens, misses, stores, hits, opens again. `store_probe DIRECTORY` asks for a few
// kernels and ends with 0 if every request got the right bytes, however the storage behaved; a miss is answered by
// "compiling", as a runtime does. `store_probe DIRECTORY works` also insists that all is stored in the end, without a
// fault of the storage; `store_probe DIRECTORY clean` that the database passes the checks of `sinter cache verify`, too.

#include <cstdio>
#include <string>

#include "cache/kernel_cache.h"
#include "tests/faults/verify_cache.h"
#include "tests/support/cache.h"

using namespace sinter;
using namespace sinter::testing;

namespace {

constexpr int kKernels = 4;
/// One that fits into a page, some that fill several.
constexpr std::size_t kBytes[kKernels] = {500, 3000, 9000, 30000};

/// One process's life. False after a wrong load.
bool run_session(const std::string& directory, Problems& problems, CacheCounters& counters) {
  KernelCache cache({.directory = directory, .memory_bytes = 0, .busy_timeout_ms = 20}, problems.sink());
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kKernels; ++i) {
      const auto hit = cache.lookup(key_of(i));
      if (!hit) {
        cache.store(key_of(i), code_of(i, kBytes[i]));
      } else if (!same_code(*hit->code, *code_of(i, kBytes[i]))) {
        std::fprintf(stderr, "wrong bytes of kernel %d\n", i);
        return false;
      }
    }
    cache.remember_compiler_identity("stamp", "nvrtc 13.0");
    if (const auto identity = cache.compiler_identity("stamp"); identity && *identity != "nvrtc 13.0") {
      std::fprintf(stderr, "a wrong identity: %s\n", identity->c_str());
      return false;
    }
    for (const CacheKey& key : cache.keys_of_spec(key_of(1).field(kSpecKeyField), "sm_90a")) {
      if (key.digest != key_of(1).digest) {
        std::fprintf(stderr, "a wrong key for a spec\n");
        return false;
      }
    }
  }
  counters = cache.counters();
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "store_probe DIRECTORY [works|clean]\n");
    return 2;
  }
  const std::string directory = argv[1];
  const std::string wanted = argc > 2 ? argv[2] : "";
  Problems problems;
  CacheCounters counters;
  for (int session = 0; session < 2; ++session) {
    if (!run_session(directory, problems, counters)) {
      return 1;
    }
  }
  std::fprintf(stderr, "%s", problems.all().c_str());
  if (wanted.empty()) {
    return 0;
  }
  const std::string damage = wanted == "clean" ? faults::verify_cache(directory) : "";
  if (counters.local_hits != 2 * kKernels || counters.storage_faults != 0 || !damage.empty()) {
    std::fprintf(stderr, "%d hits, %d faults; %s\n", static_cast<int>(counters.local_hits),
                 static_cast<int>(counters.storage_faults), damage.c_str());
    return 1;
  }
  return 0;
}
