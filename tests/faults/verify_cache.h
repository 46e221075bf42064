// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cache/cache_admin.h"

namespace sinter::faults {

/// Checks every row and the file as `sinter cache verify` does. Empty if all is well, or nothing is there yet. A process
/// that calls this must not fork afterwards and use a cache in the child.
inline std::string verify_cache(const std::string& directory) {
  if (!CacheAdmin::exists(directory)) {
    return {};
  }
  auto admin = CacheAdmin::open(directory);
  if (!admin) {
    return admin.error().message;
  }
  const auto report = admin->verify();
  if (!report) {
    return report.error().message;
  }
  for (const std::string& problem : report->file_problems) {
    return problem;
  }
  for (const BadEntry& entry : report->damaged) {
    return entry.spec + ": " + entry.reason;
  }
  return {};
}

}  // namespace sinter::faults
