// SPDX-License-Identifier: Apache-2.0
#pragma once

// The commands and options of `sinter` as plain data, read from the parser itself: shell completion and manual pages are
// written from it and so cannot go stale.

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/App.hpp>

namespace sinter::cli {

/// What the value of an option may be, for completion.
enum class ValueKind : std::uint8_t { kNone, kAny, kFile, kDirectory, kKey, kWords };

struct OptionNode {
  std::vector<std::string> names;  ///< "--arch", "-j"; of a positional its bare name.
  ValueKind kind = ValueKind::kNone;
  std::string value;               ///< "FILE", "N"; empty for a flag.
  std::vector<std::string> words;  ///< Of kWords.
  std::string help;
  bool required = false;
  bool repeats = false;
};

struct CommandNode {
  std::string name;  ///< With those above it: "sinter cache list".
  std::string help, footer;
  std::vector<OptionNode> options, positionals;
  std::vector<CommandNode> commands;

  std::string last_name() const { return name.substr(name.rfind(' ') + 1); }
};

CommandNode read_command_tree(const CLI::App& app);

/// `root` and everything below it, each before what is below it.
std::vector<const CommandNode*> all_commands(const CommandNode& root);

}  // namespace sinter::cli
