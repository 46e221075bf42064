// SPDX-License-Identifier: Apache-2.0

// sinter doctor: what works on this machine, and the command that makes the rest work.

#include "tools/sinter/doctor.h"

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/version.h"
#include "tools/sinter/command.h"
#include "tools/sinter/doctor_remote.h"

namespace sinter::cli {

namespace {

std::string_view health_name(Health health) {
  switch (health) {
    case Health::kHealthy: return "good";
    case Health::kNote: return "note";
    case Health::kBroken: return "BROKEN";
  }
  return "?";
}

void print_text(const Diagnoses& findings) {
  std::int64_t broken = 0;
  for (const Diagnosis& finding : findings) {
    broken += finding.health == Health::kBroken ? 1 : 0;
    fmt::print("{:<6}  {:<18} {}\n", health_name(finding.health), finding.subject, finding.detail);
    if (!finding.mend.empty()) {
      fmt::print("{:<6}  {:<18} -> {}\n", "", "", finding.mend);
    }
  }
  fmt::print("{}\n", broken == 0 ? "nothing is broken" : fmt::format("{} broken", broken));
}

void print_json(const Diagnoses& findings) {
  auto array = nlohmann::ordered_json::array();
  for (const Diagnosis& finding : findings) {
    array.push_back(
        {{"subject", finding.subject},
         {"state", finding.health == Health::kBroken ? "broken" : health_name(finding.health)},
         {"good", finding.health == Health::kHealthy},
         {"detail", finding.detail},
         {"mend", finding.mend.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(finding.mend)}});
  }
  fmt::print("{}\n", nlohmann::ordered_json{{"version", kVersion}, {"findings", array}}.dump(
                         2, ' ', false, nlohmann::json::error_handler_t::replace));
}

int doctor_command(const CommonOptions& options) {
  auto runtime = make_runtime(options);
  if (!runtime) {
    return fail(runtime.error(), options.json);
  }
  Diagnoses findings;
  examine_machine(**runtime, findings);
  examine_storage((*runtime)->settings(), findings);
  if (auto remote = examine_remote((*runtime)->settings())) {
    findings.push_back({"remote tier", remote->good ? Health::kHealthy : Health::kBroken, std::move(remote->detail),
                        remote->good ? "" : "see that the server runs and that SINTER_REMOTE names it, or unset that"});
  } else {
    findings.push_back({"remote tier", Health::kHealthy, "none is configured (SINTER_REMOTE)"});
  }
  (options.json ? print_json : print_text)(findings);
  return std::ranges::any_of(findings, [](const Diagnosis& finding) { return finding.health == Health::kBroken; })
             ? kProblem
             : kGood;
}

}  // namespace

void add_doctor(CLI::App& app, int& status) {
  auto options = std::make_shared<CommonOptions>();
  CLI::App* command =
      app.add_subcommand("doctor", "Say what works on this machine, and the command that mends what does not");
  command->footer(
      "good: works. note: not needed here, or worth knowing. BROKEN: asked for or needed, and does not work; then the "
      "exit status is 1.");
  add_common_options(*command, *options);
  command->callback([options, &status] { status = doctor_command(*options); });
}

}  // namespace sinter::cli
