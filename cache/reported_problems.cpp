// SPDX-License-Identifier: Apache-2.0
#include "cache/reported_problems.h"

#include <fmt/format.h>

namespace sinter {

std::optional<std::string> ReportedProblems::add(std::string problem, Clock::time_point now) {
  if (told_.size() >= kMax) {
    if (now < silent_until_) {
      return std::nullopt;
    }
    told_.clear();
  }
  if (!told_.insert(problem).second) {
    return std::nullopt;
  }
  if (told_.size() >= kMax) {
    silent_until_ = now + kSilence;
    problem += fmt::format(" (the cache has told {} problems and tells no more for {} minutes; its counters go on)", kMax,
                           std::chrono::minutes(kSilence).count());
  }
  return problem;
}

}  // namespace sinter
