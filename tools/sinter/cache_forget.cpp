// SPDX-License-Identifier: Apache-2.0

// sinter cache forget: let kernels that failed to compile, or were found wrong by a golden check, be tried again.

#include <algorithm>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cache/cache_admin.h"
#include "cache/kernel_cache.h"
#include "tools/sinter/command.h"

namespace sinter::cli {

namespace {

struct ForgetCommand {
  CommonOptions common;
  std::string key;
};

bool is_hex(const std::string& text) {
  return text.size() <= 64 && text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
}

struct Forgotten {
  std::int64_t compiles = 0, verdicts = 0;
};

Result<Forgotten> forget_failures(const ForgetCommand& options) {
  SINTER_TRY(const Settings settings, settings_for(options.common));
  if (!is_hex(options.key)) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("'{}' is no key: at most 64 hex digits", options.key));
  }
  if (settings.cache_dir.empty()) {
    return make_error(ErrorCode::kInvalidRequest, "no cache directory: HOME is not set; give --cache DIR or set SINTER_CACHE_DIR");
  }
  if (!CacheAdmin::exists(settings.cache_dir)) {
    return Forgotten();
  }
  std::string problem;
  KernelCache cache({.directory = settings.cache_dir, .allow_shared_directory = settings.shared_cache_dir},
                    [&problem](const std::string& text) { problem = text; });
  const Forgotten forgotten{cache.forget_failures(options.key), cache.forget_failed_verdicts(options.key)};
  if (cache.counters().storage_faults != 0) {
    return make_error(ErrorCode::kCacheError, problem);
  }
  return forgotten;
}

int forget(const ForgetCommand& options) {
  const auto forgotten = forget_failures(options);
  if (!forgotten) {
    return fail(forgotten.error(), options.common.json);
  }
  if (options.common.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"forgotten", forgotten->compiles}, {"verdicts_forgotten", forgotten->verdicts}}.dump(2));
  } else {
    fmt::print("{} failed compiles forgotten\n", forgotten->compiles);
    if (forgotten->verdicts > 0) {
      fmt::print("{} verdicts of golden checks forgotten\n", forgotten->verdicts);
    }
  }
  return kGood;
}

}  // namespace

void add_cache_forget(CLI::App& cache, int& status) {
  auto options = std::make_shared<ForgetCommand>();
  CLI::App* command = cache.add_subcommand("forget", "Forget failed compiles and golden checks, so that they are tried again");
  command->add_option("key", options->key, "of one kernel, or the first digits of it (default: all)")->type_name("KEY");
  command->footer("Processes that run already notice within half a minute.");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = forget(*options); });
}

}  // namespace sinter::cli
