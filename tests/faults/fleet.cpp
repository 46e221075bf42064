// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/fleet.h"

#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>
#include <thread>

#include "base/file.h"
#include "base/settings.h"
#include "cache/kernel_cache.h"
#include "runtime/compile/compile_service.h"
#include "tests/faults/fault_kernels.h"
#include "tests/faults/verify_cache.h"
#include "tests/support/cache.h"

namespace sinter::faults {
namespace {

constexpr int kStoredKeys = 64;
/// Kernels that are asked for at one time; several compilers race for each.
constexpr int kKernelsPerGeneration = 6;
/// A connection that is used this often is left, so that opening is killed as well.
constexpr int kOperationsPerOpening = 40;

/// Marks an operation, so that a member that is stuck is noticed.
class Operation {
 public:
  explicit Operation(MemberState& state) : state_(state) { state_.began_ms = steady_ms(); }
  ~Operation() {
    state_.began_ms = 0;
    ++state_.operations;
  }
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

 private:
  MemberState& state_;
};

class Member {
 public:
  Member(std::size_t place, std::uint32_t seed, const FleetPaths& paths, FleetState& fleet)
      : fleet_(fleet), state_(fleet.members[place]), random_(seed), paths_(paths) {}

  void write_entries() {
    const auto cache = open();
    for (int i = 0; i < kOperationsPerOpening; ++i) {
      const int number = static_cast<int>(random_() % kStoredKeys);
      {
        const Operation operation(state_);
        cache->store(testing::key_of(number), testing::code_of(number, 200 + number * 300));
      }
      look_up(*cache, static_cast<int>(random_() % kStoredKeys));
      if (random_() % 8 == 0) {
        const Operation operation(state_);
        cache->remember_compiler_identity("stamp", "nvrtc");
        if (const auto identity = cache->compiler_identity("stamp"); identity && *identity != "nvrtc") {
          wrong("an identity: " + *identity);
        }
      }
    }
    count(*cache);
  }

  void read_entries() {
    const auto cache = open();
    for (int i = 0; i < kOperationsPerOpening; ++i) {
      look_up(*cache, static_cast<int>(random_() % kStoredKeys));
    }
    count(*cache);
  }

  void compile_kernels() {
    const auto cache = open();
    Settings settings;
    settings.cache_dir = paths_.cache;
    settings.worker_dir = paths_.compilers;
    settings.run_dir = paths_.run;
    settings.compile_timeout_s = 20;
    const Log log(LogLevel::kOff, [](LogLevel, std::string_view) {});
    CompileService service(settings, *cache, log);
    for (int i = 0; i < kOperationsPerOpening; ++i) {
      const auto newest = static_cast<int>(fleet_.generation.load() * kKernelsPerGeneration);
      const auto kernel = fault_kernel((newest + static_cast<int>(random_() % kKernelsPerGeneration)) % 100'000);
      if (!kernel) {
        wrong("no kernel: " + kernel.error().message);
        return;
      }
      state_.compiling = true;
      {
        const Operation operation(state_);
        const auto compiled = service.load_or_compile(kernel->spec, kernel->plan);
        if (!compiled) {
          // Both workers of a kernel may have been killed. What a peer made of that is its own failure.
          ++state_.failures;
        } else if (compiled->code->code != fault_code(kernel->spec.name()) || compiled->code->entry != kernel->spec.name()) {
          wrong("the code of " + kernel->spec.name());
        }
      }
      state_.compiling = false;
    }
    state_.compiles += service.compiles();
    count(*cache);
  }

  void inspect() {
    {
      const Operation operation(state_);
      const auto directory = file_id(paths_.cache);
      const std::string problem = verify_cache(paths_.cache);
      const bool was_moved = !directory || file_id(paths_.cache) != directory;
      if (!problem.empty() && !was_moved && !paths_.files_vanish) {
        wrong("verify: " + problem);
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }

 private:
  std::unique_ptr<KernelCache> open() {
    return std::make_unique<KernelCache>(CacheOptions{.directory = paths_.cache, .memory_bytes = 0},
                                         [this](const std::string& problem) {
                                           if (problem.find("damaged") != std::string::npos) {
                                             fleet_.complain(problem);
                                           }
                                         });
  }

  void look_up(KernelCache& cache, int number) {
    const Operation operation(state_);
    const auto hit = cache.lookup(testing::key_of(number));
    if (hit && !testing::same_code(*hit->code, *testing::code_of(number, 200 + number * 300))) {
      wrong("the bytes of entry " + std::to_string(number));
    }
  }

  void count(const KernelCache& cache) {
    const CacheCounters counters = cache.counters();
    state_.hits += counters.local_hits;
    state_.misses += counters.misses;
    state_.stores += counters.stores;
    state_.faults += counters.storage_faults;
    state_.bad += counters.bad_entries;
  }

  void wrong(const std::string& what) {
    ++fleet_.wrong;
    fleet_.complain("WRONG: " + what);
  }

  FleetState& fleet_;
  MemberState& state_;
  std::mt19937 random_;
  const FleetPaths& paths_;
};

}  // namespace

void FleetState::complain(const std::string& text) {
  if (!has_note.exchange(true)) {
    text.copy(note.data(), note.size() - 1);
  }
}

std::int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void run_member(std::size_t place, std::uint32_t seed, const FleetPaths& paths, FleetState& state) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // A fleet without its killer goes.
  Member member(place, seed, paths, state);
  for (;;) {
    switch (kRoles[place]) {
      case Role::kWriter: member.write_entries(); break;
      case Role::kCompiler: member.compile_kernels(); break;
      case Role::kReader: member.read_entries(); break;
      case Role::kInspector: member.inspect(); break;
    }
  }
}

}  // namespace sinter::faults
