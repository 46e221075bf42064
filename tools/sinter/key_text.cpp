// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/key_text.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

namespace sinter::cli {

namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    lines.push_back(line);
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return lines;
}

void append_missing(std::string& out, char sign, const std::vector<std::string_view>& lines,
                    const std::vector<std::string_view>& others) {
  for (const std::string_view line : lines) {
    if (std::ranges::find(others, line) == others.end()) {
      out += fmt::format("    {} {}\n", sign, line);
    }
  }
}

}  // namespace

std::string differences_text(const std::vector<KeyDifference>& differences) {
  std::string text;
  for (const KeyDifference& difference : differences) {
    const auto left = lines_of(difference.left), right = lines_of(difference.right);
    text += fmt::format("  {}\n", difference.name);
    append_missing(text, '-', left, right);
    append_missing(text, '+', right, left);
  }
  return text;
}

}  // namespace sinter::cli
