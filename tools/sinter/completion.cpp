// SPDX-License-Identifier: Apache-2.0

// sinter completion bash | zsh | fish: a script for the shell, written from the commands as they are.

#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tools/sinter/command.h"
#include "tools/sinter/command_tree.h"

namespace sinter::cli {

namespace {

/// In single quotes, as all three shells read them; fish alone has a backslash there.
std::string single_quoted(std::string_view text, bool fish = false) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += fish ? "\\'" : "'\\''";
    } else if (c == '\\' && fish) {
      out += "\\\\";
    } else {
      out += c == '\n' ? ' ' : c;
    }
  }
  return out + "'";
}

/// First digits of the keys of the cache that the environment names.
constexpr std::string_view kListKeys =
    R"sh(sinter cache list --limit 500 2>/dev/null | sed -n 's/^\([0-9a-f]\{12\}\) .*/\1/p')sh";

/// One `case` pattern for each command, to find out which one a line is about.
std::string path_patterns(const CommandNode& root, std::string_view separator) {
  std::string patterns;
  for (const CommandNode* command : all_commands(root)) {
    if (command != &root) {
      patterns += (patterns.empty() ? "" : std::string(separator)) + single_quoted(command->name);
    }
  }
  return patterns;
}

// --- bash ---

std::string bash_values(const OptionNode& option) {
  switch (option.kind) {
    case ValueKind::kFile: return "COMPREPLY=($(compgen -f -- \"$cur\")); compopt -o filenames 2>/dev/null";
    case ValueKind::kDirectory: return "COMPREPLY=($(compgen -d -- \"$cur\")); compopt -o filenames 2>/dev/null";
    case ValueKind::kWords:
      return fmt::format("COMPREPLY=($(compgen -W {} -- \"$cur\"))",
                         single_quoted(fmt::format("{}", fmt::join(option.words, " "))));
    case ValueKind::kKey: return fmt::format("COMPREPLY=($(compgen -W \"$({})\" -- \"$cur\"))", kListKeys);
    case ValueKind::kAny:
    case ValueKind::kNone: break;
  }
  return "COMPREPLY=()";
}

std::string bash_script(const CommandNode& root) {
  std::string values, words;
  for (const CommandNode* command : all_commands(root)) {
    std::vector<std::string> names;
    for (const CommandNode& below : command->commands) {
      names.push_back(below.last_name());
    }
    for (const OptionNode& option : command->options) {
      for (const std::string& name : option.names) {
        names.push_back(name);
        if (option.kind != ValueKind::kNone) {
          values +=
              fmt::format("    {}) {}; return ;;\n", single_quoted(command->name + " " + name), bash_values(option));
        }
      }
    }
    std::string positional;
    if (!command->positionals.empty()) {
      positional = fmt::format("[[ $cur == -* ]] || {{ {}; return; }}; ", bash_values(command->positionals.front()));
    }
    words += fmt::format("    {}) {}COMPREPLY=($(compgen -W {} -- \"$cur\")) ;;\n", single_quoted(command->name),
                         positional, single_quoted(fmt::format("{}", fmt::join(names, " "))));
  }
  return fmt::format(R"sh(# Completion of sinter for bash. Use: eval "$(sinter completion bash)"
# shellcheck disable=SC2207
_sinter() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} at=sinter i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case "$at ${{COMP_WORDS[i]}}" in
      {}) at="$at ${{COMP_WORDS[i]}}" ;;
    esac
  done
  case "$at $prev" in
{}  esac
  case $at in
{}  esac
}}
complete -F _sinter sinter
)sh",
                     path_patterns(root, "|"), values, words);
}

// --- zsh ---

std::string zsh_values(const OptionNode& option) {
  switch (option.kind) {
    case ValueKind::kFile: return "_files";
    case ValueKind::kDirectory: return "_files -/";
    case ValueKind::kWords: return fmt::format("compadd -- {}", fmt::join(option.words, " "));
    case ValueKind::kKey: return fmt::format("compadd -- ${{(f)\"$({})\"}}", kListKeys);
    case ValueKind::kAny:
    case ValueKind::kNone: break;
  }
  return fmt::format("_message {}", single_quoted(option.value));
}

/// "name:help", where a colon in the name would end it.
std::string zsh_item(std::string_view name, std::string_view help) {
  return single_quoted(fmt::format("{}:{}", name, help));
}

std::string zsh_script(const CommandNode& root) {
  std::string values, words;
  for (const CommandNode* command : all_commands(root)) {
    std::string commands, options;
    for (const CommandNode& below : command->commands) {
      commands += " " + zsh_item(below.last_name(), below.help);
    }
    for (const OptionNode& option : command->options) {
      for (const std::string& name : option.names) {
        options += " " + zsh_item(name, option.help);
        if (option.kind != ValueKind::kNone) {
          values +=
              fmt::format("    ({}) {}; return ;;\n", single_quoted(command->name + " " + name), zsh_values(option));
        }
      }
    }
    words += fmt::format("    ({})\n", single_quoted(command->name));
    if (!commands.empty()) {
      words += fmt::format("      items=({}); _describe -t commands command items ;;\n", commands);
      continue;
    }
    const std::string positional = command->positionals.empty() ? ""
                                                                : fmt::format("[[ $cur == -* ]] || {}; ",
                                                                              zsh_values(command->positionals.front()));
    words += fmt::format("      {}items=({}); _describe -t options option items ;;\n", positional, options);
  }
  return fmt::format(R"sh(#compdef sinter
# Completion of sinter for zsh. Use: eval "$(sinter completion zsh)"
_sinter() {{
  local cur=${{words[CURRENT]}} prev=${{words[CURRENT-1]}} at=sinter i
  local -a items
  for ((i = 2; i < CURRENT; ++i)); do
    case "$at ${{words[i]}}" in
      ({}) at="$at ${{words[i]}}" ;;
    esac
  done
  case "$at $prev" in
{}  esac
  case $at in
{}  esac
}}
if [[ ${{funcstack[1]}} == _sinter ]]; then _sinter "$@"; else compdef _sinter sinter; fi
)sh",
                     path_patterns(root, "|"), values, words);
}

// --- fish ---

std::string fish_values(const OptionNode& option) {
  switch (option.kind) {
    case ValueKind::kFile: return " -r -F";
    case ValueKind::kDirectory: return " -x -a '(__fish_complete_directories)'";
    case ValueKind::kWords:
      return fmt::format(" -x -a {}", single_quoted(fmt::format("{}", fmt::join(option.words, " ")), true));
    case ValueKind::kKey: return fmt::format(" -x -a {}", single_quoted(fmt::format("({})", kListKeys), true));
    case ValueKind::kAny: return " -x";
    case ValueKind::kNone: break;
  }
  return "";
}

std::string fish_script(const CommandNode& root) {
  std::string lines;
  for (const CommandNode* command : all_commands(root)) {
    const std::string start = fmt::format(
        "complete -c sinter -n {}", single_quoted(fmt::format("test (__sinter_at) = \"{}\"", command->name), true));
    for (const CommandNode& below : command->commands) {
      lines += fmt::format("{} -a {} -d {}\n", start, below.last_name(), single_quoted(below.help, true));
    }
    for (const OptionNode& option : command->options) {
      std::string names;
      for (const std::string& name : option.names) {
        names += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      lines += fmt::format("{}{}{} -d {}\n", start, names, fish_values(option), single_quoted(option.help, true));
    }
    for (const OptionNode& positional : command->positionals) {
      const bool is_file = positional.kind == ValueKind::kFile;
      if (is_file || positional.kind == ValueKind::kKey || positional.kind == ValueKind::kWords) {
        lines += start + (is_file ? " -F" : fish_values(positional)) + "\n";
      }
    }
  }
  return fmt::format(R"sh(# Completion of sinter for fish. Use: sinter completion fish | source
function __sinter_at
  set -l at sinter
  for word in (commandline -opc)[2..-1]
    switch "$at $word"
      case {}
        set at "$at $word"
    end
  end
  echo $at
end
complete -c sinter -f
{})sh",
                     path_patterns(root, " "), lines);
}

}  // namespace

void add_completion(CLI::App& app, int& status) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("completion", "Print a script that completes commands, options and keys in a shell");
  command->add_option("shell", *shell, "the shell")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "  eval \"$(sinter completion bash)\"        # in ~/.bashrc\n"
      "  eval \"$(sinter completion zsh)\"         # in ~/.zshrc, after compinit\n"
      "  sinter completion fish | source         # in ~/.config/fish/config.fish");
  command->callback([shell, &app, &status] {
    const CommandNode root = read_command_tree(app);
    fmt::print("{}", *shell == "bash" ? bash_script(root) : *shell == "zsh" ? zsh_script(root) : fish_script(root));
    status = kGood;
  });
}

}  // namespace sinter::cli
