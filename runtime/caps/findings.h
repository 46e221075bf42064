// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a check compares, one Finding per limit, passed or not. The checks (validate.h) turn the failed ones into an
// Error; reports (report.h) show them all.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codegen/code_object.h"
#include "codegen/family.h"
#include "runtime/caps/device_caps.h"
#include "runtime/caps/quirks.h"

namespace sinter {

/// The steps at which a kernel can be refused. Messages start with the step's name.
enum class CheckStep : std::uint8_t {
  kResolve,     ///< Is there such a kernel for the device's arch at all?
  kSpec,        ///< Before compiling: is the spec possible on this device?
  kCodeObject,  ///< After compiling or loading: does the binary fit?
  kQuirks,      ///< May this driver run it?
  kLaunch,      ///< Does this launch fit?
};
std::string_view check_step_name(CheckStep step);  ///< "spec check", "code object check", ...

struct Finding {
  CheckStep step = CheckStep::kSpec;
  std::string_view subject;  ///< A word for tables and programs: "arch", "lds", "vskip".
  bool ok = true;
  std::string detail;  ///< "needs 98304 bytes of LDS per workgroup, MI300X has 65536 (...)".
};

/// Every comparison that check_spec makes.
std::vector<Finding> examine_spec(const KernelSpec& spec, const BodyPlan& plan, const DeviceCaps& caps,
                                  bool exempt_vskip);

/// Every comparison that check_code_object makes. Facts that the format does not tell are not compared.
std::vector<Finding> examine_code_object(const KernelSpec& spec, const BodyPlan& plan, const CodeObject& code,
                                         const DeviceCaps& caps);

/// One finding per quirk that denies the kernel, or a single one that says how many were asked.
std::vector<Finding> examine_quirks(const KernelSpec& spec, const DeviceCaps& caps, std::string_view driver_version,
                                    std::span<const Quirk> quirks);

/// Nothing if no finding failed, else the Error that lists each failed one. The findings are of one step.
/// Errors: kUnsupported.
Result<void> refusal(const std::vector<Finding>& findings, std::string_view spec_name, std::string_view device);

/// A limit and where it comes from.
struct Limit {
  std::int64_t value = 0;
  std::string source;
};

/// The row's number, or its arch's where the cell is empty.
Limit limit_of(const Sourced<std::int64_t>& cell, std::int64_t arch_limit, const Arch& arch);

/// What the vendor calls the memory that a block's threads share: "bytes of LDS per workgroup".
std::string_view shared_memory_words(Vendor vendor);
/// "threads per workgroup", "threads per block".
std::string_view threads_words(Vendor vendor);

}  // namespace sinter
