// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReportedProblems: which of a cache's problems its host is told. Each text once; and texts that vary without end, such as
// those that name keys, must neither fill memory or logs nor hide what goes wrong later.

#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <string>

namespace sinter {

/// Not thread-safe.
class ReportedProblems {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::size_t kMax = 100;
  /// After kMax texts nothing is told for this long; then all of it is new again.
  static constexpr std::chrono::hours kSilence{1};

  /// What to tell: the problem, unless it was told before or there is silence; the last before that says so.
  std::optional<std::string> add(std::string problem, Clock::time_point now);

 private:
  std::set<std::string> told_;
  Clock::time_point silent_until_{};
};

}  // namespace sinter
