// SPDX-License-Identifier: Apache-2.0

// sinter coverage: which declared or traced kernels are there, for each arch and device, and the certificate that lets
// a restart skip its warm-up. Compiles nothing.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/read_file.h"
#include "tools/sinter/certificate.h"
#include "tools/sinter/command.h"
#include "tools/sinter/coverage.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;

struct CoverageOptions {
  CommonOptions common;
  SelectionOptions selection;
  std::string certificate;
  bool write = false;
};

/// What became of the certificate, a sentence; empty: none was asked for.
struct CertificateAnswer {
  bool valid = true;
  std::vector<std::string> texts;
};

Result<CertificateAnswer> answer_certificate(const CoverageOptions& options, const Coverage& coverage,
                                             const Selection& selection, const Settings& settings) {
  CertificateAnswer answer;
  if (options.certificate.empty()) {
    return answer;
  }
  const std::string& file = options.certificate;
  if (coverage.missing() > 0) {
    answer.valid = false;
    answer.texts.push_back(
        fmt::format("no certificate is {} while kernels are missing", options.write ? "written" : "valid"));
    return answer;
  }
  const Certificate now = certificate_of(coverage, selection, settings);
  if (options.write) {
    SINTER_TRY_VOID(write_certificate(file, now));
    answer.texts.push_back(fmt::format("{} is written", file));
    return answer;
  }
  if (!file_id(file)) {
    answer.valid = false;
    answer.texts.push_back(fmt::format("there is no {}: warm up, then write it with --write", file));
    return answer;
  }
  SINTER_TRY(const std::string text, read_text_file(file));
  SINTER_TRY(const Certificate then, parse_certificate(text, file));
  answer.texts = certificate_differences(then, now);
  answer.valid = answer.texts.empty();
  answer.texts.push_back(answer.valid ? fmt::format("{} is valid: the warm-up can be skipped", file)
                                      : fmt::format("{} is not valid: warm up, then write it anew with --write", file));
  return answer;
}

// --- telling ---

void print_text(const Coverage& coverage, const Selection& selection, const CertificateAnswer& certificate) {
  fmt::print("{:<22} {:<22} {:>8} {:>8} {:>8} {:>8}\n", "arch", "device", "declared", "present", "missing", "refused");
  for (const DeviceCount& count : coverage.devices) {
    fmt::print("{:<22} {:<22} {:>8} {:>8} {:>8} {:>8}\n", count.arch, count.device, count.declared, count.present,
               count.declared - count.present, count.refused);
  }
  for (const Finding& finding : coverage.findings) {
    if (!finding.present) {
      fmt::print("missing: {} ({}): {}\n", finding.kernel->name, finding.kernel->where, finding.reason);
    }
  }
  for (const RefusedKernel& refused : selection.plan.refused) {
    fmt::print("refused{}: {}\n", refused.device.empty() ? "" : " on " + refused.device, refused.error.message);
  }
  for (const std::string& text : certificate.texts) {
    fmt::print("certificate: {}\n", text);
  }
  fmt::print("{} of {} kernels are there\n", coverage.findings.size() - coverage.missing(), coverage.findings.size());
}

void print_json(const Coverage& coverage, const Selection& selection, const CertificateAnswer* certificate) {
  auto devices = ordered_json::array();
  for (const DeviceCount& count : coverage.devices) {
    devices.push_back({{"arch", count.arch},
                       {"device", count.device},
                       {"declared", count.declared},
                       {"present", count.present},
                       {"missing", count.declared - count.present},
                       {"refused", count.refused}});
  }
  auto kernels = ordered_json::array();
  for (const Finding& finding : coverage.findings) {
    ordered_json kernel{{"spec", finding.kernel->name},
                        {"arch", finding.kernel->spec.arch->name},
                        {"devices", finding.kernel->devices},
                        {"where", finding.kernel->where},
                        {"present", finding.present}};
    if (finding.present) {
      kernel.update({{"key", to_hex(finding.key)}, {"origin", code_origin_name(finding.origin)}});
    } else {
      kernel["reason"] = finding.reason;
    }
    kernels.push_back(std::move(kernel));
  }
  auto refused = ordered_json::array();
  for (const RefusedKernel& one : selection.plan.refused) {
    refused.push_back(
        {{"what", one.what}, {"arch", one.arch->name}, {"device", one.device}, {"reason", one.error.message}});
  }
  ordered_json document{{"complete", coverage.missing() == 0},
                        {"devices", std::move(devices)},
                        {"kernels", std::move(kernels)},
                        {"refused", std::move(refused)}};
  if (certificate != nullptr) {
    document["certificate"] = {{"valid", certificate->valid}, {"texts", certificate->texts}};
  }
  fmt::print("{}\n", document.dump(2, ' ', false, ordered_json::error_handler_t::replace));
}

Result<Settings> coverage_settings(const CoverageOptions& options) {
  SINTER_TRY(Settings settings, settings_for(options.common));
  settings.compile = CompileMode::kOff;
  settings.remote.clear();  // it may be out of reach when it is needed
  return settings;
}

Result<void> check_certificate_options(const CoverageOptions& options) {
  if (options.write && options.certificate.empty()) {
    return make_error(ErrorCode::kInvalidRequest, "--write is about a certificate: give --certificate FILE");
  }
  if (!options.certificate.empty() && (options.selection.devices.empty() || !options.selection.archs.empty())) {
    return make_error(
        ErrorCode::kInvalidRequest,
        "a certificate is about devices and not archs: give --device cuda:0, hip:0 or host, or a row with --driver");
  }
  return {};
}

int run_coverage(const CoverageOptions& options) {
  const bool json = options.common.json;
  if (const auto checked = check_certificate_options(options); !checked) {
    return fail(checked.error(), json);
  }
  auto settings = coverage_settings(options);
  if (!settings) {
    return fail(settings.error(), json);
  }
  auto runtime = Runtime::create({std::move(*settings), {}, false});
  if (!runtime) {
    return fail(runtime.error(), json);
  }
  const auto selection = select_kernels(**runtime, (*runtime)->tuned(), options.selection);
  if (!selection) {
    return fail(selection.error(), json);
  }
  for (const std::string& note : selection->notes) {
    fmt::print(stderr, "sinter: {}\n", note);
  }
  const Coverage coverage = measure_coverage(**runtime, *selection);
  const auto certificate = answer_certificate(options, coverage, *selection, (*runtime)->settings());
  if (!certificate) {
    return fail(certificate.error(), json);
  }
  if (json) {
    print_json(coverage, *selection, options.certificate.empty() ? nullptr : &*certificate);
  } else {
    print_text(coverage, *selection, *certificate);
  }
  return coverage.missing() == 0 && certificate->valid ? kGood : kProblem;
}

}  // namespace

void add_coverage(CLI::App& app, int& status) {
  auto options = std::make_shared<CoverageOptions>();
  CLI::App* command =
      app.add_subcommand("coverage", "Say which declared or traced kernels are there, for each arch and device");
  command->footer(
      "Looks into the cache directory and the bundles of SINTER_BUNDLES, as a process with SINTER_COMPILE=off does.\n\n"
      "  sinter coverage --manifest m.json --arch gfx942,sm_90a\n"
      "  sinter coverage --trace requests.jsonl --json\n"
      "  sinter coverage --manifest m.json --device cuda:0 --certificate warm.json          # exit 0: skip the "
      "warm-up\n"
      "  sinter coverage --manifest m.json --device cuda:0 --certificate warm.json --write  # after the warm-up\n\n"
      "Exit status: 0 all is there; 1 a kernel is missing or the certificate is not valid; 2 malformed input.");
  add_selection_options(*command, options->selection);
  command->add_option("--certificate", options->certificate, "say whether what the certificate saw is still so")
      ->type_name("FILE");
  command->add_flag("--write", options->write, "write the certificate instead, if nothing is missing");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = run_coverage(*options); });
}

}  // namespace sinter::cli
