// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one list of a capability row's sourced cells: the loader, the live overlay and the reports all walk it.

#include <cstdint>
#include <string_view>

#include "runtime/caps/device_caps.h"

namespace sinter {

/// What a cell's number counts, for reading and for printing.
enum class CellUnit : std::uint8_t { kCount, kBytes, kBytesPerSecond, kFlops, kWord, kYesNo, kVskip };

/// Calls visit(field name, cell, unit) for each sourced cell, in the order of the file. `caps` may be const.
template <class Caps, class Visitor>
void visit_cells(Caps& caps, Visitor&& visit) {
  visit("unit_count", caps.unit_count, CellUnit::kCount);
  visit("wave_size", caps.wave_size, CellUnit::kCount);
  visit("max_threads_per_block", caps.max_threads_per_block, CellUnit::kCount);
  visit("max_threads_per_unit", caps.max_threads_per_unit, CellUnit::kCount);
  visit("shared_bytes_per_block", caps.shared_bytes_per_block, CellUnit::kBytes);
  visit("shared_bytes_per_unit", caps.shared_bytes_per_unit, CellUnit::kBytes);
  visit("registers_per_thread", caps.registers_per_thread, CellUnit::kCount);
  visit("registers_per_unit", caps.registers_per_unit, CellUnit::kCount);
  visit("l2_bytes", caps.l2_bytes, CellUnit::kBytes);
  visit("memory_bytes", caps.memory_bytes, CellUnit::kBytes);
  visit("memory_bandwidth", caps.memory_bandwidth, CellUnit::kBytesPerSecond);
  visit("bf16_flops", caps.bf16_flops, CellUnit::kFlops);
  visit("fp8_flops", caps.fp8_flops, CellUnit::kFlops);
  visit("fp8_format", caps.fp8_format, CellUnit::kWord);
  visit("has_setvskip", caps.has_setvskip, CellUnit::kYesNo);
  visit("vskip_safe", caps.vskip_safe, CellUnit::kVskip);
}

}  // namespace sinter
