// SPDX-License-Identifier: Apache-2.0
// Many processes start at once and ask for the same missing kernels, each in an order of its own: all get the right
// code, and each kernel is compiled once. Compiles are counted twice: by the lines of SINTER_WORKER_LOG and by what the
// compilers wrote themselves.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/settings.h"
#include "cache/kernel_cache.h"
#include "runtime/compile/compile_service.h"
#include "tests/faults/arguments.h"
#include "tests/faults/compiler_directory.h"
#include "tests/faults/fault_kernels.h"

using namespace sinter;
using namespace sinter::faults;

namespace {

/// One process of the storm: 0 if every kernel was right.
int ask_for_all(const Settings& settings, int kernels, std::uint32_t seed) {
  KernelCache cache({.directory = settings.cache_dir, .busy_timeout_ms = 5000}, nullptr);
  const Log log(LogLevel::kOff, [](LogLevel, std::string_view) {});
  CompileService service(settings, cache, log);
  std::vector<int> order;
  for (int i = 0; i < kernels; ++i) {
    order.push_back(i);
  }
  std::shuffle(order.begin(), order.end(), std::mt19937(seed));
  for (const int number : order) {
    const FaultKernel kernel = fault_kernel(number).value();
    const auto compiled = service.load_or_compile(kernel.spec, kernel.plan);
    if (!compiled) {
      std::fprintf(stderr, "%s\n", compiled.error().message.c_str());
      return 1;
    }
    if (compiled->code->code != fault_code(kernel.spec.name())) {
      std::fprintf(stderr, "WRONG: the code of %s\n", kernel.spec.name().c_str());
      return 2;
    }
  }
  return 0;
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, {{"processes", 64}, {"kernels", 8}, {"compile-ms", 50}, {"bound-s", 120}});
  const CompilerDirectory compilers;
  compilers.behave("* sleep " + std::to_string(arguments["compile-ms"]));
  const testing::TempDir directory;
  Settings settings;
  settings.cache_dir = directory / "cache";
  settings.worker_dir = compilers.path();
  settings.worker_log = directory / "log";
  settings.run_dir = directory / "run";
  const int kernels = static_cast<int>(arguments["kernels"]);

  // All wait for the end of one pipe.
  int gate[2];
  if (::pipe(gate) != 0) {
    return 2;
  }
  std::mt19937 random(static_cast<std::uint32_t>(arguments["seed"]));
  std::vector<pid_t> processes;
  for (int i = 0; i < arguments["processes"]; ++i) {
    const std::uint32_t seed = static_cast<std::uint32_t>(random());
    processes.push_back(testing::start_child([&] {
      ::alarm(static_cast<unsigned>(arguments["bound-s"]));
      ::close(gate[1]);
      char byte;
      (void)!::read(gate[0], &byte, 1);
      return ask_for_all(settings, kernels, seed);
    }));
  }
  const auto start = std::chrono::steady_clock::now();
  ::close(gate[1]);
  int failed = 0;
  for (const pid_t process : processes) {
    const int status = testing::wait_for(process);
    failed += status == 0 ? 0 : 1;
    if (status == -SIGALRM) {
      std::printf("a process was stuck for %lld s\n", static_cast<long long>(arguments["bound-s"]));
    }
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const std::size_t logged = lines_of(settings.worker_log).size(), compiled = compilers.compiles().size();
  std::printf("%lld processes, %d kernels: %zu compiles by the log, %zu by the compilers, %d failed processes, %.2f s\n",
              static_cast<long long>(arguments["processes"]), kernels, logged, compiled, failed, elapsed.count());
  const auto wanted = static_cast<std::size_t>(kernels);
  return failed == 0 && logged == wanted && compiled == wanted ? 0 : 1;
}
