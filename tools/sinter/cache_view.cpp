// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/cache_view.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>
#include <span>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/time_text.h"
#include "codegen/family.h"
#include "codegen/kernel_spec.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;

struct Unit {
  char letter;
  std::int64_t value;
};

Result<std::int64_t> parse_with_unit(std::string_view text, std::span<const Unit> units, std::string_view what,
                                     std::string_view example) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
  if (error == std::errc{} && number >= 0 && rest.size() <= 1) {
    for (const Unit& unit : units) {
      if ((rest.empty() ? '\0' : rest.front()) == unit.letter &&
          number <= std::numeric_limits<std::int64_t>::max() / unit.value) {
        return number * unit.value;
      }
    }
  }
  return make_error(ErrorCode::kInvalidRequest, fmt::format("'{}' is no {}: write {}", text, what, example));
}

std::string word_of(const KernelSpec& spec, std::string_view param) {
  const int index = spec.family->param_index(param);
  if (index < 0) {
    return {};
  }
  const ParamInfo& info = spec.family->params()[static_cast<std::size_t>(index)];
  const std::int64_t value = spec[index];
  if (info.kind == ParamKind::kTile) {
    return tile_to_string(unpack_tile(value));
  }
  return value >= 0 && value < std::ssize(info.words) ? std::string(info.words[static_cast<std::size_t>(value)])
                                                      : std::string();
}

using Order = std::function<bool(const EntryView&, const EntryView&)>;

template <class Value>
Order largest_first(Value value) {
  return [value](const EntryView& a, const EntryView& b) { return value(a) > value(b); };
}

Order order_by(std::string_view sort) {
  if (sort == "bytes") {
    return largest_first([](const EntryView& entry) { return entry.info.code_bytes; });
  }
  if (sort == "created") {
    return largest_first([](const EntryView& entry) { return entry.info.created_unix_s; });
  }
  if (sort == "used") {
    return largest_first([](const EntryView& entry) { return entry.use.last_used_unix_s; });
  }
  if (sort == "loads") {
    return largest_first([](const EntryView& entry) { return entry.use.loads; });
  }
  if (sort == "compile") {
    return largest_first([](const EntryView& entry) { return entry.info.compile_ms; });
  }
  return [](const EntryView&, const EntryView&) { return false; };  // As listed: by family, arch and spec.
}

/// The conditions of a query as numbers.
struct Limits {
  static constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  static constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  std::int64_t older_than = kLeast, newer_than = kMost, unused_for = kLeast;
  std::int64_t min_bytes = 0, max_bytes = kMost;
};

Result<Limits> limits_of(const EntryQuery& query) {
  Limits limits;
  const auto set = [](std::int64_t& out, const std::string& text, auto parse) -> Result<void> {
    if (!text.empty()) {
      SINTER_TRY(out, parse(text));
    }
    return {};
  };
  SINTER_TRY_VOID(set(limits.older_than, query.older_than, parse_duration));
  SINTER_TRY_VOID(set(limits.newer_than, query.newer_than, parse_duration));
  SINTER_TRY_VOID(set(limits.unused_for, query.unused_for, parse_duration));
  SINTER_TRY_VOID(set(limits.min_bytes, query.min_bytes, parse_size));
  SINTER_TRY_VOID(set(limits.max_bytes, query.max_bytes, parse_size));
  return limits;
}

bool is_wanted(const EntryView& entry, const EntryQuery& query, const Limits& limits, std::int64_t now) {
  const std::int64_t age = now - entry.info.created_unix_s;
  const std::int64_t unused = now - std::max(entry.use.last_used_unix_s, entry.info.created_unix_s);
  return (query.arch.empty() || entry.info.arch == query.arch) &&
         (query.family.empty() || entry.info.family == query.family) &&
         (query.mode.empty() || entry.traits.mode == query.mode) && age >= limits.older_than &&
         age <= limits.newer_than && unused >= limits.unused_for && entry.info.code_bytes >= limits.min_bytes &&
         entry.info.code_bytes <= limits.max_bytes;
}

}  // namespace

Result<CacheAdmin> open_cache(const CommonOptions& options, const std::string& bundle) {
  if (!bundle.empty()) {
    return CacheAdmin::open_bundle(bundle);
  }
  SINTER_TRY(const Settings settings, settings_for(options));
  if (settings.cache_dir.empty()) {
    return make_error(ErrorCode::kInvalidRequest,
                      "no cache directory: HOME is not set; give --cache DIR or set SINTER_CACHE_DIR");
  }
  return CacheAdmin::open(settings.cache_dir);
}

KernelTraits traits_of(std::string_view spec_name) {
  const auto spec = parse_spec_name(spec_name);
  if (!spec) {
    return {};
  }
  return {word_of(*spec, "quant"), word_of(*spec, "tile"), word_of(*spec, "vskip")};
}

std::string time_text(std::int64_t unix_s) {
  return unix_s == 0 ? "-" : utc_text(unix_s);
}

std::string age_text(std::int64_t seconds) {
  constexpr std::int64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour;
  const std::int64_t age = std::max<std::int64_t>(0, seconds);
  return age < 2 * kMinute ? fmt::format("{} s", age)
         : age < 2 * kHour ? fmt::format("{} min", age / kMinute)
         : age < 2 * kDay  ? fmt::format("{} h", age / kHour)
                           : fmt::format("{} d", age / kDay);
}

std::string bytes_text(std::int64_t bytes) {
  constexpr std::string_view kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) {
    return fmt::format("{} B", bytes);
  }
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (value /= 1024; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) {
    value /= 1024;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string dump(const ordered_json& value) {
  return value.dump(2, ' ', false, ordered_json::error_handler_t::replace);
}

Result<std::int64_t> parse_duration(std::string_view text) {
  constexpr Unit kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}, {'w', 7 * 86'400}};
  return parse_with_unit(text, kUnits, "length of time", "90s, 30m, 12h, 7d or 2w");
}

Result<std::int64_t> parse_size(std::string_view text) {
  constexpr Unit kUnits[] = {{'\0', 1}, {'K', 1 << 10}, {'M', 1 << 20}, {'G', 1 << 30}};
  return parse_with_unit(text, kUnits, "size", "4096, 12K, 3M or 1G");
}

void add_query_options(CLI::App& command, EntryQuery& query) {
  command.add_option("--arch", query.arch, "only this arch");
  command.add_option("--family", query.family, "only this family");
  command.add_option("--mode", query.mode, "only this quantization mode: none, fp8_block");
  command.add_option("--older-than", query.older_than, "only what was compiled longer ago: 12h, 7d")->type_name("AGE");
  command.add_option("--newer-than", query.newer_than, "only what was compiled since then")->type_name("AGE");
  command.add_option("--unused-for", query.unused_for, "only what nobody read from disk for so long")->type_name("AGE");
  command.add_option("--min-bytes", query.min_bytes, "only code of at least this size: 4096, 12K, 3M")
      ->type_name("SIZE");
  command.add_option("--max-bytes", query.max_bytes, "only code of at most this size")->type_name("SIZE");
  command.add_option("--sort", query.sort, "what to sort by; all but spec: largest or latest first (default: spec)")
      ->check(CLI::IsMember({"spec", "bytes", "created", "used", "loads", "compile"}));
  command.add_flag("--reverse", query.reverse, "the other way round");
}

Result<std::vector<EntryView>> select_entries(CacheAdmin& cache, const EntryQuery& query, std::int64_t now_unix_s) {
  SINTER_TRY(const Limits limits, limits_of(query));
  SINTER_TRY(std::vector<EntryInfo> infos, cache.list());
  SINTER_TRY(const auto uses, cache.uses());
  std::vector<EntryView> entries;
  entries.reserve(infos.size());
  for (EntryInfo& info : infos) {
    EntryView entry{std::move(info), {}, {}};
    entry.traits = traits_of(entry.info.spec);
    if (const auto use = uses.find(entry.info.key); use != uses.end()) {
      entry.use = use->second;
    }
    if (is_wanted(entry, query, limits, now_unix_s)) {
      entries.push_back(std::move(entry));
    }
  }
  std::ranges::stable_sort(entries, order_by(query.sort));
  if (query.reverse) {
    std::ranges::reverse(entries);
  }
  return entries;
}

ordered_json to_json_object(const EntryView& entry) {
  const EntryInfo& info = entry.info;
  return {{"key", info.key},
          {"spec", info.spec},
          {"family", info.family},
          {"arch", info.arch},
          {"mode", entry.traits.mode},
          {"tile", entry.traits.tile},
          {"format", info.format},
          {"backend", info.backend},
          {"compiler", info.compiler},
          {"code_bytes", info.code_bytes},
          {"created", time_text(info.created_unix_s)},
          {"created_unix_s", info.created_unix_s},
          {"compile_ms", info.compile_ms},
          {"last_used_unix_s", entry.use.last_used_unix_s},
          {"loads", entry.use.loads},
          {"pinned", entry.use.pinned}};
}

ordered_json to_json_object(const BadEntry& entry) {
  return {{"key", entry.key}, {"spec", entry.spec}, {"reason", entry.reason}, {"found_unix_s", entry.found_unix_s}};
}

}  // namespace sinter::cli
