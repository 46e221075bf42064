// SPDX-License-Identifier: Apache-2.0

// sinter check: may this kernel run on that device, which need not be here? Every reason, with numbers and sources.

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "codegen/resolve.h"
#include "runtime/caps/choose.h"
#include "runtime/caps/report.h"
#include "runtime/caps/tuning_device.h"
#include "runtime/caps/validate.h"
#include "tools/sinter/command.h"
#include "tools/sinter/request_options.h"

namespace sinter::cli {

namespace {

struct CheckOptions {
  CommonOptions common;
  RequestOptions request;
  std::string device, driver_version;
  bool compile = false;
  bool explain = false;
  bool allow_unsafe_vskip = false;
};

Result<KernelRequest> request_to_check(const CheckOptions& options) {
  SINTER_TRY(KernelRequest request, make_request(options.request));
  // A check is about one layer; how many experts it has seldom matters to the answer.
  const int groups = all_families()[request.family]->param_index("groups");
  if (groups >= 0 && request.values[static_cast<std::size_t>(groups)] == kUnset) {
    SINTER_TRY_VOID(set_param(request, "groups", 64));
  }
  return request;
}

// What the arch itself rules out is an answer of `check`; a request that makes no sense anywhere stays an error.
Result<CheckReport> refused(const DeviceCaps& caps, std::string spec, const Error& error) {
  if (error.code != ErrorCode::kUnsupported) {
    return error;
  }
  return CheckReport{caps.name, std::string(caps.arch->name), std::move(spec), {{CheckStep::kResolve, "arch", false, error.message}}};
}

// `explanation` gets how the kernel was chosen, if that was asked for.
Result<CheckReport> check(Runtime& runtime, const CheckOptions& options, std::string& explanation) {
  SINTER_TRY(const DeviceCaps* row, find_device_caps(runtime.capability_table(), options.device));
  DeviceCaps caps = *row;
  // The host is always here: what was measured on it goes by its processor's name and the cores of this process.
  const DeviceProperties* live = nullptr;
  if (caps.arch->vendor == Vendor::kHost) {
    SINTER_TRY(const int host, runtime.open_device("host"));
    live = &runtime.device(host).properties;
    caps.unit_count = runtime.device(host).caps.unit_count;
    caps.memory_bytes = runtime.device(host).caps.memory_bytes;
  }
  caps.driver_version = options.driver_version;
  SINTER_TRY(const KernelRequest request, request_to_check(options));
  const auto choice = choose_kernel({.request = request,
                                     .target = resolve_target(caps, *caps.arch, runtime.settings()),
                                     .caps = caps,
                                     .driver_version = options.driver_version,
                                     .quirks = runtime.quirks(),
                                     .exempt_vskip = options.allow_unsafe_vskip,
                                     .all = options.explain,
                                     .tuned = &runtime.tuned(),
                                     .device = tuning_device(caps, *caps.arch, live)});
  if (!choice) {
    return refused(caps, options.request.family, choice.error());
  }
  if (options.explain) {
    explanation = options.common.json ? to_json(*choice) : to_text(*choice, caps);
  }
  const KernelSpec& spec = choice->spec;
  const auto plan = make_plan(spec);
  if (!plan) {
    return refused(caps, spec.name(), plan.error());
  }
  CheckQuestion question{spec, *plan, caps, options.driver_version, runtime.quirks(), options.allow_unsafe_vskip};
  CompiledCode compiled;
  if (options.compile) {
    SINTER_TRY(compiled, runtime.compile_service().load_or_compile(spec, *plan));
    question.code = compiled.code.get();
  }
  return make_check_report(question);
}

int check_command(const CheckOptions& options) {
  const bool json = options.common.json;
  auto runtime = make_runtime(options.common);
  if (!runtime) {
    return fail(runtime.error(), json);
  }
  std::string explanation;
  const auto report = check(**runtime, options, explanation);
  if (!report) {
    return fail(report.error(), json);
  }
  if (json && !explanation.empty()) {
    auto document = nlohmann::ordered_json::parse(to_json(*report));
    document["choice"] = nlohmann::ordered_json::parse(explanation);
    fmt::print("{}\n", document.dump(2));
  } else {
    fmt::print("{}{}\n", explanation, json ? to_json(*report) : to_text(*report));
  }
  return report->ok() ? kGood : kProblem;
}

}  // namespace

void add_check(CLI::App& app, int& status) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* command = app.add_subcommand("check", "Say whether a kernel may run on a device that need not be here, and why");
  command->footer("  sinter check --device MI308X --family grouped_gemm --quant fp8_block --n 2816 --k 2048 --tile 128x128x128 --vskip on");
  command->add_option("--device", options->device, "a row of `sinter devices`")->required()->type_name("NAME");
  command->add_option("--family", options->request.family, "grouped_gemm, grouped_wgrad or quantize")->required();
  add_request_options(*command, options->request);
  command->add_option("--driver", options->driver_version, "driver version to check quirks against (default: unknown)")->type_name("VERSION");
  command->add_flag("--explain", options->explain, "also print how the kernel was chosen: candidates, reasons, rounds, occupancy, waste");
  command->add_flag("--compile", options->compile, "compile the kernel and check the binary too");
  command->add_flag("--allow-unsafe-vskip", options->allow_unsafe_vskip, "accept vskip on devices that no sourced row calls safe");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = check_command(*options); });
}

}  // namespace sinter::cli
