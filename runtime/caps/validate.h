// SPDX-License-Identifier: Apache-2.0
#pragma once

// The checks between a request and a launch, all asked of one capability row. Each refusal names its step and lists
// every violated limit with the value, the limit and where the limit comes from. Pure functions, thread-safe.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "codegen/code_object.h"
#include "codegen/family.h"
#include "runtime/caps/device_caps.h"
#include "runtime/caps/quirks.h"

namespace sinter {

/// Before compiling: is this spec possible on this device? `exempt_vskip` lifts the refusal of an unsafe vskip, and
/// nothing else. Errors: kUnsupported.
Result<void> check_spec(const KernelSpec& spec, const BodyPlan& plan, const DeviceCaps& caps, bool exempt_vskip);

/// After compiling or loading from the cache: does the binary fit the spec, its plan and the device?
/// Target, entry, registers, LDS/shared memory, scratch and spills (none on a GPU), wave size, argument bytes, the
/// mode's matrix instruction, and s_setvskip in the disassembly exactly when the spec says so. A fact that is kUnknown
/// is not compared, with two exceptions: the target, and on an arch that has s_setvskip its count. Errors: kUnsupported.
Result<void> check_code_object(const KernelSpec& spec, const BodyPlan& plan, const CodeObject& code,
                               const DeviceCaps& caps);

/// After loading: the driver's own numbers complete the facts that the format did not tell (PTX, which the driver has now
/// compiled) and must not contradict those that it did. Errors: kUnsupported.
Result<void> check_loaded(const KernelSpec& spec, const BodyPlan& plan, const CodeObject& code, const LoadedAttributes& loaded,
                          const DeviceCaps& caps);

/// May this driver run this kernel here? Errors: kUnsupported with the quirk's reason and reference.
Result<void> check_quirks(const KernelSpec& spec, const DeviceCaps& caps, std::string_view driver_version,
                          std::span<const Quirk> quirks);

/// What a launch must not exceed, precomputed per kernel and device so that a launch costs a few compares. What `live`
/// reports (may be null) wins over the row.
struct LaunchLimits {
  std::uint64_t max_grid[3] = {0x7fffffff, 65535, 65535};
  std::uint64_t max_threads_per_block = 1024;
  std::uint64_t max_dynamic_shared_bytes = 0;
  std::uint64_t args_bytes = 0;
};
LaunchLimits launch_limits(const BodyPlan& plan, const CodeFacts& facts, const DeviceCaps& caps,
                           const DeviceProperties* live, std::size_t args_bytes);

/// True if the launch fits; on false, explain_launch says why. Inline-able: no allocation.
inline bool launch_fits(const LaunchLimits& limits, const LaunchShape& shape, std::size_t args_bytes) {
  const std::uint64_t threads = std::uint64_t{shape.block[0]} * shape.block[1] * shape.block[2];
  return shape.grid[0] <= limits.max_grid[0] && shape.grid[1] <= limits.max_grid[1] &&
         shape.grid[2] <= limits.max_grid[2] && threads > 0 && threads <= limits.max_threads_per_block &&
         shape.dynamic_shared_bytes <= limits.max_dynamic_shared_bytes && args_bytes == limits.args_bytes;
}
Error explain_launch(const LaunchLimits& limits, const LaunchShape& shape, std::size_t args_bytes);

/// Are all operands present and aligned as the argument table says? An operand whose footprint is 0 for this launch
/// (the mode does not use it, or there are no rows) may be anything. Returns the index of the first bad argument, or
/// -1. No allocation.
int first_bad_pointer(const KernelSpec& spec, const void* args);
Error explain_pointer(const KernelSpec& spec, const void* args, int argument);

/// Checked mode: every buffer is as large as the kernel's declared footprint. `buffer_bytes` has one size per argument,
/// in table order; kUnknownBytes leaves one unchecked. Errors: kInvalidRequest.
inline constexpr std::uint64_t kUnknownBytes = ~std::uint64_t{0};
Result<void> check_footprints(const KernelSpec& spec, const void* args, std::span<const std::uint64_t> buffer_bytes);

}  // namespace sinter
