// SPDX-License-Identifier: Apache-2.0
#pragma once

// A quirk is what is known of a kernel that goes wrong, or slow, somewhere: a pattern over its name, a device, drivers
// and a predicate over shapes, with a reason and a reference. It denies the kernel, or prefers another in its place.
// Quirks are data (runtime/caps/quirks.json, and files given at run time); docs/quirks.md has the format.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codegen/kernel_spec.h"
#include "runtime/caps/device_caps.h"

namespace sinter {

/// What must hold of one number of the shape: a parameter of the family ("k"), or a scalar of a launch ("rows").
struct QuirkRange {
  std::string param;
  std::int64_t min = INT64_MIN, max = INT64_MAX;  ///< Inclusive.
  std::vector<std::int64_t> one_of;               ///< Empty: any.
  std::int64_t multiple_of = 1;
  std::int64_t not_multiple_of = 0;               ///< 0: no such demand.

  bool holds(std::int64_t value) const;
};
std::string to_string(const QuirkRange& range);  ///< "rows one of 304, 336".

enum class QuirkEffect : std::uint8_t {
  kDeny,
  kPrefer,  ///< Where the request leaves a parameter open, it gets the one of `instead`.
};

struct Quirk {
  std::string id;                      ///< Short name for messages.
  std::string spec_pattern;            ///< Shell-style pattern (* and ?) over the kernel's name.
  std::string device_pattern = "*";    ///< Over the capability row's name, not its aliases.
  DriverRange drivers;                 ///< A driver of unknown version is in every range.
  std::vector<QuirkRange> ranges;      ///< All of them must hold.
  QuirkEffect effect = QuirkEffect::kDeny;
  std::vector<std::pair<std::string, std::string>> instead;  ///< kPrefer: parameters and their values, as in requests.
  std::string reason;
  std::string reference;
};

/// Reads a quirk file. Errors: kInvalidRequest with the file, the quirk and the field.
Result<std::vector<Quirk>> parse_quirks(std::string_view json, std::string_view file_name);
/// quirks.json as compiled in.
std::string_view builtin_quirks_json();

/// What a quirk is asked about; kernels need not be Sinter's own.
struct QuirkSubject {
  std::string_view kernel, device, driver_version;
  /// A number of the shape by name; nullopt: not known here.
  std::function<std::optional<std::int64_t>(std::string_view)> number;
};

enum class QuirkMatch : std::uint8_t {
  kNo,
  kYes,
  kDepends,  ///< On numbers that are not known here: of the launch.
};
QuirkMatch match_quirk(const Quirk& quirk, const QuirkSubject& subject);

/// The same for a spec, of which everything but a launch's scalars is known. A number that the family has not got at all
/// makes it kNo.
QuirkMatch match_quirk(const Quirk& quirk, const KernelSpec& spec, const DeviceCaps& caps, std::string_view driver_version);

/// `request` with what matching quirks prefer, for the parameters that it leaves open; of two that differ the first wins.
/// `spec` is what it resolved to without them.
KernelRequest with_preferences(const KernelRequest& request, const KernelSpec& spec, const DeviceCaps& caps,
                               std::string_view driver_version, const std::vector<Quirk>& quirks);

/// A quirk that denies some launches of a kernel, ready to be asked at each.
struct LaunchQuirk {
  std::vector<std::pair<std::int32_t, QuirkRange>> scalars;  ///< By offset in the argument struct; each an int64.
  std::string message;
};
std::vector<LaunchQuirk> launch_quirks(const KernelSpec& spec, const DeviceCaps& caps, std::string_view driver_version,
                                       const std::vector<Quirk>& quirks);
/// The first that denies a launch with these arguments, or null. No allocation.
const LaunchQuirk* find_launch_quirk(const std::vector<LaunchQuirk>& quirks, const void* args);

/// * matches any run of characters, ? one.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace sinter
