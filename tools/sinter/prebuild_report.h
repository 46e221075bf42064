// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a prebuild did, for people and for programs.

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "cache/bundle_writer.h"
#include "codegen/arch.h"
#include "runtime/compile/compile_service.h"

namespace sinter::cli {

/// What became of one kernel.
struct BuildResult {
  enum class State { kNotTried, kBuilt, kFailed, kRefused };

  std::string spec;
  const Arch* arch = nullptr;
  State state = State::kNotTried;
  CodeOrigin origin = CodeOrigin::kCompiled;  ///< If it was built.
  Digest key;                                 ///< If it was built.
  std::size_t bytes = 0;
  double ms = 0;
  Error error;  ///< If it failed or was refused.
};

struct BuildReport {
  std::vector<BuildResult> results;
  std::vector<WrittenBundle> bundles;
  std::vector<std::string> problems;  ///< Of the whole: what could not be stored or written.
  double seconds = 0;

  std::size_t count(BuildResult::State state) const;
  /// Of those that were built.
  std::size_t compiled() const;
  bool ok() const { return count(BuildResult::State::kBuilt) == results.size() && problems.empty(); }
};

/// What failed by reason, each reason once with its log and whom it concerns, then a line of totals.
void print_report(const BuildReport& report);
/// {"kernels": [...], "summary": {...}, "bundles": [...]}.
void print_report_json(const BuildReport& report);

}  // namespace sinter::cli
