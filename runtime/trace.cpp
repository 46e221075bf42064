// SPDX-License-Identifier: Apache-2.0
#include "runtime/trace.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/append_line.h"
#include "base/file.h"
#include "codegen/family.h"

namespace sinter {
namespace {

using nlohmann::ordered_json;

/// The value as a manifest has it.
ordered_json value_of(const ParamInfo& param, std::int64_t value) {
  switch (param.kind) {
    case ParamKind::kInteger:
      return value;
    case ParamKind::kTile:
      return tile_to_string(unpack_tile(value));
    case ParamKind::kWord:
      break;
  }
  const bool is_word = value >= 0 && value < static_cast<std::int64_t>(param.words.size());
  return is_word ? ordered_json(param.words[static_cast<std::size_t>(value)]) : ordered_json(value);
}

/// What the caller set; what was open stays out, since another arch or device may fill it in otherwise.
ordered_json params_of(const Family& family, const KernelRequest& request) {
  auto params = ordered_json::object();
  const auto infos = family.params();
  for (std::size_t i = 0; i < infos.size(); ++i) {
    if (request.values[i] != kUnset) {
      params[std::string(infos[i].name)] = value_of(infos[i], request.values[i]);
    }
  }
  return params;
}

std::string line_of(const TraceRecord& record, const Family& family) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  ordered_json line{
      {"sinter_trace", 1},
      {"unix_s", static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()) / 1000},
      {"pid", ::getpid()},
      {"family", family.name()},
      {"params", params_of(family, record.request)}};
  if (const std::int64_t rows = rows_hint(record.request); rows > 0) {
    line["rows"] = rows;
  }
  if (const std::int64_t largest = largest_hint(record.request); largest > 0) {
    line["largest"] = largest;
  }
  line.update({{"arch", record.arch}, {"device", record.device}, {"driver", record.driver_version}});
  if (!record.spec.empty()) {
    line["spec"] = record.spec;
    line["layer"] = record.layer;
  }
  line.update({{"outcome", record.outcome}, {"ms", record.milliseconds}});
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

Trace::Trace(std::string path, std::function<void(std::string)> on_problem)
    : path_(std::move(path)), on_problem_(std::move(on_problem)) {}

void Trace::write(int device, const TraceRecord& record) {
  // A family that does not exist cannot be named, nor built by anybody.
  if (!is_on() || record.request.family >= all_families().size() || !is_first(device, record)) {
    return;
  }
  const int problem = append_line(path_, line_of(record, *all_families()[record.request.family]));
  if (problem != 0 && !has_complained_.exchange(true) && on_problem_) {
    on_problem_(
        fmt::format("cannot write SINTER_TRACE {}: {}; requests are served without it", path_, errno_text(problem)));
  }
}

bool Trace::is_first(int device, const TraceRecord& record) {
  std::string bytes(reinterpret_cast<const char*>(&record.request), sizeof record.request);
  bytes += record.outcome;
  const std::lock_guard lock(mutex_);
  return told_.size() >= kMaxTold || told_.emplace(device, std::move(bytes)).second;
}

}  // namespace sinter
