// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/command_tree.h"

#include <algorithm>

namespace sinter::cli {

namespace {

/// "{a,b}" in the parser's name of a type that is one of some words.
std::vector<std::string> words_of(const std::string& type) {
  std::vector<std::string> words;
  const auto open = type.find('{'), close = type.find('}');
  if (open == std::string::npos || close == std::string::npos || close < open) {
    return words;
  }
  for (std::size_t at = open + 1; at <= close;) {
    const std::size_t end = std::min(type.find(',', at), close);
    words.push_back(type.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

ValueKind kind_of(const OptionNode& node, bool is_positional) {
  if (node.value.empty()) {
    return ValueKind::kNone;
  }
  if (!node.words.empty()) {
    return ValueKind::kWords;
  }
  if (node.value == "FILE") {
    return ValueKind::kFile;
  }
  if (node.value == "DIR") {
    return ValueKind::kDirectory;
  }
  const std::string& name = node.names.front();
  return is_positional && (name == "key" || name == "left" || name == "right") ? ValueKind::kKey : ValueKind::kAny;
}

OptionNode read_option(const CLI::Option& option, bool is_positional) {
  OptionNode node;
  if (is_positional) {
    node.names.push_back(option.get_name(true));
  } else {
    for (const std::string& name : option.get_lnames()) {
      node.names.push_back("--" + name);
    }
    for (const std::string& name : option.get_snames()) {
      node.names.push_back("-" + name);
    }
  }
  if (option.get_items_expected_max() > 0) {
    const std::string type = option.get_type_name();
    node.words = words_of(type);
    node.value = type.substr(0, type.find(':'));
    if (!node.words.empty() || node.value.empty() || node.value == "TEXT") {
      node.value = node.words.empty() ? "VALUE" : "WORD";
    }
  }
  node.help = option.get_description();
  node.required = option.get_required();
  node.repeats = option.get_items_expected_max() > 1;
  node.kind = kind_of(node, is_positional);
  return node;
}

CommandNode read_node(const CLI::App& app, const std::string& parent) {
  CommandNode node;
  node.name = parent.empty() ? app.get_name() : parent + " " + app.get_name();
  node.help = app.get_description();
  node.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options()) {
    if (option->nonpositional()) {
      node.options.push_back(read_option(*option, false));
    } else {
      node.positionals.push_back(read_option(*option, true));
    }
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    node.commands.push_back(read_node(*command, node.name));
  }
  return node;
}

void append(const CommandNode& node, std::vector<const CommandNode*>& out) {
  out.push_back(&node);
  for (const CommandNode& command : node.commands) {
    append(command, out);
  }
}

}  // namespace

CommandNode read_command_tree(const CLI::App& app) { return read_node(app, ""); }

std::vector<const CommandNode*> all_commands(const CommandNode& root) {
  std::vector<const CommandNode*> commands;
  append(root, commands);
  return commands;
}

}  // namespace sinter::cli
