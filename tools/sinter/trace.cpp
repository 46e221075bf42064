// SPDX-License-Identifier: Apache-2.0

// sinter trace: the compiles of a worker log (SINTER_WORKER_LOG) as a trace for chrome://tracing or Perfetto.

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/read_file.h"
#include "tools/sinter/command.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;

struct TraceCommand {
  std::string log, out;
};

struct Compile {
  double start_us = 0, duration_us = 0;
  std::int64_t pid = 0;
  ordered_json record;
};

/// nullopt for a line that no process wrote, or not to its end.
std::optional<Compile> read_line(std::string_view line) {
  ordered_json record = ordered_json::parse(line, nullptr, false);
  const auto is_number = [&](const char* name) { return record.contains(name) && record[name].is_number(); };
  if (!record.is_object() || !is_number("unix_s") || !is_number("ms") || !is_number("pid")) {
    return std::nullopt;
  }
  Compile compile;
  compile.duration_us = std::max(0.0, record["ms"].get<double>() * 1e3);
  // A line is written when its compile has ended.
  compile.start_us = record["unix_s"].get<double>() * 1e6 - compile.duration_us;
  compile.pid = record["pid"].get<std::int64_t>();
  compile.record = std::move(record);
  return compile;
}

/// Compiles of a process that overlap are shown in rows of their own, as few as there can be.
class Rows {
 public:
  std::size_t place(const Compile& compile) {
    std::vector<double>& ends = ends_[compile.pid];
    const auto free = std::ranges::find_if(ends, [&](double end) { return end <= compile.start_us; });
    const auto row = static_cast<std::size_t>(free - ends.begin());
    if (free == ends.end()) {
      ends.push_back(0);
    }
    ends[row] = compile.start_us + compile.duration_us;
    return row + 1;
  }

 private:
  std::map<std::int64_t, std::vector<double>> ends_;
};

std::string text_of(const ordered_json& record, const char* name) {
  return record.contains(name) && record[name].is_string() ? record[name].get<std::string>() : std::string();
}

ordered_json to_trace(std::vector<Compile> compiles) {
  std::ranges::stable_sort(compiles, {}, &Compile::start_us);
  const double origin = compiles.empty() ? 0 : compiles.front().start_us;
  auto events = ordered_json::array();
  std::map<std::int64_t, bool> named;
  Rows rows;
  for (const Compile& compile : compiles) {
    if (named.try_emplace(compile.pid, true).second) {
      events.push_back({{"name", "process_name"},
                        {"ph", "M"},
                        {"pid", compile.pid},
                        {"tid", 0},
                        {"args", {{"name", fmt::format("process {}", compile.pid)}}}});
    }
    const std::string outcome = text_of(compile.record, "outcome");
    ordered_json event{
        {"name", text_of(compile.record, "spec")},
        {"cat", text_of(compile.record, "backend")},
        {"ph", "X"},
        {"ts", compile.start_us - origin},
        {"dur", compile.duration_us},
        {"pid", compile.pid},
        {"tid", rows.place(compile)},
        {"args",
         {{"outcome", outcome}, {"key", text_of(compile.record, "key")}, {"bytes", compile.record.value("bytes", 0)}}}};
    if (outcome != "ok") {
      event["cname"] = "terrible";
    }
    events.push_back(std::move(event));
  }
  return {
      {"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}, {"otherData", {{"start_unix_s", origin / 1e6}}}};
}

int trace(const TraceCommand& options) {
  const auto text = read_text_file(options.log);
  if (!text) {
    return fail(text.error(), false);
  }
  std::vector<Compile> compiles;
  std::size_t passed_over = 0;
  for (std::string_view rest = *text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (auto compile = read_line(line)) {
      compiles.push_back(std::move(*compile));
    } else {
      ++passed_over;
    }
  }
  if (passed_over > 0) {
    fmt::print(stderr, "sinter: {} lines of {} are no compiles and were passed over\n", passed_over, options.log);
  }
  const std::string trace = to_trace(std::move(compiles)).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  if (options.out.empty()) {
    fmt::print("{}\n", trace);
    return kGood;
  }
  std::ofstream out(options.out, std::ios::binary | std::ios::trunc);
  out << trace << "\n";
  out.close();
  return out ? kGood
             : fail(make_error(ErrorCode::kInvalidRequest, fmt::format("cannot write '{}'", options.out)), false);
}

}  // namespace

void add_trace(CLI::App& app, int& status) {
  auto options = std::make_shared<TraceCommand>();
  CLI::App* command =
      app.add_subcommand("trace", "Turn a worker log into a trace of compiles for chrome://tracing or Perfetto");
  command->add_option("log", options->log, "the file that SINTER_WORKER_LOG named")->required()->type_name("FILE");
  command->add_option("--out", options->out, "the trace to write (default: standard output)")->type_name("FILE");
  command->footer(
      "  SINTER_WORKER_LOG=compiles.log sinter prebuild --manifest m.json --arch gfx942\n  sinter trace compiles.log "
      "--out trace.json");
  command->callback([options, &status] { status = trace(*options); });
}

}  // namespace sinter::cli
