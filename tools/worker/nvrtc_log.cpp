// SPDX-License-Identifier: Apache-2.0
#include "tools/worker/nvrtc_log.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "codegen/code_object.h"

namespace sinter {
namespace {

/// Cuts the first line off `rest` and returns it without its end.
std::string_view next_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

/// The number that ends right before `words`: 48 for "48 bytes spill stores".
std::optional<std::int64_t> number_before(std::string_view line, std::string_view words) {
  const std::size_t at = line.find(words);
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  std::size_t begin = at;
  while (begin > 0 && line[begin - 1] >= '0' && line[begin - 1] <= '9') {
    --begin;
  }
  std::int64_t value = 0;
  const auto parsed = std::from_chars(line.data() + begin, line.data() + at, value);
  return parsed.ec == std::errc{} ? std::optional(value) : std::nullopt;
}

}  // namespace

std::int64_t spilled_registers_in_log(std::string_view log, std::string_view entry) {
  constexpr std::int64_t kRegisterBytes = 4;
  const std::string heading = fmt::format("Function properties for {}", entry);
  bool in_entry = false;
  while (!log.empty()) {
    const std::string_view line = next_line(log);
    if (contains(line, "Function properties for ")) {
      in_entry = line.ends_with(heading);
    } else if (const auto bytes = number_before(line, " bytes spill stores"); in_entry && bytes) {
      return (*bytes + kRegisterBytes - 1) / kRegisterBytes;
    }
  }
  return kUnknown;
}

std::string_view serialized_wgmma_line(std::string_view log) {
  while (!log.empty()) {
    const std::string_view line = next_line(log);
    const std::size_t at = line.find("(C751");
    if (at != std::string_view::npos && at + 6 < line.size() && line[at + 5] >= '0' && line[at + 5] <= '8' &&
        line[at + 6] == ')') {
      return line;
    }
  }
  return {};
}

std::string without_statistics(std::string_view log) {
  std::string kept;
  while (!log.empty()) {
    const std::string_view line = next_line(log);
    // Statistics are "ptxas info    : ..." without a message number, and continuation lines "ptxas         .  ...".
    const bool is_statistic = (line.starts_with("ptxas info ") && !contains(line, ": (C")) ||
                              (line.starts_with("ptxas  ") && contains(line, " . "));
    if (!is_statistic && !line.empty()) {
      kept += line;
      kept += '\n';
    }
  }
  return kept;
}

}  // namespace sinter
