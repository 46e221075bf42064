// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/manifest.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/json_guard.h"
#include "codegen/family.h"
#include "codegen/resolve.h"

namespace sinter {

namespace {

using nlohmann::ordered_json;

/// Hints (kRowsHint, kLargestHint) as fields: where serving gives them, the tile depends on them.
constexpr ParamInfo kHintFields[] = {
    {.name = "rows", .prefix = "", .kind = ParamKind::kInteger, .help = "rows of a launch"},
    {.name = "largest", .prefix = "", .kind = ParamKind::kInteger, .help = "rows of its largest group"},
};

Error bad_manifest(std::string_view file, std::string_view where, std::string_view why) {
  return make_error(ErrorCode::kInvalidRequest, fmt::format("{}: {}{}{}", file, where, where.empty() ? "" : ": ", why));
}

std::string line_and_column(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte == 0 ? 0 : byte - 1, text.size()));
  const auto line = 1 + std::ranges::count(before, '\n');
  const auto last = before.rfind('\n');
  return fmt::format("line {}, column {}", line, before.size() - (last == std::string_view::npos ? 0 : last + 1) + 1);
}

Result<ordered_json> parse_json(std::string_view text, std::string_view file) {
  JsonGuard<ordered_json> guard;
  try {
    ordered_json root = ordered_json::parse(text, guard.callback());
    if (!guard.problem().empty()) {
      return bad_manifest(file, "", guard.problem());
    }
    return root;
  } catch (const ordered_json::parse_error& error) {
    return bad_manifest(file, line_and_column(text, error.byte), fmt::format("not JSON: {}", error.what()));
  } catch (const ordered_json::exception& error) {
    return bad_manifest(file, "", error.what());
  }
}

// One value as set_param takes it; the type must suit the parameter.
Result<std::string> value_text(const ParamInfo& param, const ordered_json& value) {
  if (param.kind == ParamKind::kTile && value.is_array() && value.size() == 3 &&
      std::ranges::all_of(value, [](const auto& side) { return side.is_number_unsigned(); })) {
    return fmt::format("{}x{}x{}", value[0].get<std::uint64_t>(), value[1].get<std::uint64_t>(), value[2].get<std::uint64_t>());
  }
  if (param.kind == ParamKind::kInteger ? value.is_number_integer() : value.is_string()) {
    return value.is_string() ? value.get<std::string>() : value.dump();
  }
  constexpr std::string_view kExpected[] = {"a whole number", "a word", "a tile such as [128, 128, 64]"};
  return make_error(ErrorCode::kInvalidRequest,
                    fmt::format("{} is {}; expected {}", param.name, value.dump(), kExpected[static_cast<int>(param.kind)]));
}

// A tile is itself an array, so a list of tiles is an array whose first element is a tile.
bool is_sweep(const ParamInfo& param, const ordered_json& value) {
  return value.is_array() && (param.kind != ParamKind::kTile || value.empty() || !value[0].is_number());
}

Result<const ParamInfo*> find_field(const Family& family, std::string_view name) {
  if (const int index = family.param_index(name); index >= 0) {
    return &family.params()[static_cast<std::size_t>(index)];
  }
  for (const ParamInfo& hint : kHintFields) {
    if (name == hint.name) {
      return &hint;
    }
  }
  std::vector<std::string_view> names{"family"};
  for (const ParamInfo& param : family.params()) {
    names.push_back(param.name);
  }
  for (const ParamInfo& hint : kHintFields) {
    names.push_back(hint.name);
  }
  return make_error(ErrorCode::kInvalidRequest, fmt::format("unknown field '{}'; {} has: {}", name, family.name(), fmt::join(names, ", ")));
}

Result<void> apply_field(std::vector<KernelRequest>& requests, const Family& family, std::string_view name, const ordered_json& value) {
  SINTER_TRY(const ParamInfo* field, find_field(family, name));
  const ParamInfo& param = *field;
  const ordered_json sweep = is_sweep(param, value) ? value : ordered_json::array({value});
  if (sweep.empty()) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("{} is an empty list", name));
  }
  if (requests.size() * sweep.size() > kMaxManifestKernels) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("its sweeps make more than {} kernels", kMaxManifestKernels));
  }
  std::vector<KernelRequest> product;
  for (const KernelRequest& request : requests) {
    for (const ordered_json& one : sweep) {
      SINTER_TRY(const std::string text, value_text(param, one));
      product.push_back(request);
      SINTER_TRY_VOID(set_param(product.back(), name, std::string_view(text)));
    }
  }
  requests = std::move(product);
  return {};
}

Result<std::vector<KernelRequest>> parse_kernel(const ordered_json& object) {
  if (!object.is_object() || !object.contains("family") || !object["family"].is_string()) {
    return make_error(ErrorCode::kInvalidRequest, "it must be an object with a field 'family'");
  }
  KernelRequest first;
  SINTER_TRY(first.family, find_family(object["family"].get<std::string>()));
  std::vector<KernelRequest> requests{first};
  for (const auto& [name, value] : object.items()) {
    if (name != "family") {
      SINTER_TRY_VOID(apply_field(requests, *all_families()[first.family], name, value));
    }
  }
  return requests;
}

}  // namespace

Result<std::vector<ManifestKernel>> parse_manifest(std::string_view text, std::string_view file) {
  SINTER_TRY(const ordered_json root, parse_json(text, file));
  if (!root.is_object() || !root.contains("kernels") || !root["kernels"].is_array()) {
    return bad_manifest(file, "", "it must be an object with an array 'kernels'");
  }
  for (const auto& [name, value] : root.items()) {
    if (name != "kernels") {
      return bad_manifest(file, "", fmt::format("unknown field '{}'; only 'kernels' is known", name));
    }
  }
  std::vector<ManifestKernel> kernels;
  std::map<std::pair<std::uint64_t, decltype(KernelRequest::values)>, std::string> seen;  // to where it stands
  for (std::size_t i = 0; i < root["kernels"].size(); ++i) {
    const std::string where = fmt::format("kernels[{}]", i);
    auto requests = parse_kernel(root["kernels"][i]);
    if (!requests) {
      return bad_manifest(file, where, requests.error().message);
    }
    for (const KernelRequest& request : *requests) {
      const auto [twin, is_new] = seen.try_emplace({request.family, request.values}, where);
      if (!is_new) {
        return bad_manifest(file, where, fmt::format("the same kernel as {}", twin->second));
      }
      kernels.push_back({request, where});
    }
    if (kernels.size() > kMaxManifestKernels) {
      return bad_manifest(file, where, fmt::format("more than {} kernels", kMaxManifestKernels));
    }
  }
  return kernels;
}

}  // namespace sinter
