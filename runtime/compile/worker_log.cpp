// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/worker_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/append_line.h"
#include "base/file.h"

namespace sinter {
namespace {

std::string line_of(const WorkerLogRecord& record) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const nlohmann::ordered_json line{
      {"unix_s", static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()) / 1000},
      {"pid", ::getpid()},
      {"key", record.key},
      {"spec", record.spec},
      {"backend", record.backend},
      {"ms", record.milliseconds},
      {"outcome", record.outcome},
      {"bytes", record.code_bytes}};
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

WorkerLog::WorkerLog(std::string path, std::function<void(std::string)> on_problem)
    : path_(std::move(path)), on_problem_(std::move(on_problem)) {}

void WorkerLog::write(const WorkerLogRecord& record) {
  if (path_.empty()) {
    return;
  }
  const int problem = append_line(path_, line_of(record));
  if (problem != 0 && !has_complained_.exchange(true) && on_problem_) {
    on_problem_(fmt::format("cannot write SINTER_WORKER_LOG {}: {}; compiles go on without it", path_,
                            errno_text(problem)));
  }
}

}  // namespace sinter
