// SPDX-License-Identifier: Apache-2.0

// sinter run FAMILY: a kernel on the tensors of a safetensors file, checked against float64.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "codegen/resolve.h"
#include "runtime/operands.h"
#include "tools/sinter/command.h"
#include "tools/sinter/safetensors.h"

namespace sinter::cli {

namespace {

struct RunOptions {
  CommonOptions common;
  std::string family, input, output;
  std::string device = "host";
  std::string arch, quant, tile, vskip;
  std::vector<std::string> params;  // NAME=VALUE
  bool allow_unsafe_vskip = false;
  bool golden = false;
  int repeat = 5;
};

struct RunReport {
  const Kernel* kernel = nullptr;
  KernelOrigin first, second;  // as asked for, and asked for again
  double live_ns = 0;
  double launch_ms = 0;
  double tflops = 0;
  ReferenceReport reference;
};

Result<KernelRequest> make_request(const RunOptions& options, std::span<const TensorInfo> tensors) {
  KernelRequest request;
  SINTER_TRY(request.family, find_family(options.family));
  const std::pair<std::string_view, std::string_view> named[] = {{"quant", options.quant}, {"tile", options.tile}, {"vskip", options.vskip}};
  for (const auto& [name, value] : named) {
    if (!value.empty()) {
      SINTER_TRY_VOID(set_param(request, name, value));
    }
  }
  for (const std::string& param : options.params) {
    const auto equals = param.find('=');
    if (equals == std::string::npos) {
      return make_error(ErrorCode::kInvalidRequest, fmt::format("--param '{}' is not of the form NAME=VALUE", param));
    }
    SINTER_TRY_VOID(set_param(request, param.substr(0, equals), std::string_view(param).substr(equals + 1)));
  }
  SINTER_TRY_VOID(all_families()[request.family]->request_from_tensors(request, tensors));
  return request;
}

// How long a request takes whose kernel is live.
double live_nanoseconds(Runtime& runtime, int device, const KernelRequest& request) {
  constexpr int kTimes = 100000;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kTimes; ++i) {
    if (!runtime.get_kernel(device, request)) {
      return 0;
    }
  }
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / kTimes;
}

Result<RunReport> run(Runtime& runtime, int device_index, const RunOptions& options, const SafetensorsFile& file) {
  std::vector<TensorInfo> infos;
  for (const TensorView& tensor : file.tensors()) {
    infos.push_back(tensor.info);
  }
  SINTER_TRY(const KernelRequest request, make_request(options, infos));
  RunReport report;
  SINTER_TRY(report.kernel, runtime.get_kernel(device_index, request, &report.first));
  SINTER_TRY(report.kernel, runtime.get_kernel(device_index, request, &report.second));
  report.live_ns = live_nanoseconds(runtime, device_index, request);

  const Kernel& kernel = *report.kernel;
  const Device& device = runtime.device(device_index);
  SINTER_TRY(Operands operands, Operands::prepare(*device.driver, device.properties.ordinal, kernel.spec(), file.tensors()));
  SINTER_TRY(const double first_ms, operands.timed(kernel));
  SINTER_TRY(report.reference, operands.judge(ReferenceEffort::kSample, /*seed=*/1));

  std::vector<double> times{first_ms};
  if (options.repeat > 1) {
    times.clear();  // the first launch may have warmed something up
  }
  for (int i = 1; i < options.repeat; ++i) {
    SINTER_TRY(const double ms, operands.timed(kernel));
    times.push_back(ms);
  }
  std::ranges::sort(times);
  report.launch_ms = times[times.size() / 2];
  report.tflops = kernel.spec().family->flops(kernel.spec(), file.tensors()) / (report.launch_ms * 1e9);
  if (report.reference.ok && !options.output.empty()) {
    SINTER_TRY_VOID(operands.clear_outputs());
    SINTER_TRY([[maybe_unused]] const double ms, operands.timed(kernel));
    SINTER_TRY(const auto clean, operands.fetch_outputs());
    SINTER_TRY_VOID(write_safetensors(options.output, clean));
  }
  return report;
}

std::string origin_text(const RunReport& report) {
  const CodeObject& code = report.kernel->code();
  if (report.first.code == CodeOrigin::kCompiled) {
    return fmt::format("compiled in {:.0f} ms by {} ({})", report.first.code_ms, code.backend, code.compiler);
  }
  return fmt::format("from {} in {:.3f} ms (compiled once in {:.0f} ms by {})", code_origin_name(report.first.code), report.first.code_ms,
                     code.compile_ms, code.backend);
}

void print_text(const RunOptions& options, const Device& device, const RunReport& report) {
  const Kernel& kernel = *report.kernel;
  const ReferenceReport& reference = report.reference;
  fmt::print("{}\n", kernel.name());
  fmt::print("  device   {}: {} ({}){}\n", device.name, device.properties.name, device.caps.arch->name,
             device.properties.simulated ? ", simulated" : "");
  fmt::print("  choice   {}\n", report.first.choice);
  fmt::print("  code     {}; {} bytes of {}\n", origin_text(report), kernel.code().code.size(), code_format_name(kernel.code().format));
  fmt::print("  load     {:.3f} ms; asked again: live in {:.0f} ns\n", report.first.load_ms, report.live_ns);
  if (!report.first.golden.empty()) {
    fmt::print("  golden   {}\n", report.first.golden);
  }
  fmt::print("  launch   {:.3f} ms (median of {}), {:.2f} TFLOPS\n", report.launch_ms, std::max(1, options.repeat - 1), report.tflops);
  fmt::print("  check    {} sampled elements against float64: relative error {:.2e} (allowed {:.0e}), largest difference {:.3g}: {}\n",
             reference.sampled, reference.relative_error, reference.allowed_relative_error, reference.max_abs_error,
             reference.ok ? "ok" : "WRONG");
  if (!reference.first_wrong.empty()) {
    fmt::print("  wrong    {}\n", reference.first_wrong);
  }
  if (reference.ok && !options.output.empty()) {
    fmt::print("  wrote    {}\n", options.output);
  }
}

void print_json(const RunOptions& options, const Device& device, const RunReport& report) {
  const Kernel& kernel = *report.kernel;
  const ReferenceReport& reference = report.reference;
  const auto number = [](double value) { return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr); };
  nlohmann::ordered_json object{
      {"kernel", kernel.name()},
      {"device", {{"name", device.name}, {"reported_name", device.properties.name}, {"arch", device.caps.arch->name}, {"simulated", device.properties.simulated}}},
      {"choice", report.first.choice},
      {"code", {{"origin", code_origin_name(report.first.code)}, {"ms", report.first.code_ms}, {"backend", kernel.code().backend},
                {"compiler", kernel.code().compiler}, {"bytes", kernel.code().code.size()}, {"compile_ms", kernel.code().compile_ms}}},
      {"golden", report.first.golden.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(report.first.golden)},
      {"load_ms", report.first.load_ms},
      {"live_ns", report.live_ns},
      {"launch_ms", report.launch_ms},
      {"tflops", report.tflops},
      {"check", {{"ok", reference.ok}, {"sampled", reference.sampled}, {"relative_error", number(reference.relative_error)},
                 {"allowed_relative_error", reference.allowed_relative_error}, {"max_abs_error", number(reference.max_abs_error)},
                 {"first_wrong", reference.first_wrong.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(reference.first_wrong)}}},
      {"output", reference.ok && !options.output.empty() ? nlohmann::ordered_json(options.output) : nlohmann::ordered_json(nullptr)},
  };
  fmt::print("{}\n", object.dump(2));
}

int run_command(const RunOptions& options) {
  const bool json = options.common.json;
  const auto directory = std::filesystem::absolute(options.output.empty() ? "x" : options.output).parent_path();
  if (!options.output.empty() && ::access(directory.c_str(), W_OK) != 0) {
    return fail(make_error(ErrorCode::kInvalidRequest, fmt::format("cannot write '{}': {}", options.output, std::strerror(errno))), json);
  }
  auto file = SafetensorsFile::open(options.input);
  if (!file) {
    return fail(file.error(), json);
  }
  auto runtime = make_runtime(options.common, {.allow_unsafe_vskip = options.allow_unsafe_vskip, .golden_check = options.golden});
  if (!runtime) {
    return fail(runtime.error(), json);
  }
  const Arch* arch = nullptr;
  if (!options.arch.empty()) {
    auto parsed = parse_arch(options.arch);
    if (!parsed) {
      return fail(parsed.error(), json);
    }
    arch = *parsed;
  }
  const auto device = (*runtime)->open_device(options.device, arch);
  if (!device) {
    return fail(device.error(), json);
  }
  const auto report = run(**runtime, *device, options, *file);
  if (!report) {
    return fail(report.error(), json);
  }
  (json ? print_json : print_text)(options, (*runtime)->device(*device), *report);
  return report->reference.ok ? kGood : kProblem;
}

}  // namespace

void add_run(CLI::App& app, int& status) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "Run a kernel on tensors from a safetensors file and check the result");
  command->footer(
      "Tensors of grouped_gemm: a [rows, K], b [groups, N, K], row_offsets int32 [groups + 1]; a_scale, b_scale for fp8_block; gives d.\n"
      "Tensors of quantize: x [rows, K]; gives q, scale.\n\n"
      "  sinter sample a=bf16[100,256] b=bf16[4,512,256] row_offsets=lengths(7,0,60,33) --output x.safetensors\n"
      "  sinter run grouped_gemm --input x.safetensors --output d.safetensors --tile 64x64x64");
  command->add_option("family", options->family, "grouped_gemm, grouped_wgrad or quantize")->required();
  command->add_option("--input", options->input, "safetensors file with the operands")->required()->type_name("FILE");
  command->add_option("--output", options->output, "safetensors file for the result; written only if the result is right")->type_name("FILE");
  command->add_option("--device", options->device, "host, cuda:N, hip:N or sim:NAME, a simulated AMD device (default: host)")->type_name("NAME");
  command->add_option("--arch", options->arch, "compile for another arch that the device runs, such as compute_80 (PTX)")->type_name("ARCH");
  command->add_option("--quant", options->quant, "none or fp8_block (default: what the tensors are)")->type_name("MODE");
  command->add_option("--tile", options->tile, "tile shape (default: chosen for the request)")->type_name("MxNxK");
  command->add_option("--vskip", options->vskip, "auto, on or off (default: auto)")->type_name("WORD");
  command->add_option("--param", options->params, "any other parameter of the family, NAME=VALUE")->type_name("NAME=VALUE");
  command->add_option("--repeat", options->repeat, "launches; the median of all but the first is printed (default: 5)")->check(CLI::Range(1, 1000000));
  command->add_flag("--allow-unsafe-vskip", options->allow_unsafe_vskip, "launch vskip kernels on devices that no sourced row calls safe");
  command->add_flag("--golden", options->golden, "first the golden check of SINTER_GOLDEN_CHECK=on: a wrong kernel is refused, and its verdict kept in the cache");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = run_command(*options); });
}

}  // namespace sinter::cli
