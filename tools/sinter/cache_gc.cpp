// SPDX-License-Identifier: Apache-2.0

// sinter cache gc | pin | unpin: what changes a cache on request. The library does the first of these by itself.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "cache/cache_admin.h"
#include "cache/sqlite_store.h"
#include "tools/sinter/command.h"

namespace sinter::cli {
namespace {

using nlohmann::ordered_json;

struct GcCommand {
  CommonOptions common;
  bool dry_run = false;
  std::int64_t max_bytes = -1, max_entries = -1;  // -1: the setting.
  std::string key;
};

/// A tool has more patience than a launch.
constexpr std::chrono::seconds kLongestWait{5};

/// The store of a cache that exists: a tool makes none.
Result<std::unique_ptr<SqliteStore>> open_store(const Settings& settings) {
  SINTER_TRY(const CacheAdmin admin, CacheAdmin::open(settings.cache_dir));
  return std::make_unique<SqliteStore>(
      SqliteStoreOptions{.directory = settings.cache_dir,
                         .allow_shared_directory = settings.shared_cache_dir,
                         .busy_timeout = kLongestWait,
                         .limits = {.max_bytes = 0, .max_entries = 0}},
      [](const std::string& problem) { fmt::print(stderr, "sinter: {}\n", problem); });
}

Result<CacheLimits> limits_of(const GcCommand& command, const Settings& settings) {
  for (const std::int64_t value : {command.max_bytes, command.max_entries}) {
    if (value < -1) {
      return make_error(ErrorCode::kInvalidRequest, fmt::format("{} is no limit: 0 or more is, 0 for none", value));
    }
  }
  return CacheLimits{.max_bytes = command.max_bytes >= 0 ? command.max_bytes : settings.cache_max_bytes,
                     .max_entries = command.max_entries >= 0 ? command.max_entries : settings.cache_max_entries};
}

void print_json(const GcReport& report, const GcCommand& command, const CacheLimits& limits) {
  auto victims = ordered_json::array();
  for (const GcVictim& victim : report.victims) {
    victims.push_back({{"key", victim.key},
                       {"spec", victim.spec},
                       {"bytes", victim.bytes},
                       {"last_used_unix_s", victim.last_used_unix_s},
                       {"reason", gc_reason_name(victim.reason)}});
  }
  const ordered_json object = {{"dry_run", command.dry_run},
                               {"max_bytes", limits.max_bytes},
                               {"max_entries", limits.max_entries},
                               {"entries", report.entries},
                               {"pinned", report.pinned},
                               {"bytes", report.bytes},
                               {"removed_entries", report.removed_entries},
                               {"removed_bytes", report.removed_bytes},
                               {"removed_set_aside", report.removed_bad},
                               {"bytes_left", report.bytes_left},
                               {"removed", victims}};
  fmt::print("{}\n", object.dump(2, ' ', false, ordered_json::error_handler_t::replace));
}

void print_text(const GcReport& report, const GcCommand& command) {
  for (const GcVictim& victim : report.victims) {
    fmt::print("{:<12}  {:>8}  {:<24}  {}\n", victim.key.substr(0, 12), victim.bytes, gc_reason_name(victim.reason),
               victim.spec);
  }
  const std::int64_t unlisted = report.removed_entries + report.removed_bad - std::ssize(report.victims);
  if (unlisted > 0) {
    fmt::print("and {} more\n", unlisted);
  }
  fmt::print("{} of {} entries ({} pinned) and {} rows set aside {}; the cache has {} bytes{}\n", report.removed_entries,
             report.entries, report.pinned, report.removed_bad, command.dry_run ? "would go" : "removed",
             command.dry_run ? report.bytes : report.bytes_left,
             command.dry_run ? fmt::format(", and about {} then", report.bytes_left) : "");
}

int collect(const GcCommand& command) {
  const auto run = [&]() -> Result<void> {
    SINTER_TRY(const Settings settings, settings_for(command.common));
    SINTER_TRY(const CacheLimits limits, limits_of(command, settings));
    SINTER_TRY(const auto store, open_store(settings));
    SINTER_TRY(const GcReport report, store->collect_garbage(limits, command.dry_run));
    if (command.common.json) {
      print_json(report, command, limits);
    } else {
      print_text(report, command);
    }
    return {};
  };
  const auto done = run();
  return done ? kGood : fail(done.error(), command.common.json);
}

int pin(const GcCommand& command, bool pinned) {
  const auto run = [&]() -> Result<void> {
    SINTER_TRY(const Settings settings, settings_for(command.common));
    SINTER_TRY(CacheAdmin admin, CacheAdmin::open(settings.cache_dir));
    SINTER_TRY(const CacheEntry entry, admin.show(command.key));
    SINTER_TRY(const auto store, open_store(settings));
    SINTER_TRY(const bool found, store->set_pinned(*digest_from_hex(entry.info.key), pinned));
    if (!found) {
      return make_error(ErrorCode::kCacheError, fmt::format("the entry {} is gone", entry.info.key));
    }
    if (command.common.json) {
      const ordered_json object = {{"key", entry.info.key}, {"spec", entry.info.spec}, {"pinned", pinned}};
      fmt::print("{}\n", object.dump(2, ' ', false, ordered_json::error_handler_t::replace));
    } else {
      fmt::print("{} {} {}\n", pinned ? "pinned" : "unpinned", entry.info.key.substr(0, 12), entry.info.spec);
    }
    return {};
  };
  const auto done = run();
  return done ? kGood : fail(done.error(), command.common.json);
}

}  // namespace

void add_cache_gc(CLI::App& cache, int& status) {
  auto options = std::make_shared<GcCommand>();

  CLI::App* gc = cache.add_subcommand("gc", "Remove what exceeds the limits: damaged rows, dead compilers' kernels, then the least recently used");
  gc->add_flag("--dry-run", options->dry_run, "say what would go, and change nothing");
  gc->add_option("--max-bytes", options->max_bytes, "instead of SINTER_CACHE_MAX_BYTES; 0: no limit")->type_name("N");
  gc->add_option("--max-entries", options->max_entries, "instead of SINTER_CACHE_MAX_ENTRIES; 0: no limit")->type_name("N");
  add_common_options(*gc, options->common);
  gc->callback([options, &status] { status = collect(*options); });

  for (const bool pinned : {true, false}) {
    CLI::App* command = cache.add_subcommand(pinned ? "pin" : "unpin", pinned ? "Keep a kernel whatever the limits are" : "Let a pinned kernel go again");
    command->add_option("key", options->key, "its key, or the first digits of it")->required();
    add_common_options(*command, options->common);
    command->callback([options, pinned, &status] { status = pin(*options, pinned); });
  }
}

}  // namespace sinter::cli
