// SPDX-License-Identifier: Apache-2.0
#pragma once

// A runtime's counters and times as text for Prometheus (text exposition format, version 0.0.4).

#include <string>

#include "runtime/runtime.h"

namespace sinter {

/// Times in seconds. Each name starts with "sinter_"; docs/inspecting.md lists them.
std::string prometheus_text(const RuntimeMetrics& metrics);

}  // namespace sinter
