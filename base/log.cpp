// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>

#include <cstdio>

#include "base/fork_safe_mutex.h"

namespace sinter {

namespace {

/// spdlog's own has a mutex that a forked child may find locked.
class StderrSink final : public spdlog::sinks::base_sink<ForkSafeMutex> {
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    (void)std::fwrite(line.data(), 1, line.size(), stderr);
  }
  void flush_() override { std::fflush(stderr); }
};

}  // namespace

struct Log::Backend {
  // Made directly rather than through spdlog's registry, which is a global that the host may use itself.
  spdlog::logger logger{"sinter", std::make_shared<StderrSink>()};
};

Log::Log(LogLevel level, LogSink sink) : level_(level), sink_(std::move(sink)) {
  if (!sink_ && level_ != LogLevel::kOff) {
    backend_ = std::make_unique<Backend>();
    backend_->logger.set_pattern("[%n] [%l] %v");
    backend_->logger.set_level(spdlog::level::trace);
  }
}

Log::~Log() = default;

void Log::write(LogLevel level, std::string_view message) const {
  if (!wants(level)) {
    return;
  }
  if (sink_) {
    sink_(level, message);
    return;
  }
  static constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                          spdlog::level::err, spdlog::level::off};
  backend_->logger.log(kLevels[static_cast<int>(level)], spdlog::string_view_t(message.data(), message.size()));
}

}  // namespace sinter
