// SPDX-License-Identifier: Apache-2.0

// sinter tune list | show | export | import | forget: tuned rows, to look at and to move.

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/read_file.h"
#include "cache/tuning_store.h"
#include "codegen/tuned_table.h"
#include "tools/sinter/command.h"
#include "tools/sinter/tune_commands.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;

struct RowsCommand {
  CommonOptions common;
  std::string decision, device, file;
  bool all = false, replace = false;
};

constexpr std::size_t kShortDigits = 12;

Error invalid(std::string message) { return make_error(ErrorCode::kInvalidRequest, std::move(message)); }

void warn(const std::string& problem) { fmt::print(stderr, "sinter: {}\n", problem); }

Result<TuningStoreOptions> store_of(const RowsCommand& options) {
  SINTER_TRY(const Settings settings, settings_for(options.common));
  return TuningStoreOptions{settings.cache_dir, settings.shared_cache_dir};
}

Result<std::vector<TuningRow>> stored_rows(const RowsCommand& options) {
  SINTER_TRY(const TuningStoreOptions store, store_of(options));
  SINTER_TRY(StoredTuning stored, read_tuning(store));
  std::ranges::for_each(stored.problems, warn);
  if (!options.device.empty()) {
    std::erase_if(stored.rows, [&](const TuningRow& row) { return row.device.name != options.device; });
  }
  return std::move(stored.rows);
}

Result<std::vector<TuningRow>> selected_rows(const RowsCommand& options) {
  SINTER_TRY(std::vector<TuningRow> rows, stored_rows(options));
  std::erase_if(rows, [&](const TuningRow& row) { return !to_hex(decision_of(row)).starts_with(options.decision); });
  if (rows.empty() && !options.decision.empty()) {
    return make_error(ErrorCode::kCacheError, fmt::format("no tuned row has a decision that starts with '{}': `sinter tune list` has them", options.decision));
  }
  return rows;
}

ordered_json row_json(const TuningRow& row) {
  auto object = ordered_json::parse(to_json(row));
  object["decision"] = to_hex(decision_of(row));
  object["stale"] = is_stale(row);
  return object;
}

void print_json(const std::vector<TuningRow>& rows) {
  auto array = ordered_json::array();
  for (const TuningRow& row : rows) {
    array.push_back(row_json(row));
  }
  fmt::print("{}\n", ordered_json{{"rows", array}}.dump(2));
}

int list_command(const RowsCommand& options) {
  const auto rows = stored_rows(options);
  if (!rows) {
    return fail(rows.error(), options.common.json);
  }
  if (options.common.json) {
    print_json(*rows);
    return kGood;
  }
  for (const TuningRow& row : *rows) {
    fmt::print("{}  {}  {} {} rows={} largest={}  ->  {}  {:.6g} {}{}\n", short_name(decision_of(row)), to_string(row.device),
               row.problem.family, to_string(row.problem.params), row.problem.rows, row.problem.largest, to_string(row.choice),
               row.candidates.front().median, tuning_unit_name(row.unit), is_stale(row) ? "  (stale)" : "");
  }
  fmt::print("{} tuned rows\n", rows->size());
  return kGood;
}

int show_command(const RowsCommand& options) {
  const auto rows = selected_rows(options);
  if (!rows) {
    return fail(rows.error(), options.common.json);
  }
  if (options.common.json) {
    print_json(*rows);
  } else {
    std::ranges::for_each(*rows, print_row);
  }
  return kGood;
}

// Beside the file and then renamed: whoever reads it meanwhile sees all of the old one or all of the new.
Result<void> write_file(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const std::string why = errno_text(errno);
    std::remove(temporary.c_str());
    return invalid(fmt::format("cannot write {}: {}", path, why));
  }
  return {};
}

Result<std::size_t> export_rows(const RowsCommand& options) {
  SINTER_TRY(std::vector<TuningRow> rows, stored_rows(options));
  const std::size_t stale = options.all ? 0 : std::erase_if(rows, is_stale);
  if (stale > 0) {
    warn(fmt::format("{} stale rows are left out; --all takes them along", stale));
  }
  const std::size_t count = rows.size();
  SINTER_TRY_VOID(write_file(options.file, tuning_file_text(rows)));
  return count;
}

int export_command(const RowsCommand& options) {
  const auto count = export_rows(options);
  if (!count) {
    return fail(count.error(), options.common.json);
  }
  if (options.common.json) {
    fmt::print("{}\n", ordered_json{{"file", options.file}, {"rows", *count}}.dump(2));
  } else {
    fmt::print("{} tuned rows in {}\n", *count, options.file);
  }
  return kGood;
}

struct Imported {
  std::size_t stored = 0, kept = 0;
};

Result<Imported> import_rows(const RowsCommand& options) {
  SINTER_TRY(const std::string text, read_text_file(options.file));
  SINTER_TRY(std::vector<TuningRow> rows, parse_tuning_file(text, options.file));
  SINTER_TRY(const TuningStoreOptions store, store_of(options));
  SINTER_TRY(const StoredTuning own, read_tuning(store));
  Imported imported;
  if (!options.replace) {
    imported.kept = std::erase_if(rows, [&](const TuningRow& row) {
      return std::ranges::any_of(own.rows, [&](const TuningRow& mine) {
        return mine.measured_unix_s >= row.measured_unix_s && decision_of(mine) == decision_of(row);
      });
    });
  }
  imported.stored = rows.size();
  SINTER_TRY_VOID(write_tuning(store, rows, warn));
  return imported;
}

int import_command(const RowsCommand& options) {
  const auto imported = import_rows(options);
  if (!imported) {
    return fail(imported.error(), options.common.json);
  }
  if (options.common.json) {
    fmt::print("{}\n", ordered_json{{"stored", imported->stored}, {"kept", imported->kept}}.dump(2));
  } else {
    fmt::print("{} tuned rows stored; {} that are here are as new\n", imported->stored, imported->kept);
  }
  return kGood;
}

Result<std::int64_t> forget(const RowsCommand& options) {
  if (options.decision.empty() == !options.all) {
    return invalid("give the first digits of a decision, or --all");
  }
  SINTER_TRY(const std::vector<TuningRow> rows, selected_rows(options));
  SINTER_TRY(const TuningStoreOptions store, store_of(options));
  std::vector<Digest> decisions;
  std::ranges::transform(rows, std::back_inserter(decisions), decision_of);
  return decisions.empty() ? Result<std::int64_t>(0) : forget_tuning(store, decisions, warn);
}

int forget_command(const RowsCommand& options) {
  const auto forgotten = forget(options);
  if (!forgotten) {
    return fail(forgotten.error(), options.common.json);
  }
  if (options.common.json) {
    fmt::print("{}\n", ordered_json{{"forgotten", *forgotten}}.dump(2));
  } else {
    fmt::print("{} tuned rows forgotten\n", *forgotten);
  }
  return kGood;
}

}  // namespace

std::string short_name(const Digest& decision) { return to_hex(decision).substr(0, kShortDigits); }

void print_row(const TuningRow& row) {
  const double best = row.candidates.front().median;
  fmt::print("{}  {} {} rows={} largest={}\n", short_name(decision_of(row)), row.problem.family, to_string(row.problem.params),
             row.problem.rows, row.problem.largest);
  fmt::print("  on {}, driver {}, by {}, {:%Y-%m-%d %H:%M} UTC{}\n", to_string(row.device), row.driver.empty() ? "unknown" : row.driver,
             row.writer, fmt::gmtime(static_cast<std::time_t>(row.measured_unix_s)), is_stale(row) ? "; stale" : "");
  for (const TuningCandidate& candidate : row.candidates) {
    if (!candidate.problem.empty()) {
      fmt::print("     {}: {}\n", to_string(candidate.choice), candidate.problem);
      continue;
    }
    fmt::print("  {} {}: {:.6g} {} ({:.6g} to {:.6g} of {}), {:+.1f} %, relative error {:.1e}\n", candidate.choice == row.choice ? "->" : "  ",
               to_string(candidate.choice), candidate.median, tuning_unit_name(row.unit), candidate.lowest, candidate.highest, candidate.samples,
               best > 0 ? 100 * (candidate.median / best - 1) : 0.0, candidate.relative_error);
  }
}

void add_tune_rows(CLI::App& tune, int& status) {
  auto options = std::make_shared<RowsCommand>();
  const auto add = [&](const char* name, const char* help, int (*run)(const RowsCommand&)) {
    CLI::App* command = tune.add_subcommand(name, help);
    add_common_options(*command, options->common);
    command->callback([options, run, &status] { status = run(*options); });
    return command;
  };
  constexpr const char* kDecision = "first hex digits of a decision";
  constexpr const char* kDevice = "only rows of devices of this name";

  CLI::App* command = add("list", "The tuned rows of the cache", list_command);
  command->add_option("--device", options->device, kDevice)->type_name("NAME");

  command = add("show", "Tuned rows with all their candidates", show_command);
  command->add_option("decision", options->decision, kDecision);

  command = add("export", "Write tuned rows to a file, for SINTER_TUNED, import, or beside bundles as *.tuned.json", export_command);
  command->add_option("file", options->file, "file to write")->required()->type_name("FILE");
  command->add_option("--device", options->device, kDevice)->type_name("NAME");
  command->add_flag("--all", options->all, "stale rows, too");

  command = add("import", "Store the rows of a file; of two for one decision the newer stays", import_command);
  command->add_option("file", options->file, "a file of `sinter tune export`")->required()->type_name("FILE");
  command->add_flag("--replace", options->replace, "the file's rows stay, whatever their age");

  command = add("forget", "Remove tuned rows", forget_command);
  command->add_option("decision", options->decision, kDecision);
  command->add_option("--device", options->device, kDevice)->type_name("NAME");
  command->add_flag("--all", options->all, "all of them");
}

}  // namespace sinter::cli
