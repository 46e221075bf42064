// SPDX-License-Identifier: Apache-2.0

// Build-time tool: turns text files into C++ source.
//   sinter-embed templates ROOT OUT FILE...   template_files() of codegen/template_store.h
//   sinter-embed text FUNCTION FILE OUT       std::string_view sinter::FUNCTION()

#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"

namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    std::cerr << "sinter-embed: cannot read " << path << "\n";
    std::exit(1);
  }
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Paths named by `#include "..."` lines. A template includes nothing in angle brackets.
std::vector<std::string> direct_includes(const std::string& path, const std::string& text) {
  std::vector<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("#include", 0) != 0) {
      continue;
    }
    const auto open = line.find('"'), close = line.rfind('"');
    if (open == std::string::npos || close == open) {
      std::cerr << "sinter-embed: " << path << ": only #include \"...\" of a template is allowed: " << line << "\n";
      std::exit(1);
    }
    found.push_back(line.substr(open + 1, close - open - 1));
  }
  return found;
}

using Files = std::map<std::string, std::string>;

void collect_includes(const Files& files, const std::string& path, std::set<std::string>& found) {
  for (const std::string& include : direct_includes(path, files.at(path))) {
    if (files.count(include) == 0) {
      std::cerr << "sinter-embed: " << path << " includes \"" << include << "\", which is not a template\n";
      std::exit(1);
    }
    if (found.insert(include).second) {
      collect_includes(files, include, found);
    }
  }
}

// The file under its own name first, then what it includes in sorted order.
std::string digest_of(const Files& files, const std::string& path, const std::set<std::string>& includes) {
  sinter::DigestBuilder builder;
  builder.field(path, files.at(path));
  for (const std::string& include : includes) {
    builder.field(include, files.at(include));
  }
  return sinter::to_hex(builder.finish());
}

// Raw string literals have a length limit in some compilers; one literal per line has none.
void write_literal(std::ostream& out, const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    out << "    R\"sinter(" << line << ")sinter\" \"\\n\"\n";
  }
  if (text.empty()) {
    out << "    \"\"\n";
  }
}

void write_templates(const std::string& root, const std::string& out_path, int count, char** names) {
  Files files;
  for (int i = 0; i < count; ++i) {
    files[names[i]] = read_file(root + "/" + names[i]);
  }
  std::ofstream out(out_path);
  out << "#include \"codegen/template_store.h\"\n\nnamespace sinter {\nnamespace {\n\n";
  std::ostringstream table;
  int index = 0;
  for (const auto& [path, text] : files) {
    std::set<std::string> includes;
    collect_includes(files, path, includes);
    includes.erase(path);
    out << "constexpr std::string_view kText" << index << " =\n";
    write_literal(out, text);
    out << "    ;\n";
    std::string list = "{}";
    if (!includes.empty()) {
      out << "constexpr std::string_view kIncludes" << index << "[] = {";
      for (const std::string& include : includes) {
        out << "\"" << include << "\", ";
      }
      out << "};\n";
      list = "kIncludes" + std::to_string(index);
    }
    table << "    {\"" << path << "\", kText" << index << ", \"" << digest_of(files, path, includes) << "\", " << list << "},\n";
    ++index;
  }
  out << "\nconstexpr TemplateFile kFiles[] = {\n" << table.str()
      << "};\n\n}  // namespace\n\nstd::span<const TemplateFile> template_files() { return kFiles; }\n\n}  // namespace sinter\n";
}

void write_text(const std::string& function, const std::string& path, const std::string& out_path) {
  std::ofstream out(out_path);
  out << "#include <string_view>\n\nnamespace sinter {\n\nstd::string_view " << function << "();\n\nstd::string_view " << function
      << "() {\n  return\n";
  write_literal(out, read_file(path));
  out << "      ;\n}\n\n}  // namespace sinter\n";
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "templates" && argc > 4) {
    write_templates(argv[2], argv[3], argc - 4, argv + 4);
  } else if (mode == "text" && argc == 5) {
    write_text(argv[2], argv[3], argv[4]);
  } else {
    std::cerr << "usage: sinter-embed templates ROOT OUT FILE... | text FUNCTION FILE OUT\n";
    return 2;
  }
  return 0;
}
