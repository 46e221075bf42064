// SPDX-License-Identifier: Apache-2.0
#pragma once

// Differences of keys as text for people.

#include <string>
#include <vector>

#include "cache/key_difference.h"

namespace sinter::cli {

/// One block for each difference: its name, then "- left" and "+ right". Of values of several lines only the lines that
/// differ are shown.
std::string differences_text(const std::vector<KeyDifference>& differences);

}  // namespace sinter::cli
