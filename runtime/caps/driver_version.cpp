// SPDX-License-Identifier: Apache-2.0
#include "runtime/caps/driver_version.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <vector>

#include <fmt/format.h>

namespace sinter {

namespace {

constexpr std::string_view kAmdKernelDriver = "amdgpu";

// The dotted numbers a version starts with: "50221153" is one, "6.8.5-rc1" three, "unknown" none.
std::vector<std::uint64_t> version_parts(std::string_view text) {
  std::vector<std::uint64_t> parts;
  while (!text.empty()) {
    std::uint64_t part = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), part);
    if (error != std::errc{}) {
      break;
    }
    parts.push_back(part);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (!text.starts_with('.')) {
      break;
    }
    text.remove_prefix(1);
  }
  return parts;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) {
      words.push_back(text.substr(0, end));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

bool is_name(std::string_view word) { return !word.empty() && (word[0] < '0' || word[0] > '9'); }

/// What a report says of one driver.
struct Reported {
  bool named = false;         ///< The report names drivers at all.
  bool found = false;         ///< This one among them.
  std::string_view version;   ///< May be empty.
};

Reported find_driver(std::string_view reported, std::string_view driver) {
  Reported result;
  const auto words = split(reported);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!is_name(words[i]) || words[i].find(':') != std::string_view::npos) {
      continue;
    }
    result.named = true;
    if (words[i] == driver) {
      result.found = true;
      result.version = i + 1 < words.size() ? words[i + 1] : std::string_view();
      return result;
    }
  }
  // CUDA's version stands alone. HIP's own number, which has no dots, is no driver's.
  if (!result.named && words.size() == 1 && words[0].find('.') != std::string_view::npos && driver == kAmdKernelDriver) {
    result.found = true;
    result.version = words[0];
  }
  return result;
}

}  // namespace

InRange driver_in_range(const DriverRange& range, std::string_view reported) {
  const Reported driver = find_driver(reported, range.driver.empty() ? kAmdKernelDriver : std::string_view(range.driver));
  if (!driver.found) {
    return driver.named && !range.driver.empty() ? InRange::kNo : InRange::kUnclear;
  }
  if (range.min.empty() && range.max.empty()) {
    return InRange::kYes;
  }
  if (version_parts(driver.version).empty()) {
    return InRange::kUnclear;
  }
  const bool inside = (range.min.empty() || compare_versions(driver.version, range.min) >= 0) &&
                      (range.max.empty() || compare_versions(driver.version, range.max) <= 0);
  return inside ? InRange::kYes : InRange::kNo;
}

std::string to_string(const DriverRange& range) {
  if (range.is_open()) {
    return "any driver";
  }
  const std::string driver = range.driver.empty() ? "drivers" : range.driver;
  if (range.min.empty() && range.max.empty()) {
    return driver + " of any version";
  }
  if (range.max.empty()) {
    return fmt::format("{} {} and later", driver, range.min);
  }
  return range.min.empty() ? fmt::format("{} up to {}", driver, range.max)
                           : fmt::format("{} {} to {}", driver, range.min, range.max);
}

int compare_versions(std::string_view a, std::string_view b) {
  auto left = version_parts(a), right = version_parts(b);
  left.resize(std::max(left.size(), right.size()));
  right.resize(left.size());
  return left < right ? -1 : left > right ? 1 : 0;
}

bool is_dotted_number(std::string_view text) {
  return text.find_first_not_of("0123456789.") == std::string_view::npos && !text.ends_with('.') &&
         text.find("..") == std::string_view::npos && !version_parts(text).empty();
}

}  // namespace sinter
