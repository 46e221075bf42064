// SPDX-License-Identifier: Apache-2.0

// Writes rendered kernels for the scripts that compile and run them on a device machine:
//
//   export_kernels DIR < requests        one request a line: FAMILY arch=NAME PARAM=VALUE...
//
// "tile=all" stands for every tile that the body offers. DIR gets ENTRY.cu for each kernel, the templates under their
// own names, and kernels.json: what a launch needs to know. Exit 1 if a request is refused.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "codegen/render.h"
#include "codegen/resolve.h"

namespace {

using namespace sinter;

struct Line {
  KernelRequest request;
  const Arch* arch = nullptr;
  bool all_tiles = false;
};

Result<Line> parse_line(const std::string& text) {
  std::istringstream words(text);
  std::string family;
  words >> family;
  Line line;
  SINTER_TRY(line.request.family, find_family(family));
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    if (equals == std::string::npos) {
      return make_error(ErrorCode::kInvalidRequest, "'" + word + "' is not PARAM=VALUE");
    }
    const std::string name = word.substr(0, equals), value = word.substr(equals + 1);
    if (name == "arch") {
      SINTER_TRY(line.arch, parse_arch(value));
    } else if (name == "tile" && value == "all") {
      line.all_tiles = true;
    } else {
      SINTER_TRY_VOID(set_param(line.request, name, value));
    }
  }
  if (line.arch == nullptr) {
    return make_error(ErrorCode::kInvalidRequest, "'" + text + "' names no arch");
  }
  return line;
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

const char* type_name(TensorMapType type) {
  switch (type) {
    case TensorMapType::kBytes: return "bytes";
    case TensorMapType::kBf16: return "bf16";
    case TensorMapType::kF32: return "f32";
  }
  return "";
}

nlohmann::json tensor_maps_json(const BodyPlan& plan) {
  nlohmann::json maps = nlohmann::json::array();
  for (const TensorMapPlan& map : plan.tensor_maps) {
    maps.push_back({{"argument_offset", map.argument_offset},
                    {"type", type_name(map.type)},
                    {"rank", map.rank},
                    {"sizes", map.sizes},
                    {"strides", map.strides},
                    {"box", map.box}});
  }
  return maps;
}

Result<nlohmann::json> export_kernel(const std::filesystem::path& directory, const KernelSpec& spec) {
  SINTER_TRY(const BodyPlan plan, make_plan(spec));
  SINTER_TRY(const GeneratedSource generated, render(spec, plan));
  write_file(directory / (generated.entry + ".cu"), generated.source);
  for (const protocol::NamedText& header : generated.headers) {
    write_file(directory / header.name, header.text);
  }
  nlohmann::json entry = {{"entry", generated.entry},
                          {"family", spec.family->name()},
                          {"arch", spec.arch->name},
                          {"threads", plan.threads_per_block},
                          {"dynamic_shared_bytes", plan.dynamic_shared_bytes},
                          {"tensor_maps", tensor_maps_json(plan)}};
  const auto params = spec.family->params();
  for (std::size_t i = 0; i < params.size(); ++i) {
    const std::int64_t value = spec.values[i];
    switch (params[i].kind) {
      case ParamKind::kInteger: entry[std::string(params[i].name)] = value; break;
      case ParamKind::kWord:
        entry[std::string(params[i].name)] = params[i].words[static_cast<std::size_t>(value)];
        break;
      case ParamKind::kTile:
        entry[std::string(params[i].name)] = {unpack_tile(value).m, unpack_tile(value).n, unpack_tile(value).k};
        break;
    }
  }
  return entry;
}

Result<void> export_line(const std::filesystem::path& directory, const Line& line, nlohmann::json& kernels) {
  ResolveTarget target;
  target.arch = line.arch;
  SINTER_TRY(KernelSpec spec, resolve(line.request, target));
  std::vector<KernelSpec> specs{spec};
  if (line.all_tiles) {
    specs.clear();
    for (const TileShape tile : spec.family->body(line.arch->vendor)->tiles(spec)) {
      spec.values[static_cast<std::size_t>(spec.family->param_index("tile"))] = pack_tile(tile);
      specs.push_back(spec);
    }
  }
  for (const KernelSpec& one : specs) {
    SINTER_TRY(auto entry, export_kernel(directory, one));
    kernels.push_back(std::move(entry));
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: export_kernels DIR < requests\n";
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  nlohmann::json kernels = nlohmann::json::array();
  for (std::string text; std::getline(std::cin, text);) {
    if (text.empty()) {
      continue;
    }
    const auto line = parse_line(text);
    const auto exported = line ? export_line(directory, *line, kernels) : Result<void>(line.error());
    if (!exported) {
      std::cerr << text << ": " << exported.error().message << "\n";
      return 1;
    }
  }
  write_file(directory / "kernels.json", kernels.dump(1));
  std::cerr << kernels.size() << " kernels\n";
  return 0;
}
