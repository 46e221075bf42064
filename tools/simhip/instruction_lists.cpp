// SPDX-License-Identifier: Apache-2.0

// What the simulator does not know: in a code object, and of all that an arch has.

#include <algorithm>
#include <cstring>
#include <set>
#include <string>

#include "tools/simhip/code_object.h"
#include "tools/simhip/hip_session.h"
#include "tools/simhip/instruction_census.h"
#include "tools/simhip/simhip.h"

using namespace sinter::sim;

namespace {

/// One line after the other, cut to `bytes`.
void copy_lines(const std::set<std::string>& lines, char* text, std::uint64_t bytes) {
  std::string all;
  for (const std::string& line : lines) {
    all += line + "\n";
  }
  if (bytes != 0) {
    const std::size_t kept = std::min<std::size_t>(bytes - 1, all.size());
    std::memcpy(text, all.data(), kept);
    text[kept] = '\0';
  }
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

std::uint64_t sinter_simhip_unknown_instructions(const void* image, char* text, std::uint64_t bytes) {
  const auto code = load_code(image_at(image));
  std::set<std::string> unknown;
  if (!code) {
    unknown.insert(code.error().message);
  } else {
    for (std::size_t at = 0; at + 1 < code->text.instructions.size(); at += code->text.instructions[at].dwords) {
      if (!code->text.problems[at].empty()) {
        unknown.insert(code->text.texts[at] + ": " + code->text.problems[at]);
      }
    }
  }
  copy_lines(unknown, text, bytes);
  return unknown.size();
}

std::uint64_t sinter_simhip_missing_instructions(const char* arch, char* text, std::uint64_t bytes,
                                                 std::uint64_t* known) {
  const auto census = take_census(arch);
  std::set<std::string> missing;
  if (!census) {
    missing.insert(census.error().message);
  } else {
    for (const auto& [name, problem] : *census) {
      if (!problem.empty()) {
        missing.insert(name + ": " + problem);
      }
    }
    *known = census->size() - missing.size();
  }
  copy_lines(missing, text, bytes);
  return missing.size();
}

}  // extern "C"
#pragma GCC visibility pop
