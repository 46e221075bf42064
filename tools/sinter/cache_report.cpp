// SPDX-License-Identifier: Apache-2.0

// sinter cache report FILE: the cache as one page to look at, with nothing to load from anywhere.

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <fstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tools/sinter/cache_commands.h"
#include "tools/sinter/cache_view.h"
#include "tools/sinter/report_data.h"
#include "tools/sinter/report_page.h"

namespace sinter::cli {

namespace {

struct ReportCommand {
  CommonOptions common;
  std::string out, bundle;
  std::size_t max_rows = ReportOptions{}.max_rows;
};

constexpr std::string_view kPlaceOfData = "@SINTER_REPORT_DATA@";

std::string page_of(const nlohmann::ordered_json& data) {
  std::string page(report_page());
  const auto at = page.find(kPlaceOfData);
  return page.replace(at, kPlaceOfData.size(), script_safe(data));
}

/// Written beside it and renamed, so that a page that somebody reloads is never half of one.
Result<void> write_page(const std::string& path, const std::string& page) {
  const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
  out.write(page.data(), static_cast<std::streamsize>(page.size()));
  out.close();
  if (!out || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    return make_error(ErrorCode::kInvalidRequest, fmt::format("cannot write '{}': {}", path, errno_text(error)));
  }
  return {};
}

/// A cache that nobody has used yet gives an empty page.
Result<ReportInput> input_of(const ReportCommand& options) {
  SINTER_TRY(const Settings settings, settings_for(options.common));
  if (options.bundle.empty() && !settings.cache_dir.empty() && !CacheAdmin::exists(settings.cache_dir)) {
    ReportInput nothing;
    nothing.database = fmt::format("{} (no cache yet)", settings.cache_dir);
    return nothing;
  }
  SINTER_TRY(CacheAdmin cache, open_cache(options.common, options.bundle));
  return read_report_input(cache);
}

Result<nlohmann::ordered_json> data_of(const ReportCommand& options) {
  SINTER_TRY(const auto runtime, make_runtime(options.common));
  SINTER_TRY(const ReportInput input, input_of(options));
  return report_data(input, runtime->capability_table(), runtime->quirks(),
                     {.max_rows = options.max_rows, .now_unix_s = static_cast<std::int64_t>(std::time(nullptr))});
}

int report(const ReportCommand& options) {
  const bool json = options.common.json;
  const auto data = data_of(options);
  if (!data) {
    return fail(data.error(), json);
  }
  const std::string page = page_of(*data);
  if (options.out == "-") {
    fmt::print("{}", page);
    return kGood;
  }
  if (const auto written = write_page(options.out, page); !written) {
    return fail(written.error(), json);
  }
  if (json) {
    fmt::print("{}\n", dump({{"path", options.out}, {"bytes", page.size()}, {"data", *data}}));
  } else {
    fmt::print("{}: {}; open it in a browser\n", options.out, bytes_text(static_cast<std::int64_t>(page.size())));
  }
  return kGood;
}

}  // namespace

void add_cache_report(CLI::App& cache, int& status) {
  auto options = std::make_shared<ReportCommand>();
  CLI::App* command = cache.add_subcommand("report", "The cache as one page with pictures, to open in a browser");
  command->add_option("out", options->out, "the page to write, or - for standard output")
      ->required()
      ->type_name("FILE");
  command->add_option("--from", options->bundle, "a bundle instead of the cache")->type_name("FILE");
  command->add_option("--rows", options->max_rows, "most kernels in its table, those used last (default: 5000)")
      ->type_name("N")
      ->check(CLI::Range(0, 100'000));
  command->footer("  sinter cache report cache.html");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = report(*options); });
}

}  // namespace sinter::cli
