// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/command.h"

#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sinter::cli {

int exit_code(const Error& error) { return error.code == ErrorCode::kInvalidRequest ? kMalformed : kProblem; }

int fail(const Error& error, bool json) {
  if (json) {
    nlohmann::ordered_json object{{"error", {{"code", error_code_name(error.code)}, {"message", error.message}}}};
    if (!error.log.empty()) {
      object["error"]["log"] = error.log;
    }
    fmt::print("{}\n", object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  fmt::print(stderr, "sinter: {}\n", error.message);
  if (!error.log.empty()) {
    fmt::print(stderr, "{}\n", error.log);
  }
  return exit_code(error);
}

void add_common_options(CLI::App& command, CommonOptions& options) {
  command.add_flag("--json", options.json, "print JSON instead of text");
  command.add_option("--cache", options.cache_dir, "directory of the cache (default: SINTER_CACHE_DIR, else ~/.cache/sinter)")->type_name("DIR");
}

Result<Settings> settings_for(const CommonOptions& options) {
  SINTER_TRY(Settings settings, read_environment());
  if (!options.cache_dir.empty()) {
    settings.cache_dir = options.cache_dir;
  }
  return settings;
}

Result<std::unique_ptr<Runtime>> make_runtime(const CommonOptions& options, RuntimeSwitches switches) {
  SINTER_TRY(Settings settings, settings_for(options));
  settings.golden_check = settings.golden_check || switches.golden_check;
  return Runtime::create({std::move(settings), {}, switches.allow_unsafe_vskip});
}

}  // namespace sinter::cli
