// SPDX-License-Identifier: Apache-2.0
#pragma once

// Processes that make golden checks, and kernels that are wrong on purpose.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "codegen/render.h"
#include "codegen/resolve.h"
#include "runtime/runtime.h"

namespace sinter::testing {

using Words = std::vector<std::pair<std::string_view, std::string_view>>;

inline KernelRequest request_of(std::string_view family, const Words& words) {
  KernelRequest request;
  request.family = find_family(family).value();
  for (const auto& [name, value] : words) {
    REQUIRE(set_param(request, name, value));
  }
  return request;
}

/// One process on a cache directory.
struct GoldenProcess {
  std::vector<std::string> warnings;
  std::unique_ptr<Runtime> runtime;
  int device = -1;

  explicit GoldenProcess(Settings settings, const std::string& device_name = "host") {
    settings.worker_dir = SINTER_TEST_WORKER_DIR;
    RuntimeOptions options;
    options.settings = std::move(settings);
    options.log = [this](LogLevel level, std::string_view text) {
      if (level == LogLevel::kWarn) warnings.emplace_back(text);
    };
    runtime = Runtime::create(std::move(options)).value();
    device = runtime->open_device(device_name).value();
  }

  /// Why there is no kernel; empty if there is one.
  std::string get(const KernelRequest& request, KernelOrigin* origin = nullptr) {
    const auto kernel = runtime->get_kernel(device, request, origin);
    return kernel ? "" : kernel.error().message;
  }
  GoldenCheck::Counters golden() const { return runtime->counters().golden; }
};

struct BuiltKernel {
  CacheKey key;
  std::shared_ptr<const CodeObject> code;
};

/// What the compiler makes of the request's source with `from` replaced: other code under the right name.
inline BuiltKernel build_changed(GoldenProcess& process, const KernelRequest& request, const std::string& from, const std::string& to) {
  const KernelSpec spec = choose_kernel(process.runtime->question(process.device, request)).value().spec;
  const BodyPlan plan = make_plan(spec).value();
  CompileService& service = process.runtime->compile_service();
  const Toolchain toolchain = service.toolchain_for(*spec.arch).value();
  GeneratedSource source = render(spec, plan).value();
  const std::size_t at = source.source.find(from);
  INFO(source.source);
  REQUIRE(at != std::string::npos);
  source.source.replace(at, from.size(), to);
  auto code = service.workers().compile({toolchain.backend, spec.arch, source.entry, source.source, std::move(source.headers), toolchain.options});
  INFO((code ? std::string() : code.error().message + code.error().log));
  REQUIRE(code);
  return {cache_key_of(spec, plan, toolchain).value(), std::make_shared<const CodeObject>(std::move(*code))};
}

}  // namespace sinter::testing
