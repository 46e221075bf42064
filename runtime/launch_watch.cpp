// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch_watch.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/append_line.h"
#include "base/file.h"

namespace sinter {

std::unique_ptr<const LaunchWatch> LaunchWatch::create(const Settings& settings,
                                                       const std::function<void(std::string)>& on_problem) {
  std::unique_ptr<LaunchWatch> watch(new LaunchWatch);
  if (settings.nvtx) {
    auto opened = Nvtx::open();
    if (opened) {
      watch->nvtx_ = std::move(*opened);
    } else {
      on_problem(fmt::format("SINTER_NVTX: no NVTX library, so there will be no ranges: {}", opened.error().message));
    }
  }
  if (!settings.launch_log.empty()) {
    watch->file_ = Descriptor(
        ::open(settings.launch_log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644));
    if (!watch->file_.is_open()) {
      on_problem(fmt::format("cannot write SINTER_LAUNCH_LOG {}: {}; launches go on without it", settings.launch_log,
                             errno_text(errno)));
    }
  }
  return watch->nvtx_ != nullptr || watch->file_.is_open() ? std::move(watch) : nullptr;
}

void LaunchWatch::log(const std::string& device, const std::string& spec, const LaunchShape& shape, const void* stream,
                      bool is_ok) const {
  if (!file_.is_open()) {
    return;
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::array<char, 1024> line;
  const auto end = fmt::format_to_n(line.data(), line.size(),
                                    R"({{"unix_us": {}, "pid": {}, "device": "{}", "spec": "{}", "grid": [{}, {}, {}], )"
                                    R"("block": [{}, {}, {}], "stream": "{}", "ok": {}}})"
                                    "\n",
                                    std::chrono::duration_cast<std::chrono::microseconds>(now).count(), ::getpid(), device,
                                    spec, shape.grid[0], shape.grid[1], shape.grid[2], shape.block[0], shape.block[1],
                                    shape.block[2], stream, is_ok);
  // A line that does not arrive whole is lost: a launch is not the place to wait or to complain.
  static_cast<void>(append_line(file_.get(), {line.data(), std::min(end.size, line.size())}));
}

}  // namespace sinter
