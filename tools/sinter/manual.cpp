// SPDX-License-Identifier: Apache-2.0

// sinter manual: manual pages, one for each command, written from the commands as they are.

#include <algorithm>
#include <cctype>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/settings.h"
#include "runtime/version.h"
#include "tools/sinter/command.h"
#include "tools/sinter/command_tree.h"

namespace sinter::cli {

namespace {

/// Text as roff takes it: nothing in it is a request or an escape.
std::string roff(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) {
      out += "\\&";
    }
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    line_start = c == '\n';
  }
  return out;
}

std::string page_name(std::string_view command) {
  std::string name(command);
  std::ranges::replace(name, ' ', '-');
  return name;
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

/// One sentence without its stop, as the line NAME wants it.
std::string short_help(const CommandNode& command) {
  std::string help = command.help.substr(0, command.help.find('\n'));
  if (help.ends_with('.')) {
    help.pop_back();
  }
  return help;
}

std::string synopsis(const CommandNode& command) {
  std::string text = fmt::format(".B {}\n", roff(command.name));
  if (!command.commands.empty()) {
    text += ".I COMMAND\n";
  }
  for (const OptionNode& positional : command.positionals) {
    const std::string name = upper(positional.names.front()) + (positional.repeats ? " ..." : "");
    text += positional.required ? fmt::format(".I {}\n", roff(name))
                                : fmt::format(".RI [ {} ]\n", roff("\"" + name + "\""));
  }
  for (const OptionNode& option : command.options) {
    if (option.required) {
      text += fmt::format(".B {}\n.I {}\n", roff(option.names.front()), roff(option.value));
    }
  }
  return text + ".RI [ OPTIONS ]\n";
}

std::string described(const OptionNode& option, bool is_positional) {
  std::string names;
  for (const std::string& name : option.names) {
    names += (names.empty() ? "\\fB" : ", \\fB") + roff(is_positional ? upper(name) : name) + "\\fR";
  }
  if (!is_positional && !option.value.empty()) {
    names += " \\fI" + roff(option.value) + "\\fR";
  }
  std::string help = roff(option.help);
  if (!option.words.empty()) {
    help += roff(fmt::format(": {}", fmt::join(option.words, ", ")));
  }
  return fmt::format(".TP\n{}\n{}\n", names, help);
}

std::string environment() {
  std::string text = ".SH ENVIRONMENT\n";
  for (const SettingInfo& info : setting_table()) {
    text +=
        fmt::format(".TP\n.B {}\n{} (default: {})\n", roff(info.variable), roff(info.help), roff(info.default_text));
  }
  return text;
}

std::string page_of(const CommandNode& command, const CommandNode& root, std::string_view date) {
  const bool is_root = &command == &root;
  const std::string name = page_name(command.name);
  std::string page =
      fmt::format(".\\\" SPDX-License-Identifier: Apache-2.0\n.TH {} 1 {} \"Sinter {}\" \"Sinter manual\"\n",
                  upper(roff(name)), date, kVersion);
  page +=
      fmt::format(".SH NAME\n{} \\- {}\n.SH SYNOPSIS\n{}", roff(name), roff(short_help(command)), synopsis(command));
  page += fmt::format(".SH DESCRIPTION\n{}\n", roff(command.help));
  if (!command.commands.empty()) {
    page += ".SH COMMANDS\n";
    for (const CommandNode& below : command.commands) {
      page += fmt::format(".TP\n.BR {} (1)\n{}\n", roff(page_name(below.name)), roff(below.help));
    }
  }
  page += ".SH OPTIONS\n";
  for (const OptionNode& positional : command.positionals) {
    page += described(positional, true);
  }
  for (const OptionNode& option : command.options) {
    page += described(option, false);
  }
  if (is_root) {
    page += environment();
  } else if (!command.footer.empty()) {
    page += fmt::format(".SH NOTES\n.nf\n{}\n.fi\n", roff(command.footer));
  }
  page +=
      ".SH EXIT STATUS\n0: good. 1: a request that cannot be had here, or a problem was found. 2: malformed input.\n";
  if (!is_root) {
    page += ".SH SEE ALSO\n.BR sinter (1)\n";
  }
  return page;
}

int manual(const CommandNode& root, const std::string& directory, const std::string& date) {
  const std::string day = date.empty() ? fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr))) : date;
  std::error_code ignored;
  std::filesystem::create_directories(directory, ignored);
  for (const CommandNode* command : all_commands(root)) {
    const std::string path = fmt::format("{}/{}.1", directory, page_name(command->name));
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << page_of(*command, root, day);
    out.close();
    if (!out) {
      return fail(make_error(ErrorCode::kInvalidRequest, fmt::format("cannot write '{}'", path)), false);
    }
  }
  return kGood;
}

}  // namespace

void add_manual(CLI::App& app, int& status) {
  struct Options {
    std::string directory, date;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("manual", "Write the manual pages, one for each command");
  command->add_option("directory", options->directory, "where to write them; made if missing")
      ->required()
      ->type_name("DIR");
  command->add_option("--date", options->date, "of the pages (default: today)")->type_name("YYYY-MM-DD");
  command->callback(
      [options, &app, &status] { status = manual(read_command_tree(app), options->directory, options->date); });
}

}  // namespace sinter::cli
