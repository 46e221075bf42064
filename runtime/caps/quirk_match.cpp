// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codegen/family.h"
#include "codegen/resolve.h"
#include "runtime/caps/quirks.h"

namespace sinter {

namespace {

const ArgumentInfo* find_scalar(const Family& family, std::string_view name) {
  for (const ArgumentInfo& argument : family.arguments()) {
    if (argument.kind == ArgumentKind::kScalar && argument.name == name && argument.size == sizeof(std::int64_t)) {
      return &argument;
    }
  }
  return nullptr;
}

bool is_open(const Family& family, std::string_view param, std::int64_t value) {
  return value == kUnset || (param == "vskip" && family.param_index("vskip") >= 0 && value == kVskipAuto);
}

}  // namespace

bool QuirkRange::holds(std::int64_t value) const {
  return value >= min && value <= max && (one_of.empty() || std::find(one_of.begin(), one_of.end(), value) != one_of.end()) &&
         value % multiple_of == 0 && (not_multiple_of == 0 || value % not_multiple_of != 0);
}

std::string to_string(const QuirkRange& range) {
  std::vector<std::string> terms;
  if (range.min != INT64_MIN) terms.push_back(fmt::format("at least {}", range.min));
  if (range.max != INT64_MAX) terms.push_back(fmt::format("at most {}", range.max));
  if (!range.one_of.empty()) terms.push_back(fmt::format("one of {}", fmt::join(range.one_of, ", ")));
  if (range.multiple_of != 1) terms.push_back(fmt::format("a multiple of {}", range.multiple_of));
  if (range.not_multiple_of != 0) terms.push_back(fmt::format("no multiple of {}", range.not_multiple_of));
  return fmt::format("{} {}", range.param, terms.empty() ? "any" : fmt::format("{}", fmt::join(terms, " and ")));
}

QuirkMatch match_quirk(const Quirk& quirk, const QuirkSubject& subject) {
  if (!glob_match(quirk.spec_pattern, subject.kernel) || !glob_match(quirk.device_pattern, subject.device) ||
      driver_in_range(quirk.drivers, subject.driver_version) == InRange::kNo) {
    return QuirkMatch::kNo;
  }
  QuirkMatch match = QuirkMatch::kYes;
  for (const QuirkRange& range : quirk.ranges) {
    const auto value = subject.number(range.param);
    if (value && !range.holds(*value)) {
      return QuirkMatch::kNo;
    }
    match = value ? match : QuirkMatch::kDepends;
  }
  return match;
}

QuirkMatch match_quirk(const Quirk& quirk, const KernelSpec& spec, const DeviceCaps& caps, std::string_view driver_version) {
  for (const QuirkRange& range : quirk.ranges) {
    if (spec.family->param_index(range.param) < 0 && find_scalar(*spec.family, range.param) == nullptr) {
      return QuirkMatch::kNo;
    }
  }
  const std::string name = spec.name();
  return match_quirk(quirk, {name, caps.name, driver_version, [&spec](std::string_view param) -> std::optional<std::int64_t> {
                               const int index = spec.family->param_index(param);
                               return index < 0 ? std::nullopt : std::optional(spec[index]);
                             }});
}

KernelRequest with_preferences(const KernelRequest& request, const KernelSpec& spec, const DeviceCaps& caps,
                               std::string_view driver_version, const std::vector<Quirk>& quirks) {
  KernelRequest preferred = request;
  for (const Quirk& quirk : quirks) {
    if (quirk.effect != QuirkEffect::kPrefer || match_quirk(quirk, spec, caps, driver_version) != QuirkMatch::kYes) {
      continue;
    }
    for (const auto& [param, value] : quirk.instead) {
      const int index = spec.family->param_index(param);
      if (index >= 0 && is_open(*spec.family, param, preferred.values[static_cast<std::size_t>(index)])) {
        // A value that this family does not know is not preferred.
        static_cast<void>(set_param(preferred, param, std::string_view(value)).has_value());
      }
    }
  }
  return preferred;
}

std::vector<LaunchQuirk> launch_quirks(const KernelSpec& spec, const DeviceCaps& caps, std::string_view driver_version,
                                       const std::vector<Quirk>& quirks) {
  std::vector<LaunchQuirk> found;
  for (const Quirk& quirk : quirks) {
    if (quirk.effect != QuirkEffect::kDeny || match_quirk(quirk, spec, caps, driver_version) != QuirkMatch::kDepends) {
      continue;
    }
    LaunchQuirk launch;
    std::vector<std::string> terms;
    for (const QuirkRange& range : quirk.ranges) {
      terms.push_back(to_string(range));
      if (const ArgumentInfo* scalar = find_scalar(*spec.family, range.param)) {
        launch.scalars.emplace_back(scalar->offset, range);
      }
    }
    launch.message = fmt::format("quirk '{}' denies this launch of {} on {} ({}): {} (see {})", quirk.id, spec.name(), caps.name,
                                 fmt::join(terms, ", "), quirk.reason, quirk.reference);
    found.push_back(std::move(launch));
  }
  return found;
}

const LaunchQuirk* find_launch_quirk(const std::vector<LaunchQuirk>& quirks, const void* args) {
  const auto holds = [args](const std::pair<std::int32_t, QuirkRange>& scalar) {
    std::int64_t value = 0;
    std::memcpy(&value, static_cast<const char*>(args) + scalar.first, sizeof value);
    return scalar.second.holds(value);
  };
  for (const LaunchQuirk& quirk : quirks) {
    if (std::all_of(quirk.scalars.begin(), quirk.scalars.end(), holds)) {
      return &quirk;
    }
  }
  return nullptr;
}

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0;
  // Where to go on after a mismatch: the last star takes one character more.
  std::size_t star = std::string_view::npos, taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace sinter
