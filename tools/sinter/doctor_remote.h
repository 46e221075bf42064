// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/settings.h"

namespace sinter::cli {

/// What doctor says of the remote tier.
struct RemoteDiagnosis {
  bool good = false;
  std::string detail;  ///< Without secrets.
};

/// Asks the engine that the settings name, once; nullopt if they name none.
std::optional<RemoteDiagnosis> examine_remote(const Settings& settings);

}  // namespace sinter::cli
