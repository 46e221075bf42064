// SPDX-License-Identifier: Apache-2.0
#pragma once

// A compile service whose compiler is the fake worker: kernels by number, what the worker does with each, and what the
// worker log says was done.

#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "codegen/resolve.h"
#include "runtime/compile/compile_service.h"
#include "tests/support/cache.h"

namespace sinter::testing {

/// A kernel of the host by number.
struct NumberedKernel {
  KernelSpec spec;
  BodyPlan plan;
};

inline NumberedKernel numbered_kernel(int number) {
  KernelRequest request;
  request.family = find_family("grouped_gemm").value();
  (void)set_param(request, "n", 16 * (number + 1));
  (void)set_param(request, "k", 64);
  (void)set_param(request, "groups", 2);
  NumberedKernel kernel;
  kernel.spec = resolve(request, {find_arch("x86-64-v3"), false, 0}).value();
  kernel.plan = make_plan(kernel.spec).value();
  return kernel;
}

/// Directories of a machine that has the fake compiler and nothing else.
class FakeMachine {
 public:
  FakeMachine() {
    fs::create_directory(directory_ / "workers");
    fs::create_symlink(SINTER_TEST_SUPPORT_DIR "/fake_worker", directory_ / "workers/sinter-worker-llvm");
  }

  Settings settings() const {
    Settings settings;
    settings.cache_dir = directory_ / "cache";
    settings.worker_dir = directory_ / "workers";
    settings.run_dir = directory_ / "run";
    settings.worker_log = directory_ / "worker.log";
    settings.compile_timeout_s = 20;
    settings.workers = 2;
    return settings;
  }

  /// Lines "PART HOW" for the fake worker.
  void behave(const std::string& lines) const { replace("workers/behaviour", lines); }

  /// Installs a compiler of this identity. Workers that run keep the one that they have.
  void install(const std::string& identity) const { replace("workers/library", identity + "\n"); }

  /// The lines of the worker log.
  std::vector<nlohmann::json> log() const {
    std::vector<nlohmann::json> lines;
    std::ifstream file(directory_ / "worker.log");
    for (std::string line; std::getline(file, line);) {
      lines.push_back(nlohmann::json::parse(line));
    }
    return lines;
  }
  /// How many lines have this outcome.
  std::int64_t logged(std::string_view outcome) const {
    std::int64_t count = 0;
    for (const nlohmann::json& line : log()) {
      count += line.at("outcome") == outcome ? 1 : 0;
    }
    return count;
  }

  std::string path(const std::string& name) const { return directory_ / name; }

 private:
  void replace(const std::string& name, const std::string& text) const {
    const std::string path = directory_ / name;
    std::ofstream(path + ".new") << text;
    fs::rename(path + ".new", path);
  }

  TempDir directory_;
};

/// One process's cache and service on a machine.
class FakeProcess {
 public:
  explicit FakeProcess(const FakeMachine& machine) : FakeProcess(machine.settings()) {}
  explicit FakeProcess(const Settings& settings, RemoteOptions remote = {})
      : log_(LogLevel::kWarn, [this](LogLevel, std::string_view text) { problems_.sink()(std::string(text)); }),
        cache_({.directory = settings.cache_dir, .bundles = settings.bundles, .busy_timeout_ms = 30'000,
                .remote = std::move(remote)},
               problems_.sink()),
        service_(settings, cache_, log_) {}

  Result<CompiledCode> get(int number, CompilePermission permission = {}) {
    const NumberedKernel kernel = numbered_kernel(number);
    return service_.load_or_compile(kernel.spec, kernel.plan, permission);
  }

  CompileService& service() { return service_; }
  KernelCache& cache() { return cache_; }
  std::string problems() const { return problems_.all(); }

 private:
  Problems problems_;
  Log log_;
  KernelCache cache_;
  CompileService service_;
};

}  // namespace sinter::testing
