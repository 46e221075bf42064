// SPDX-License-Identifier: Apache-2.0

// sinter cache merge: what several machines built, in one cache or in one bundle for each arch.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cache/bundle_writer.h"
#include "cache/merge.h"
#include "cache/row_import.h"
#include "tools/sinter/bundle_commands.h"
#include "tools/sinter/command.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;

struct MergeOptions {
  CommonOptions common;
  std::vector<std::string> sources;
  std::string out, name = "kernels", key_file;
  std::int64_t created_unix_s = 0;
};

/// What a merge came to.
struct Merged {
  MergeReport report;
  std::int64_t stored = 0, already_there = 0;
  std::vector<WrittenBundle> bundles;
};

Error invalid(std::string message) { return make_error(ErrorCode::kInvalidRequest, std::move(message)); }

Result<void> merge_into_cache(CacheMerge& merge, const Settings& settings,
                              std::shared_ptr<const RowSignatures> signatures, Merged& merged) {
  SqliteStore store({.directory = settings.cache_dir,
                     .allow_shared_directory = settings.shared_cache_dir,
                     .busy_timeout = std::chrono::seconds(5),
                     .limits = {.max_bytes = 0, .max_entries = 0},
                     .signatures = signatures},
                    [](const std::string& problem) { fmt::print(stderr, "sinter: {}\n", problem); });
  for (const std::string& arch : merge.archs()) {
    merge.start(arch);
    for (;;) {
      SINTER_TRY(std::optional<CacheMerge::Row> next, merge.next());
      if (!next) {
        break;
      }
      MergeConflict conflict{to_hex(next->row.key), next->row.spec, settings.cache_dir, next->source};
      const std::string origin = fmt::format("import {}", std::filesystem::path(next->source).filename().string());
      SINTER_TRY(const RowImport outcome, import_row(std::move(next->row), origin, next->source, *signatures, store));
      merged.stored += outcome == RowImport::kStored ? 1 : 0;
      merged.already_there += outcome == RowImport::kAlreadyThere ? 1 : 0;
      if (outcome == RowImport::kConflict) {
        merged.report.conflicts.push_back(std::move(conflict));
      }
    }
  }
  return {};
}

Result<void> merge_into_bundles(CacheMerge& merge, const MergeOptions& options, Merged& merged) {
  std::optional<SigningKey> key;
  if (!options.key_file.empty()) {
    SINTER_TRY(key, SigningKey::load(options.key_file));
  }
  for (const std::string& arch : merge.archs()) {
    merge.start(arch);
    const RowSource rows = [&merge]() -> Result<std::optional<EntryRow>> {
      SINTER_TRY(std::optional<CacheMerge::Row> next, merge.next());
      return next ? std::optional(std::move(next->row)) : std::nullopt;
    };
    SINTER_TRY(WrittenBundle written, write_bundle(rows, {.directory = options.out,
                                                          .name = options.name,
                                                          .arch = arch,
                                                          .created_unix_s = options.created_unix_s,
                                                          .key = key ? &*key : nullptr}));
    merged.stored += written.manifest.header.entries;
    merged.bundles.push_back(std::move(written));
  }
  return {};
}

Result<Merged> merge_sources(const MergeOptions& options) {
  SINTER_TRY(const Settings settings, settings_for(options.common));
  if (options.out.empty() && settings.cache_dir.empty()) {
    return invalid(
        "no cache directory: HOME is not set; give --cache DIR or set SINTER_CACHE_DIR, or --out DIR for bundles");
  }
  if (options.out.empty() && !options.key_file.empty()) {
    return invalid(
        "--sign is about bundles: give --out DIR for them (rows of a cache are signed by SINTER_SIGNING_KEY)");
  }
  SINTER_TRY(RowSignatures loaded, row_signatures(settings));
  const auto signatures = std::make_shared<const RowSignatures>(std::move(loaded));
  SINTER_TRY(CacheMerge merge,
             CacheMerge::open(options.sources, {settings.signatures, &signatures->trusted, settings.shared_cache_dir}));
  Merged merged;
  SINTER_TRY_VOID(options.out.empty() ? merge_into_cache(merge, settings, signatures, merged)
                                      : merge_into_bundles(merge, options, merged));
  const MergeReport& read = merge.report();
  merged.report.rows = read.rows;
  merged.report.duplicates = read.duplicates;
  merged.report.damaged = read.damaged;
  merged.report.conflicts.insert(merged.report.conflicts.begin(), read.conflicts.begin(), read.conflicts.end());
  return merged;
}

void print_text(const Merged& merged) {
  for (const MergeConflict& conflict : merged.report.conflicts) {
    fmt::print("conflict: {} {}: two different code objects; that of {} is kept, that of {} is not\n",
               conflict.key.substr(0, 12), conflict.spec, conflict.kept, conflict.dropped);
  }
  for (const MergeDamage& damage : merged.report.damaged) {
    fmt::print("damaged: {} {} of {}: {}\n", damage.key.substr(0, 12), damage.spec, damage.source, damage.reason);
  }
  for (const WrittenBundle& bundle : merged.bundles) {
    const ManifestHeader& header = bundle.manifest.header;
    fmt::print("{}: {} kernels for {}, {} bytes, {}\n", bundle.path, header.entries, header.arch, header.file_bytes,
               bundle.manifest.signatures.empty() ? "not signed"
                                                  : "signed by " + to_hex(bundle.manifest.signatures.front().key));
  }
  fmt::print(
      "{} rows read: {} kernels stored, {} were there already, {} repeated, {} conflicts, {} damaged and left out\n",
      merged.report.rows, merged.stored, merged.already_there, merged.report.duplicates, merged.report.conflicts.size(),
      merged.report.damaged.size());
}

void print_json(const Merged& merged) {
  auto conflicts = ordered_json::array(), damaged = ordered_json::array(), bundles = ordered_json::array();
  for (const MergeConflict& conflict : merged.report.conflicts) {
    conflicts.push_back(
        {{"key", conflict.key}, {"spec", conflict.spec}, {"kept", conflict.kept}, {"dropped", conflict.dropped}});
  }
  for (const MergeDamage& damage : merged.report.damaged) {
    damaged.push_back(
        {{"source", damage.source}, {"key", damage.key}, {"spec", damage.spec}, {"reason", damage.reason}});
  }
  for (const WrittenBundle& bundle : merged.bundles) {
    bundles.push_back(
        {{"path", bundle.path}, {"arch", bundle.manifest.header.arch}, {"entries", bundle.manifest.header.entries}});
  }
  const ordered_json document{{"rows", merged.report.rows},
                              {"stored", merged.stored},
                              {"already_there", merged.already_there},
                              {"repeated", merged.report.duplicates},
                              {"conflicts", std::move(conflicts)},
                              {"damaged", std::move(damaged)},
                              {"bundles", std::move(bundles)}};
  fmt::print("{}\n", document.dump(2, ' ', false, ordered_json::error_handler_t::replace));
}

int merge_command(const MergeOptions& options) {
  const auto merged = merge_sources(options);
  if (!merged) {
    return fail(merged.error(), options.common.json);
  }
  (options.common.json ? print_json : print_text)(*merged);
  return merged->report.damaged.empty() ? kGood : kProblem;
}

}  // namespace

void add_cache_merge(CLI::App& cache_command, int& status) {
  auto options = std::make_shared<MergeOptions>();
  CLI::App* command =
      cache_command.add_subcommand("merge", "Bring several caches and bundles together, each row checked");
  command->footer(
      "Of two rows for one key the first source's is kept; that they differ is said. The cache's own row goes before "
      "all.\n\n"
      "  sinter cache merge node1/cache node2/cache --cache ./all\n"
      "  sinter cache merge ./shards --out ./bundles --name moe --sign release.key\n\n"
      "Exit status: 0 merged; 1 a row was damaged and left out, or nothing was merged; 2 malformed input.");
  command->add_option("sources", options->sources, "cache directories, bundles, directories of bundles")
      ->required()
      ->type_name("SOURCE");
  command
      ->add_option("--out", options->out,
                   "write bundles to this directory, one for each arch, instead of into the cache")
      ->type_name("DIR");
  command->add_option("--name", options->name, "name of the bundles: NAME-ARCH.sinter (default: kernels)");
  command->add_option("--sign", options->key_file, "private key that signs the bundles")->type_name("KEYFILE");
  command->add_option("--created", options->created_unix_s, "time of each entry of the bundles, in seconds since 1970")
      ->envname("SOURCE_DATE_EPOCH")
      ->check(CLI::NonNegativeNumber)
      ->type_name("SECONDS");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = merge_command(*options); });
}

}  // namespace sinter::cli
