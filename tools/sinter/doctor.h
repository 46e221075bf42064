// SPDX-License-Identifier: Apache-2.0
#pragma once

// What `sinter doctor` finds: one line for each thing that a machine needs, or may have.

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/runtime.h"

namespace sinter::cli {

enum class Health : std::uint8_t {
  kHealthy,
  kNote,    ///< Works, or is not needed here, but somebody may want to know.
  kBroken,  ///< Asked for, or needed, and does not work.
};

struct Diagnosis {
  std::string subject;  ///< "compiler nvrtc", "cache directory".
  Health health = Health::kHealthy;
  std::string detail;
  std::string mend = {};  ///< A command, or what to set; empty where there is nothing to mend.
};
using Diagnoses = std::vector<Diagnosis>;

/// Compilers, drivers and the devices behind them. Starts workers.
void examine_machine(Runtime& runtime, Diagnoses& findings);
/// Directories, the database, bundles, keys and log files.
void examine_storage(const Settings& settings, Diagnoses& findings);

}  // namespace sinter::cli
