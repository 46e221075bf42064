// SPDX-License-Identifier: Apache-2.0

// sinter cache stats: what a cache did for the processes that use it, and what it holds.

#include <algorithm>
#include <ctime>
#include <map>
#include <type_traits>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/sinter/cache_commands.h"
#include "tools/sinter/cache_stats.h"
#include "tools/sinter/cache_view.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;

struct StatsCommand {
  CommonOptions common;
  std::int64_t hours = 0;  // 0: all
};

double rate_of(std::int64_t hits, std::int64_t misses) {
  return hits + misses == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(hits + misses);
}

template <class Map>
ordered_json to_json_map(const Map& map) {
  auto object = ordered_json::object();
  for (const auto& [name, value] : map) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, Share>) {
      object[name] = {{"entries", value.entries}, {"code_bytes", value.bytes}};
    } else {
      object[name] = value;
    }
  }
  return object;
}

void print_shares(std::string_view title, const std::map<std::string, Share>& shares) {
  fmt::print("{}\n", title);
  for (const auto& [name, share] : shares) {
    fmt::print("  {:<28} {:>8} {:>12}\n", name.empty() ? "(not readable)" : name, share.entries,
               bytes_text(share.bytes));
  }
}

void print_text(const std::string& database, const Contents& contents, const Traffic& traffic) {
  const std::int64_t hits = traffic.all_hits();
  fmt::print("{}\n{} kernels, {} of code, {} pinned, {} set aside as damaged, {} failed compiles\n", database,
             contents.entries, bytes_text(contents.bytes), contents.pinned, contents.set_aside, contents.failures);
  fmt::print("\nlookups          {:>10}\n", hits + traffic.misses);
  for (const auto& [layer, count] : traffic.hits) {
    fmt::print("  hits {:<9} {:>11}\n", layer, count);
  }
  fmt::print("  misses         {:>11}   {:.1f} % of lookups hit\n", traffic.misses,
             100 * rate_of(hits, traffic.misses));
  for (const auto& [cause, count] : traffic.causes) {
    fmt::print("    {:<14} {:>10}   {}\n", cause, count, cause_text(cause));
  }
  fmt::print("stored           {:>10}\n\n", traffic.stores);
  print_shares("by arch", contents.by_arch);
  print_shares("by mode", contents.by_mode);
  print_shares("by compiler", contents.by_compiler);
}

int stats(const StatsCommand& options) {
  const bool json = options.common.json;
  const auto run = [&]() -> Result<void> {
    SINTER_TRY(CacheAdmin cache, open_cache(options.common));
    SINTER_TRY_VOID(cache.freeze());
    SINTER_TRY(const std::vector<EntryView> entries, select_entries(cache, {}, 0));
    SINTER_TRY(Contents contents, contents_of(cache, entries));
    SINTER_TRY(const std::vector<HourCount> counts, cache.counts());
    const std::int64_t first =
        options.hours > 0 ? static_cast<std::int64_t>(std::time(nullptr)) / 3600 - options.hours + 1 : 0;
    const Traffic traffic = traffic_of(counts, first);
    if (!json) {
      print_text(cache.database_path(), contents, traffic);
      return {};
    }
    auto hours = ordered_json::array();
    for (const auto& [hour, of_hour] : traffic.hours) {
      hours.push_back({{"hour_unix_s", hour * 3600}, {"hits", of_hour.hits}, {"misses", of_hour.misses}});
    }
    fmt::print("{}\n", dump({{"database", cache.database_path()},
                             {"entries", contents.entries},
                             {"code_bytes", contents.bytes},
                             {"pinned", contents.pinned},
                             {"set_aside", contents.set_aside},
                             {"failed_compiles", contents.failures},
                             {"hits", to_json_map(traffic.hits)},
                             {"misses", traffic.misses},
                             {"hit_rate", rate_of(traffic.all_hits(), traffic.misses)},
                             {"misses_by_cause", to_json_map(traffic.causes)},
                             {"stores", traffic.stores},
                             {"hours", hours},
                             {"by_arch", to_json_map(contents.by_arch)},
                             {"by_mode", to_json_map(contents.by_mode)},
                             {"by_compiler", to_json_map(contents.by_compiler)}}));
    return {};
  };
  const auto done = run();
  return done ? kGood : fail(done.error(), json);
}

}  // namespace

std::int64_t Traffic::all_hits() const {
  std::int64_t all = 0;
  for (const auto& [layer, count] : hits) {
    all += count;
  }
  return all;
}

Result<Contents> contents_of(CacheAdmin& cache, const std::vector<EntryView>& entries) {
  Contents contents;
  for (const EntryView& entry : entries) {
    ++contents.entries;
    contents.bytes += entry.info.code_bytes;
    contents.pinned += entry.use.pinned ? 1 : 0;
    for (Share* share : {&contents.by_arch[entry.info.arch], &contents.by_mode[entry.traits.mode],
                         &contents.by_compiler[entry.info.compiler.substr(0, entry.info.compiler.find(';'))]}) {
      ++share->entries;
      share->bytes += entry.info.code_bytes;
    }
  }
  SINTER_TRY(const auto bad, cache.bad_entries());
  contents.set_aside = std::ssize(bad);
  SINTER_TRY(const auto failures, cache.failures());
  contents.failures = std::ssize(failures);
  return contents;
}

Traffic traffic_of(const std::vector<HourCount>& counts, std::int64_t first_hour) {
  constexpr std::string_view kHit = "hit ", kCause = "miss ";
  Traffic traffic;
  for (const HourCount& count : counts) {
    if (count.hour < first_hour) {
      continue;
    }
    const std::string_view name = count.name;
    if (name.starts_with(kHit)) {
      traffic.hits[std::string(name.substr(kHit.size()))] += count.value;
      traffic.hours[count.hour].hits += count.value;
    } else if (name == "miss") {
      traffic.misses += count.value;
      traffic.hours[count.hour].misses += count.value;
    } else if (name.starts_with(kCause)) {
      traffic.causes[std::string(name.substr(kCause.size()))] += count.value;
    } else if (name == "store") {
      traffic.stores += count.value;
    }
  }
  traffic.hours.erase(0);  // Not an hour.
  return traffic;
}

std::string_view cause_text(std::string_view cause) {
  constexpr std::pair<std::string_view, std::string_view> kTexts[] = {
      {"new", "nothing of this kernel was stored"},
      {"compiler", "stored by another build of the compiler"},
      {"backend", "stored by another compiler"},
      {"options", "stored with other compiler options"},
      {"template", "stored from another template"},
      {"template_digest", "the template changed since: another Sinter"},
      {"params", "the kernel's constants changed since: another Sinter"},
      {"schema", "another Sinter"},
      {"facts", "another Sinter reads facts differently"},
      {"args_version", "the argument struct changed since: another Sinter"},
      {"damaged", "the entry failed its checks and was set aside"},
      {"untrusted", "the entry is not signed by a trusted key"},
      {"storage", "the database could not be read"},
      {"failing", "its last compile failed"},
  };
  const auto it = std::ranges::find(kTexts, cause, &std::pair<std::string_view, std::string_view>::first);
  return it == std::end(kTexts) ? "another key field differs" : it->second;
}

void add_cache_stats(CLI::App& cache, int& status) {
  auto options = std::make_shared<StatsCommand>();
  CLI::App* command =
      cache.add_subcommand("stats", "Hits by layer, misses by cause, bytes by arch; of all processes together");
  command->add_option("--hours", options->hours, "only lookups of the last N hours (default: all that is known)")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command->footer(
      "A process adds its numbers once a minute and when it ends. Live kernels are not looked up, and not counted.");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = stats(*options); });
}

}  // namespace sinter::cli
