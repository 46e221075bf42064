// SPDX-License-Identifier: Apache-2.0
#include "base/time_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

namespace sinter {

std::string utc_text(std::int64_t unix_s) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}Z", fmt::gmtime(static_cast<std::time_t>(unix_s)));
}

}  // namespace sinter
