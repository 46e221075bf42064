// SPDX-License-Identifier: Apache-2.0

// The one command line. Parsing and printing only; the work is in the library.

#include <algorithm>
#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/settings.h"
#include "runtime/version.h"
#include "tools/sinter/command.h"

namespace {

std::string footer() {
  std::string text = "Exit status: 0 good; 1 a request that cannot be had here, or a problem was found; 2 malformed input.\n\nEnvironment:\n";
  for (const sinter::SettingInfo& info : sinter::setting_table()) {
    text += fmt::format("  {:<26} {} (default: {})\n", info.variable, info.help, info.default_text);
  }
  return text + "\nStart with:\n  sinter doctor\n  sinter check --device MI308X --family grouped_gemm --n 2816 --k 2048 --groups 64\n";
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"Sinter: GPU kernels compiled for their shape when they are asked for, checked against the device, and kept.", "sinter"};
  app.set_version_flag("--version", std::string(sinter::kVersion));
  app.require_subcommand(1);
  app.footer(footer());
  int status = sinter::cli::kGood;
  sinter::cli::add_run(app, status);
  sinter::cli::add_sample(app, status);
  sinter::cli::add_prebuild(app, status);
  sinter::cli::add_coverage(app, status);
  sinter::cli::add_check(app, status);
  sinter::cli::add_cache(app, status);
  sinter::cli::add_key(app, status);
  sinter::cli::add_tune(app, status);
  sinter::cli::add_devices(app, status);
  sinter::cli::add_doctor(app, status);
  sinter::cli::add_explain(app, status);
  sinter::cli::add_trace(app, status);
  sinter::cli::add_completion(app, status);
  sinter::cli::add_manual(app, status);
  if (argc > 1 && argv[1][0] != '-') {
    const std::vector<std::string> names = command_names(app);
    if (std::ranges::find(names, argv[1]) == names.end()) {
      fmt::print(stderr, "sinter: unknown command '{}'; known: {}\n", argv[1], fmt::join(names, ", "));
      return sinter::cli::kMalformed;
    }
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? sinter::cli::kGood : sinter::cli::kMalformed;
  }
  return status;
} catch (const std::exception& exception) {
  fmt::print(stderr, "sinter: {}\n", exception.what());
  return sinter::cli::kProblem;
}
