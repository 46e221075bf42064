// SPDX-License-Identifier: Apache-2.0

// sinter cache list | top: which kernels are there, and which of them matter.

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <map>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/sinter/cache_commands.h"
#include "tools/sinter/cache_view.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;

std::int64_t unix_now() { return static_cast<std::int64_t>(std::time(nullptr)); }

struct Total {
  std::int64_t entries = 0, bytes = 0;
};

struct ListCommand {
  CommonOptions common;
  EntryQuery query;
  std::string bundle;
  std::int64_t limit = 0;
};

// A cache that no process has used yet is empty, not wrong.
int list_nothing(const std::string& directory, bool json) {
  if (json) {
    fmt::print("{}\n", dump({{"database", nullptr},
                             {"entries", ordered_json::array()},
                             {"code_bytes", 0},
                             {"set_aside", ordered_json::array()}}));
  }
  fmt::print(stderr, "sinter: there is no cache in {} yet\n", directory);
  return kGood;
}

void print_lines(const std::vector<EntryView>& entries, std::size_t count, std::int64_t now) {
  if (count > 0) {
    fmt::print("{:<12}  {:<6} {:>10} {:>9} {:>8} {:>8} {:>6}  {}\n", "key", "format", "code", "compile", "age", "used",
               "loads", "spec");
  }
  for (std::size_t i = 0; i < count; ++i) {
    const EntryInfo& info = entries[i].info;
    const EntryUse& use = entries[i].use;
    fmt::print("{:<12}  {:<6} {:>10} {:>6.0f} ms {:>8} {:>8} {:>6}  {}{}\n", info.key.substr(0, 12), info.format,
               bytes_text(info.code_bytes), info.compile_ms, age_text(now - info.created_unix_s),
               use.last_used_unix_s == 0 ? "-" : age_text(now - use.last_used_unix_s), use.loads, info.spec,
               use.pinned ? "  (pinned)" : "");
  }
}

int list(const ListCommand& options) {
  const bool json = options.common.json;
  if (const auto settings = settings_for(options.common);
      options.bundle.empty() && settings && !settings->cache_dir.empty() && !CacheAdmin::exists(settings->cache_dir)) {
    return list_nothing(settings->cache_dir, json);
  }
  auto cache = open_cache(options.common, options.bundle);
  if (!cache) {
    return fail(cache.error(), json);
  }
  const std::int64_t now = unix_now();
  const auto entries = select_entries(*cache, options.query, now);
  if (!entries) {
    return fail(entries.error(), json);
  }
  const auto bad = cache->bad_entries();
  if (!bad) {
    return fail(bad.error(), json);
  }
  std::map<std::string, Total> by_arch;
  Total all;
  for (const EntryView& entry : *entries) {
    for (Total* total : {&all, &by_arch[entry.info.arch]}) {
      ++total->entries;
      total->bytes += entry.info.code_bytes;
    }
  }
  const std::size_t shown =
      options.limit > 0 ? std::min(entries->size(), static_cast<std::size_t>(options.limit)) : entries->size();
  if (json) {
    auto array = ordered_json::array();
    for (std::size_t i = 0; i < shown; ++i) {
      array.push_back(to_json_object((*entries)[i]));
    }
    auto aside = ordered_json::array();
    for (const BadEntry& entry : *bad) {
      aside.push_back(to_json_object(entry));
    }
    auto archs = ordered_json::object();
    for (const auto& [arch, total] : by_arch) {
      archs[arch] = {{"entries", total.entries}, {"code_bytes", total.bytes}};
    }
    fmt::print("{}\n", dump({{"database", cache->database_path()},
                             {"entries", array},
                             {"matching", entries->size()},
                             {"code_bytes", all.bytes},
                             {"by_arch", archs},
                             {"set_aside", aside}}));
    return kGood;
  }
  print_lines(*entries, shown, now);
  if (shown < entries->size()) {
    fmt::print("and {} more\n", entries->size() - shown);
  }
  if (by_arch.size() > 1) {
    for (const auto& [arch, total] : by_arch) {
      fmt::print("{:<28} {:>6} entries {:>10}\n", arch, total.entries, bytes_text(total.bytes));
    }
  }
  fmt::print("{} entries, {} of code, {} set aside as damaged, in {}\n", all.entries, bytes_text(all.bytes),
             bad->size(), cache->database_path());
  return kGood;
}

// --- top ---

struct TopCommand {
  CommonOptions common;
  EntryQuery query;
  std::int64_t count = 0;  // 0: what fits on the terminal, else 20
  double interval_s = 2;
  bool once = false;
};

volatile std::sig_atomic_t interrupted = 0;

std::size_t rows_to_show(const TopCommand& options, bool terminal) {
  if (options.count > 0) {
    return static_cast<std::size_t>(options.count);
  }
  winsize size{};
  if (terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 6) {
    return static_cast<std::size_t>(size.ws_row) - 4;
  }
  return 20;
}

Result<void> print_top(const TopCommand& options, bool terminal) {
  SINTER_TRY(CacheAdmin cache, open_cache(options.common));
  const std::int64_t now = unix_now();
  SINTER_TRY(const std::vector<EntryView> entries, select_entries(cache, options.query, now));
  const std::size_t shown = std::min(entries.size(), rows_to_show(options, terminal));
  std::int64_t bytes = 0, loads = 0;
  for (const EntryView& entry : entries) {
    bytes += entry.info.code_bytes;
    loads += entry.use.loads;
  }
  if (options.common.json) {
    auto array = ordered_json::array();
    for (std::size_t i = 0; i < shown; ++i) {
      array.push_back(to_json_object(entries[i]));
    }
    fmt::print("{}\n", dump({{"database", cache.database_path()},
                             {"sorted_by", options.query.sort},
                             {"matching", entries.size()},
                             {"entries", array}}));
    return {};
  }
  // Home, and clear what is below: without the flicker of clearing first. A line longer than the terminal is cut by it,
  // since one that wraps would push the first lines off the top.
  constexpr std::string_view kHome = "\033[H\033[J", kCutLines = "\033[?7l", kWrapLines = "\033[?7h";
  fmt::print("{}{}{}: {} kernels, {}, {} loads; by {}{}\n", terminal ? kHome : "", terminal ? kCutLines : "",
             cache.database_path(), entries.size(), bytes_text(bytes), loads, options.query.sort,
             terminal ? fmt::format("; {}; Ctrl-C ends", time_text(now)) : "");
  print_lines(entries, shown, now);
  fmt::print("{}", terminal ? kWrapLines : "");
  std::fflush(stdout);
  return {};
}

/// False if somebody wants it to end.
bool wait_for_next(double seconds) {
  ::poll(nullptr, 0, static_cast<int>(seconds * 1000));  // A signal ends it.
  return interrupted == 0;
}

int top(const TopCommand& options) {
  const bool live = ::isatty(STDOUT_FILENO) == 1 && !options.common.json && !options.once;
  if (live) {
    std::signal(SIGINT, [](int) { interrupted = 1; });
  }
  do {
    if (const auto printed = print_top(options, live); !printed) {
      return fail(printed.error(), options.common.json);
    }
  } while (live && wait_for_next(options.interval_s));
  return kGood;
}

}  // namespace

void add_cache_list(CLI::App& cache, int& status) {
  auto options = std::make_shared<ListCommand>();
  CLI::App* command = cache.add_subcommand("list", "One line for each kernel, with filters, and totals");
  command->add_option("--from", options->bundle, "a bundle instead of the cache")->type_name("FILE");
  add_query_options(*command, options->query);
  command->add_option("--limit", options->limit, "most lines (default: all)")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  command->footer(
      "  sinter cache list --arch sm_90a --mode fp8_block --sort bytes --limit 10\n  sinter cache list --unused-for "
      "30d --json");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = list(*options); });
}

void add_cache_top(CLI::App& cache, int& status) {
  auto options = std::make_shared<TopCommand>();
  options->query.sort = "loads";
  CLI::App* command =
      cache.add_subcommand("top", "The kernels that are loaded most, used last or biggest; live on a terminal");
  add_query_options(*command, options->query);
  command->get_option("--sort")->description(
      "what to sort by (default: loads, which counts reads from disk, one or so for each process)");
  command->add_option("-n,--count", options->count, "how many (default: what fits on the terminal, else 20)")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command->add_option("--interval", options->interval_s, "seconds between two pictures (default: 2)")
      ->type_name("S")
      ->check(CLI::Range(0.1, 3600.0));
  command->add_flag("--once", options->once, "one picture, on a terminal too");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = top(*options); });
}

}  // namespace sinter::cli
