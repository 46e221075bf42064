// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every subcommand shares: the options that all have, exit codes, and how errors are shown. Data goes to stdout,
// messages to stderr.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <CLI/App.hpp>

#include "base/result.h"
#include "runtime/runtime.h"

namespace sinter::cli {

/// Exit codes of `sinter`: 0 good; 1 a well-formed request that cannot be had here, or a problem was found; 2 malformed input.
inline constexpr int kGood = 0, kProblem = 1, kMalformed = 2;

/// kMalformed for kInvalidRequest, else kProblem.
int exit_code(const Error& error);

/// Prints the message to stderr (with --json: an object on stdout), with the compiler's log if there is one. Returns exit_code().
int fail(const Error& error, bool json);

/// Options that several subcommands have.
struct CommonOptions {
  bool json = false;
  std::string cache_dir;  ///< --cache; goes before SINTER_CACHE_DIR.
};
void add_common_options(CLI::App& command, CommonOptions& options);

/// Settings from the environment with the command line's laid over. Errors: kInvalidRequest.
Result<Settings> settings_for(const CommonOptions& options);

/// What a command line may add to the settings.
struct RuntimeSwitches {
  bool allow_unsafe_vskip = false;
  bool golden_check = false;  ///< On, whatever SINTER_GOLDEN_CHECK says.
};
Result<std::unique_ptr<Runtime>> make_runtime(const CommonOptions& options, RuntimeSwitches switches = {});

/// Each adds one subcommand to `app`; when it is chosen, its exit code is stored in `status`.
void add_run(CLI::App& app, int& status);
void add_sample(CLI::App& app, int& status);
void add_prebuild(CLI::App& app, int& status);
void add_coverage(CLI::App& app, int& status);
void add_check(CLI::App& app, int& status);
void add_cache(CLI::App& app, int& status);
void add_cache_forget(CLI::App& cache, int& status);  ///< Of `sinter cache`.
void add_cache_gc(CLI::App& cache, int& status);      ///< Of `sinter cache`, with pin and unpin.
void add_key(CLI::App& app, int& status);
void add_tune(CLI::App& app, int& status);
void add_devices(CLI::App& app, int& status);
void add_doctor(CLI::App& app, int& status);
void add_explain(CLI::App& app, int& status);
void add_trace(CLI::App& app, int& status);
void add_completion(CLI::App& app, int& status);
void add_manual(CLI::App& app, int& status);

}  // namespace sinter::cli
