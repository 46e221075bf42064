// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace sinter {

/// "2026-11-21 01:02:03Z": seconds since 1970 as a date.
std::string utc_text(std::int64_t unix_s);

}  // namespace sinter
