// SPDX-License-Identifier: Apache-2.0

// sinter explain: what a kernel name of AITER says, whether a binary keeps it, and where it can run; or what an error
// number means.

#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/read_file.h"
#include "runtime/explain/aiter_report.h"
#include "runtime/explain/error_numbers.h"
#include "tools/sinter/command.h"

namespace sinter::cli {

namespace {

struct ExplainOptions {
  CommonOptions common;
  std::string subject, code_object, device, driver_version;
};

bool is_error(std::string_view subject) {
  const bool is_number = !subject.empty() && subject.find_first_not_of("0123456789") == std::string_view::npos;
  return is_number || subject.starts_with("hip") || subject.starts_with("cuda") || subject.starts_with("CUDA_");
}

// A file's name stands for the symbol inside, which is mangled.
std::string symbol_of(const AiterName& name) {
  const std::string plain = plain_name(name);
  const bool is_mangled = name.mangled_length.has_value() || !name.grammar->id.starts_with("asm");
  return is_mangled ? to_string(name) : fmt::format("_ZN5aiter{}{}E", plain.size(), plain);
}

// The names under which a file may hold the kernel: as asked, and for a name without mangling the mangled one.
Result<CodeFacts> read_facts(Runtime& runtime, const AiterName& name, const std::string& path) {
  SINTER_TRY(const std::string bytes, read_text_file(path));
  std::vector<std::byte> code(bytes.size());
  std::transform(bytes.begin(), bytes.end(), code.begin(), [](char c) { return static_cast<std::byte>(c); });
  WorkerPool& workers = runtime.compile_service().workers();
  auto reply = workers.inspect(CodeFormat::kHsaco, symbol_of(name), code);
  if (!reply && !name.mangled_length) {
    if (auto plain = workers.inspect(CodeFormat::kHsaco, plain_name(name), code)) {
      reply = std::move(plain);
    }
  }
  if (!reply) {
    Error error = std::move(reply).error();
    error.message = fmt::format("{}: {}", path, error.message);
    return error;
  }
  return code_facts_from_json(reply->facts);
}

Result<std::vector<DeviceCaps>> devices_of(const Runtime& runtime, const ExplainOptions& options) {
  std::vector<DeviceCaps> devices = runtime.capability_table();
  if (!options.device.empty()) {
    SINTER_TRY(const DeviceCaps* caps, find_device_caps(runtime.capability_table(), options.device));
    devices = {*caps};
  }
  for (DeviceCaps& caps : devices) {
    caps.driver_version = options.driver_version;
  }
  return devices;
}

int explain_error(const ExplainOptions& options) {
  const auto error = find_error_number(options.subject);
  if (!error) {
    return fail(error.error(), options.common.json);
  }
  fmt::print("{}", options.common.json ? to_json(*error) : to_text(*error));
  return kGood;
}

int explain_name(const ExplainOptions& options) {
  const bool json = options.common.json;
  auto name = parse_aiter_name(options.subject);
  if (!name) {
    return fail(name.error(), json);
  }
  auto runtime = make_runtime(options.common);
  if (!runtime) {
    return fail(runtime.error(), json);
  }
  const auto devices = devices_of(**runtime, options);
  if (!devices) {
    return fail(devices.error(), json);
  }
  CodeFacts facts;
  if (!options.code_object.empty()) {
    auto read = read_facts(**runtime, *name, options.code_object);
    if (!read) {
      return fail(read.error(), json);
    }
    facts = *std::move(read);
  }
  const AiterReport report =
      make_aiter_report(options.subject, *std::move(name), options.code_object.empty() ? nullptr : &facts, *devices, (*runtime)->quirks());
  fmt::print("{}", json ? to_json(report) : to_text(report));
  return report.is_honest() ? kGood : kProblem;
}

int explain_command(const ExplainOptions& options) {
  return is_error(options.subject) ? explain_error(options) : explain_name(options);
}

}  // namespace

void add_explain(CLI::App& app, int& status) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* command = app.add_subcommand("explain", "Read a kernel name of AITER, or an error number of CUDA and HIP");
  command->footer(
      "A name says what its authors meant. --code-object compares it with the binary: exit status 1 if it lies.\n\n"
      "  sinter explain _ZN5aiter50fmoe_bf16_blockscaleFp8_g1u1_vs_silu_1tg_ps_32x256E\n"
      "  sinter explain fmoe_stage1_bf16_pertokenFp8_g1u1_64x128_2tg_pf3 --code-object kernel.co --device MI300X\n"
      "  sinter explain 700");
  command->add_option("subject", options->subject, "a symbol or a name from a CSV; or an error's number or name")->required()->type_name("SYMBOL");
  command->add_option("--code-object", options->code_object, "compare the name with this AMD code object")->type_name("FILE");
  command->add_option("--device", options->device, "one row of `sinter devices` (default: all)")->type_name("NAME");
  command->add_option("--driver", options->driver_version, "the driver's version, such as 'amdgpu 6.10.5' (default: unknown)")
      ->type_name("VERSION");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = explain_command(*options); });
}

}  // namespace sinter::cli
