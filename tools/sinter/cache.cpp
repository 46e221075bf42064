// SPDX-License-Identifier: Apache-2.0

// sinter cache show | verify: one kernel with everything about it, and the checks of all. Nothing in this file changes a cache.

#include <cmath>
#include <fstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "tools/sinter/bundle_commands.h"
#include "tools/sinter/cache_commands.h"
#include "tools/sinter/cache_view.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;

struct CacheCommand {
  CommonOptions common;
  std::string key, code_file, source_file;
  std::string bundle;
};

Result<void> write_file(const std::string& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("cannot write '{}'", path));
  }
  return {};
}

std::string verdict_text(const GoldenVerdict& verdict) {
  const std::string result = verdict.passed ? fmt::format("right: relative error {:.2e} (allowed {:.0e}), {} elements compared",
                                                          verdict.relative_error, verdict.allowed_relative_error, verdict.compared)
                                            : "WRONG: " + verdict.finding;
  return fmt::format("{} on {}, driver {}; {} by {}", result, verdict.place.device, verdict.place.driver.empty() ? "unknown" : verdict.place.driver,
                     time_text(verdict.checked_unix_s), verdict.writer);
}

ordered_json verdict_json(const GoldenVerdict& verdict) {
  return {{"device", verdict.place.device},
          {"driver", verdict.place.driver},
          {"passed", verdict.passed},
          {"relative_error", std::isfinite(verdict.relative_error) ? ordered_json(verdict.relative_error) : ordered_json(nullptr)},
          {"allowed_relative_error", verdict.allowed_relative_error},
          {"compared", verdict.compared},
          {"finding", verdict.passed ? ordered_json(nullptr) : ordered_json(verdict.finding)},
          {"checked_unix_s", verdict.checked_unix_s},
          {"writer", verdict.writer},
          {"check_version", verdict.version},
          {"code_sha256", to_hex(verdict.code)}};
}

void print_entry(const CacheEntry& entry, const std::vector<GoldenVerdict>& verdicts) {
  const EntryInfo& info = entry.info;
  const CodeFacts& facts = entry.object.facts;
  const auto number = [](std::int64_t value) { return value == kUnknown ? std::string("unknown") : fmt::format("{}", value); };
  fmt::print("{}\n{}\n", info.key, info.spec);
  fmt::print("  {:<22}{}, {} bytes, entry {}\n", "code object", info.format, info.code_bytes, entry.object.entry);
  fmt::print("  {:<22}{} {}\n", "target", facts.target, facts.features);
  fmt::print("  {:<22}{} per thread ({} accumulation), {} scalar, {} spilled\n", "registers", number(facts.registers),
             number(facts.accumulation_registers), number(facts.scalar_registers), number(facts.spilled_registers));
  fmt::print("  {:<22}{} bytes of shared memory, {} of scratch, {} of arguments\n", "memory", number(facts.static_shared_bytes),
             number(facts.scratch_bytes), number(facts.args_bytes));
  fmt::print("  {:<22}{} threads at most, wave size {}\n", "workgroup", number(facts.max_threads_per_block), number(facts.wave_size));
  fmt::print("  {:<22}{}, s_setvskip {} times; matrix: {}\n", "instructions", number(facts.instruction_count), number(facts.setvskip_count),
             fmt::join(facts.matrix_instructions, " "));
  fmt::print("  {:<22}{} in {:.0f} ms, {}\n", "compiled by", info.backend, info.compile_ms, time_text(info.created_unix_s));
  fmt::print("  {:<22}{} ({}{})\n", "stored by", entry.writer, entry.origin, entry.is_signed ? ", signed" : "");
  fmt::print("  {:<22}{}\n", "sha256", entry.sha256);
  fmt::print("  {:<22}{}\n", "state", entry.problem.empty() ? "verified" : "DAMAGED: " + entry.problem);
  for (const GoldenVerdict& verdict : verdicts) {
    fmt::print("  {:<22}{}\n", "golden check", verdict_text(verdict));
  }
  fmt::print("key fields\n");
  for (const KeyField& field : entry.key_fields) {
    std::string value = field.value;
    for (std::size_t at = 0; (at = value.find('\n', at)) != std::string::npos; at += 24) {
      value.replace(at, 1, "\n" + std::string(24, ' '));
    }
    fmt::print("  {:<22}{}\n", field.name, value);
  }
  if (!entry.object.log.empty()) {
    fmt::print("compiler log\n{}\n", entry.object.log);
  }
}

ordered_json entry_json(const CacheEntry& entry, const std::vector<GoldenVerdict>& verdicts) {
  ordered_json object = to_json_object(EntryView{entry.info, traits_of(entry.info.spec), {}});
  auto fields = ordered_json::object();
  for (const KeyField& field : entry.key_fields) {
    fields[field.name] = field.value;
  }
  object["entry"] = entry.object.entry;
  object["facts"] = ordered_json::parse(to_json(entry.object.facts));
  object["key_fields"] = std::move(fields);
  object["log"] = entry.object.log;
  object["source"] = entry.object.source;
  object["writer"] = entry.writer;
  object["origin"] = entry.origin;
  object["signed"] = entry.is_signed;
  object["sha256"] = entry.sha256;
  object["golden_checks"] = ordered_json::array();
  for (const GoldenVerdict& verdict : verdicts) {
    object["golden_checks"].push_back(verdict_json(verdict));
  }
  object["problem"] = entry.problem.empty() ? ordered_json(nullptr) : ordered_json(entry.problem);
  return object;
}

int show(const CacheCommand& options) {
  const bool json = options.common.json;
  auto admin = open_cache(options.common, options.bundle);
  if (!admin) {
    return fail(admin.error(), json);
  }
  auto entry = admin->show(options.key);
  if (!entry) {
    return fail(entry.error(), json);
  }
  const std::vector<std::byte>& code = entry->object.code;
  if (!options.code_file.empty()) {
    if (auto written = write_file(options.code_file, {reinterpret_cast<const char*>(code.data()), code.size()}); !written) {
      return fail(written.error(), json);
    }
  }
  if (!options.source_file.empty()) {
    if (auto written = write_file(options.source_file, entry->object.source); !written) {
      return fail(written.error(), json);
    }
  }
  const auto verdicts = admin->verdicts(digest_from_hex(entry->info.key).value_or(Digest()));
  if (!verdicts) {
    return fail(verdicts.error(), json);
  }
  if (json) {
    fmt::print("{}\n", dump(entry_json(*entry, *verdicts)));
  } else {
    print_entry(*entry, *verdicts);
  }
  return entry->problem.empty() ? kGood : kProblem;
}

int verify(const CacheCommand& options) {
  const bool json = options.common.json;
  if (!options.bundle.empty()) {
    return verify_bundle_file(options.bundle, json);
  }
  auto admin = open_cache(options.common, options.bundle);
  if (!admin) {
    return fail(admin.error(), json);
  }
  const auto report = admin->verify();
  if (!report) {
    return fail(report.error(), json);
  }
  if (json) {
    auto damaged = ordered_json::array();
    for (const BadEntry& entry : report->damaged) {
      damaged.push_back(to_json_object(entry));
    }
    fmt::print("{}\n", dump({{"database", admin->database_path()}, {"checked", report->checked}, {"damaged", damaged}, {"file_problems", report->file_problems}, {"ok", report->ok()}}));
    return report->ok() ? kGood : kProblem;
  }
  for (const std::string& problem : report->file_problems) {
    fmt::print("{}: {}\n", admin->database_path(), problem);
  }
  for (const BadEntry& entry : report->damaged) {
    fmt::print("{} {}: {}\n", entry.key.substr(0, 12), entry.spec, entry.reason);
  }
  fmt::print("{} entries checked, {} damaged, in {}\n", report->checked, report->damaged.size(), admin->database_path());
  return report->ok() ? kGood : kProblem;
}

}  // namespace

void add_cache(CLI::App& app, int& status) {
  auto options = std::make_shared<CacheCommand>();
  CLI::App* command = app.add_subcommand("cache", "Look inside a cache, keep its size, and forget failures");
  command->require_subcommand(1);

  add_cache_list(*command, status);

  CLI::App* show_command = command->add_subcommand("show", "Everything about one kernel: facts, key fields, compiler, log");
  show_command->add_option("key", options->key, "its key, or the first digits of it")->required();
  show_command->add_option("--from", options->bundle, "a bundle instead of the cache")->type_name("FILE");
  show_command->add_option("--code-object", options->code_file, "write the code object to a file")->type_name("FILE");
  show_command->add_option("--source", options->source_file, "write the generated source to a file")->type_name("FILE");
  add_common_options(*show_command, options->common);
  show_command->callback([options, &status] { status = show(*options); });

  CLI::App* verify_command = command->add_subcommand("verify", "Check every entry against its digests, and the file itself");
  verify_command->add_option("file", options->bundle, "a bundle, with its manifest, instead of the cache")->type_name("FILE");
  add_common_options(*verify_command, options->common);
  verify_command->callback([options, &status] { status = verify(*options); });

  add_cache_why(*command, status);
  add_cache_stats(*command, status);
  add_cache_top(*command, status);
  add_cache_disasm(*command, status);
  add_cache_diff(*command, status);
  add_cache_report(*command, status);
  add_cache_forget(*command, status);
  add_cache_gc(*command, status);
  add_cache_bundles(*command, status);
  add_cache_merge(*command, status);
}

}  // namespace sinter::cli
