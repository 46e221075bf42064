// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/failure_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <utility>

#include "base/time_text.h"

namespace sinter {
namespace {

using std::chrono::seconds;

constexpr seconds kKeepCrash{24 * 3600};
constexpr seconds kKeepDoubtful{60};

/// Then this process asks the database again: somebody may have told it to forget.
constexpr seconds kAskAgain{30};

/// As many as the database keeps.
constexpr std::size_t kMaxRemembered = 256;

}  // namespace

seconds FailureMemory::kept_for(const CompileFailure& failure) const {
  if (failure.crashed) {
    return std::max(keep_, kKeepCrash);
  }
  switch (failure.code) {
    case ErrorCode::kCompileFailed:
    case ErrorCode::kUnsupported: return keep_;
    case ErrorCode::kCompilerUnavailable: return std::min(keep_, kAskAgain);
    default: return std::min(keep_, kKeepDoubtful);
  }
}

std::optional<Error> FailureMemory::find_here(const CacheKey& key) {
  const std::lock_guard lock(mutex_);
  const auto it = here_.find(key.digest);
  if (it == here_.end()) {
    return std::nullopt;
  }
  if (it->second.until <= Clock::now()) {
    here_.erase(it);
    return std::nullopt;
  }
  return to_error(key, it->second.failure);
}

std::optional<Error> FailureMemory::find(const CacheKey& key) {
  if (keep_ <= seconds{0}) {
    return std::nullopt;
  }
  if (auto error = find_here(key)) {
    return error;
  }
  auto failure = cache_.failure(key);
  if (!failure) {
    return std::nullopt;
  }
  // What the cache gives may lie a minute in the future: another host's clock is ahead.
  const seconds age{std::max<std::int64_t>(static_cast<std::int64_t>(std::time(nullptr)) - failure->failed_unix_s, 0)};
  const seconds left = kept_for(*failure) - age;
  if (left <= seconds{0}) {
    return std::nullopt;
  }
  remember_here(key, *failure, left);
  return to_error(key, std::move(*failure));
}

void FailureMemory::remember(const CacheKey& key, CompileFailure failure) {
  if (keep_ <= seconds{0}) {
    return;
  }
  failure.failed_unix_s = static_cast<std::int64_t>(std::time(nullptr));
  if (failure.code != ErrorCode::kCompilerUnavailable) {
    cache_.remember_failure(key, failure);
  }
  const seconds left = kept_for(failure);
  remember_here(key, std::move(failure), left);
}

void FailureMemory::forget_all() {
  {
    const std::lock_guard lock(mutex_);
    here_.clear();
  }
  cache_.forget_failures("");
}

void FailureMemory::remember_here(const CacheKey& key, CompileFailure failure, seconds left) {
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  if (here_.size() >= kMaxRemembered && !here_.contains(key.digest)) {
    // The one that goes first anyhow.
    here_.erase(std::min_element(here_.begin(), here_.end(),
                                 [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
  }
  here_.insert_or_assign(key.digest, Remembered{std::move(failure), now + std::min(left, kAskAgain)});
}

Error FailureMemory::to_error(const CacheKey& key, CompileFailure failure) const {
  Error error;
  error.code = failure.code;
  error.message = fmt::format(
      "{} (remembered since {} and not tried again before {}; `sinter cache forget {}` forgets it)", failure.message,
      utc_text(failure.failed_unix_s), utc_text(failure.failed_unix_s + kept_for(failure).count()),
      to_hex(key.digest).substr(0, 16));
  error.log = std::move(failure.log);
  error.source = std::move(failure.source);
  return error;
}

}  // namespace sinter
