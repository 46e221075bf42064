// SPDX-License-Identifier: Apache-2.0
#pragma once

// The page of `sinter cache report`, embedded at build time from report.html.

#include <string_view>

namespace sinter {

/// With a mark where the data goes.
std::string_view report_page();

}  // namespace sinter
