// SPDX-License-Identifier: Apache-2.0
#pragma once

// A quirk denies a kernel where it is known to go wrong: by pattern over the spec's name, device, driver version and
// parameter ranges, with a reason and a reference. Quirks are data (runtime/caps/quirks.json, and files given at run
// time); docs/capability_table.md has the format with examples.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codegen/kernel_spec.h"
#include "runtime/caps/device_caps.h"

namespace sinter {

/// A parameter's inclusive range, by the family's parameter name.
struct QuirkRange {
  std::string param;
  std::int64_t min = INT64_MIN, max = INT64_MAX;
};

struct Quirk {
  std::string id;                      ///< Short name for messages.
  std::string spec_pattern;            ///< Shell-style pattern (* and ?) over the spec's name.
  std::string device_pattern = "*";    ///< Over the capability row's name, not its aliases.
  DriverRange drivers;                 ///< A driver of unknown version is in every range.
  std::vector<QuirkRange> ranges;
  std::string reason;
  std::string reference;
};

/// Reads a quirk file. Errors: kInvalidRequest with the file, the quirk and the field.
Result<std::vector<Quirk>> parse_quirks(std::string_view json, std::string_view file_name);
/// quirks.json as compiled in.
std::string_view builtin_quirks_json();

/// Does this quirk deny this kernel here? A driver whose version is not known is within every range: better a refusal
/// than a fault. A range over a parameter that the spec's family lacks never matches.
bool quirk_matches(const Quirk& quirk, const KernelSpec& spec, const DeviceCaps& caps, std::string_view driver_version);

/// * matches any run of characters, ? one.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace sinter
