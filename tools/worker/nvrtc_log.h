// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the text of an NVRTC log says: spills, and wgmma pipelines that ptxas gave up on.

#include <cstdint>
#include <string>
#include <string_view>

namespace sinter {

/// Spill stores of kernel `entry` in 32-bit registers, from the output of --ptxas-options=-v; kUnknown without it.
std::int64_t spilled_registers_in_log(std::string_view log, std::string_view entry);

/// The first line that says that ptxas serialized wgmma instructions (C7510 to C7518), or empty. Such a kernel is right
/// and several times slower than its source says.
std::string_view serialized_wgmma_line(std::string_view log);

/// The log without the statistics of --ptxas-options=-v, which contain times and so differ from run to run.
std::string without_statistics(std::string_view log);

}  // namespace sinter
