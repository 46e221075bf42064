// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/prebuild_progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>

#include <fmt/format.h>

namespace sinter::cli {

namespace {

constexpr std::string_view kEraseLine = "\r\033[K";

/// What fits in a line; a line that wraps could not be rewritten.
std::size_t columns_of(std::FILE* out) {
  struct winsize size {};
  constexpr std::size_t kUsual = 80;
  return ::ioctl(::fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : kUsual - 1;
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<long>(std::ceil(seconds));
  return whole < 60     ? fmt::format("{} s", whole)
         : whole < 3600 ? fmt::format("{} min {} s", whole / 60, whole % 60)
                        : fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

Progress::Progress(std::FILE* out, std::size_t total)
    : out_(out), total_(total), terminal_(::isatty(::fileno(out)) == 1) {}

Progress::~Progress() {
  if (terminal_) {
    fmt::print(out_, "{}", kEraseLine);
  }
}

void Progress::done(std::string_view name, Work work, std::string_view outcome) {
  const std::lock_guard lock(mutex_);
  ++count_;
  worked_ += work == Work::kFound ? 0 : 1;
  if (!terminal_) {
    fmt::print(out_, "[{}/{}] {} {}{}\n", count_, total_, name, outcome, remaining());
    return;
  }
  if (work == Work::kFailed) {
    fmt::print(out_, "{}{} {}\n", kEraseLine, name, outcome);
  }
  const std::string line = fmt::format("[{}/{}] {} %{}  {}", count_, total_, 100 * count_ / total_, remaining(), name);
  fmt::print(out_, "{}{}", kEraseLine, line.substr(0, columns_of(out_)));
  std::fflush(out_);
}

// What was found took no time worth counting; what is left may all have to be compiled.
std::string Progress::remaining() const {
  const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  if (worked_ == 0 || count_ == total_) {
    return {};
  }
  const double left = elapsed / static_cast<double>(worked_) * static_cast<double>(total_ - count_);
  return left < 1 ? std::string() : fmt::format(", about {} left", duration_text(left));
}

}  // namespace sinter::cli
