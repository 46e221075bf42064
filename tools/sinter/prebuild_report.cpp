// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/prebuild_report.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cache/bundle.h"
#include "tools/sinter/prebuild_progress.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;
using State = BuildResult::State;

/// More names of one reason are counted and not printed.
constexpr std::size_t kNamesPrinted = 5;

bool is_failure(const BuildResult& result) { return result.state == State::kFailed || result.state == State::kRefused; }

/// The reason without the kernel's own name, so that equal reasons are equal texts.
std::string reason_of(const BuildResult& result) {
  std::string reason = result.error.message;
  for (std::size_t at; (at = reason.find(result.spec)) != std::string::npos;) {
    reason.replace(at, result.spec.size(), "the kernel");
  }
  return reason;
}

void print_failures(const std::vector<BuildResult>& results) {
  std::vector<std::pair<std::string, std::vector<const BuildResult*>>> reasons;  // in the order in which they came up
  std::map<std::string, std::size_t> numbers;
  for (const BuildResult& result : results) {
    if (!is_failure(result)) {
      continue;
    }
    std::string reason = reason_of(result);
    const auto [at, is_new] = numbers.try_emplace(reason, reasons.size());
    if (is_new) {
      reasons.push_back({std::move(reason), {}});
    }
    reasons[at->second].second.push_back(&result);
  }
  for (const auto& [reason, failed] : reasons) {
    fmt::print("{} failed: {}\n", failed.size(), reason);
    for (std::size_t i = 0; i < std::min(failed.size(), kNamesPrinted); ++i) {
      fmt::print("  {}\n", failed[i]->spec);
    }
    if (failed.size() > kNamesPrinted) {
      fmt::print("  and {} more (--json names all)\n", failed.size() - kNamesPrinted);
    }
    if (!failed.front()->error.log.empty()) {
      fmt::print("the compiler's log of the first:\n{}\n", failed.front()->error.log);
    }
  }
}

std::string_view state_name(State state) {
  switch (state) {
    case State::kNotTried:
      return "not tried";
    case State::kBuilt:
      return "built";
    case State::kFailed:
      return "failed";
    case State::kRefused:
      return "refused";
  }
  return "unknown";
}

ordered_json to_json_object(const BuildResult& result) {
  ordered_json object{{"spec", result.spec},
                      {"arch", result.arch->name},
                      {"ok", result.state == State::kBuilt},
                      {"state", state_name(result.state)},
                      {"ms", result.ms}};
  if (result.state == State::kBuilt) {
    object.update({{"key", to_hex(result.key)}, {"origin", code_origin_name(result.origin)}, {"bytes", result.bytes}});
  } else if (is_failure(result)) {
    object["error"] = {
        {"code", error_code_name(result.error.code)}, {"message", result.error.message}, {"log", result.error.log}};
  }
  return object;
}

ordered_json to_json_object(const WrittenBundle& bundle) {
  auto signers = ordered_json::array();
  for (const Signature& signature : bundle.manifest.signatures) {
    signers.push_back(to_hex(signature.key));
  }
  const ManifestHeader& header = bundle.manifest.header;
  return {{"path", bundle.path},
          {"arch", header.arch},
          {"entries", header.entries},
          {"bytes", header.file_bytes},
          {"sha256", to_hex(header.file_sha256)},
          {"signed_by", std::move(signers)}};
}

}  // namespace

std::size_t BuildReport::count(State state) const {
  return static_cast<std::size_t>(std::ranges::count(results, state, &BuildResult::state));
}

std::size_t BuildReport::compiled() const {
  return static_cast<std::size_t>(std::ranges::count_if(results, [](const BuildResult& result) {
    return result.state == State::kBuilt && result.origin == CodeOrigin::kCompiled;
  }));
}

void print_report(const BuildReport& report) {
  print_failures(report.results);
  for (const WrittenBundle& bundle : report.bundles) {
    const ManifestHeader& header = bundle.manifest.header;
    fmt::print("{}: {} kernels for {}, {} bytes, {}\n", bundle.path, header.entries, header.arch, header.file_bytes,
               bundle.manifest.signatures.empty() ? "not signed"
                                                  : "signed by " + to_hex(bundle.manifest.signatures.front().key));
  }
  const std::size_t built = report.count(State::kBuilt), not_tried = report.count(State::kNotTried);
  fmt::print(
      "{} kernels: {} compiled, {} were there, {} failed{} in {}\n", report.results.size(), report.compiled(),
      built - report.compiled(), report.count(State::kFailed) + report.count(State::kRefused),
      not_tried == 0 ? "" : fmt::format(", {} not tried after the first failure (--keep-going tries them),", not_tried),
      duration_text(report.seconds));
}

void print_report_json(const BuildReport& report) {
  auto kernels = ordered_json::array();
  for (const BuildResult& result : report.results) {
    kernels.push_back(to_json_object(result));
  }
  auto bundles = ordered_json::array();
  for (const WrittenBundle& bundle : report.bundles) {
    bundles.push_back(to_json_object(bundle));
  }
  const ordered_json document{{"kernels", std::move(kernels)},
                              {"summary",
                               {{"kernels", report.results.size()},
                                {"compiled", report.compiled()},
                                {"present", report.count(State::kBuilt) - report.compiled()},
                                {"failed", report.count(State::kFailed)},
                                {"refused", report.count(State::kRefused)},
                                {"not_tried", report.count(State::kNotTried)},
                                {"seconds", report.seconds}}},
                              {"problems", report.problems},
                              {"bundles", std::move(bundles)}};
  fmt::print("{}\n", document.dump(2, ' ', false, ordered_json::error_handler_t::replace));
}

}  // namespace sinter::cli
