// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/worker_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/descriptor.h"
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

/// 0 or an errno. A named pipe that nobody reads is an error and not a wait.
int append(const std::string& path, std::string_view line) {
  const Descriptor file(
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644));
  if (!file.is_open()) {
    return errno;
  }
  const ssize_t written = ::write(file.get(), line.data(), line.size());
  if (written < 0) {
    return errno;
  }
  return static_cast<std::size_t>(written) == line.size() ? 0 : ENOSPC;
}

}  // namespace

WorkerLog::WorkerLog(std::string path, std::function<void(std::string)> on_problem)
    : path_(std::move(path)), on_problem_(std::move(on_problem)) {}

void WorkerLog::write(const WorkerLogRecord& record) {
  if (path_.empty()) {
    return;
  }
  const int problem = append(path_, line_of(record));
  if (problem != 0 && !has_complained_.exchange(true) && on_problem_) {
    on_problem_(fmt::format("cannot write SINTER_WORKER_LOG {}: {}; compiles go on without it", path_,
                            errno_text(problem)));
  }
}

}  // namespace sinter
