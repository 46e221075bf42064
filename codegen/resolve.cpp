// SPDX-License-Identifier: Apache-2.0
#include "codegen/resolve.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sinter {

namespace {

const Family& family_of(const KernelRequest& request) { return *all_families()[request.family]; }

Error bad_value(const Family& family, const ParamInfo& param, std::string_view value, std::string_view allowed) {
  return make_error(ErrorCode::kInvalidRequest,
                    fmt::format("{}: {} is '{}'; allowed: {}", family.name(), param.name, value, allowed));
}

std::string allowed_range(const ParamInfo& param) { return fmt::format("a whole number from {} to {}", param.min, param.max); }

Result<std::int64_t> parse_value(const Family& family, const ParamInfo& param, std::string_view text) {
  if (param.kind == ParamKind::kTile) {
    SINTER_TRY(TileShape tile, parse_tile(text));
    return pack_tile(tile);
  }
  if (param.kind == ParamKind::kWord) {
    for (std::size_t i = 0; i < param.words.size(); ++i) {
      if (param.words[i] == text) {
        return static_cast<std::int64_t>(i);
      }
    }
    return bad_value(family, param, text, fmt::format("{}", fmt::join(param.words, ", ")));
  }
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return bad_value(family, param, text, allowed_range(param));
  }
  return number;
}

Result<void> check_range(const Family& family, const ParamInfo& param, std::int64_t value) {
  switch (param.kind) {
    case ParamKind::kInteger:
      if (value < param.min || value > param.max) {
        return bad_value(family, param, fmt::format("{}", value), allowed_range(param));
      }
      break;
    case ParamKind::kWord:
      if (value < 0 || value >= static_cast<std::int64_t>(param.words.size())) {
        return bad_value(family, param, fmt::format("{}", value), fmt::format("{}", fmt::join(param.words, ", ")));
      }
      break;
    case ParamKind::kTile: {
      const TileShape tile = unpack_tile(value);
      if (tile.m < 1 || tile.n < 1 || tile.k < 1 || tile.m > 65535) {
        return bad_value(family, param, tile_to_string(tile), "sides from 1 to 65535");
      }
      break;
    }
  }
  return {};
}

Result<const ParamInfo*> find_param(const Family& family, std::string_view name) {
  const int index = family.param_index(name);
  if (index < 0) {
    std::vector<std::string_view> names;
    for (const ParamInfo& param : family.params()) {
      names.push_back(param.name);
    }
    return make_error(ErrorCode::kInvalidRequest, fmt::format("{} has no parameter '{}'; it has: {}", family.name(), name,
                                                              fmt::join(names, ", ")));
  }
  return &family.params()[static_cast<std::size_t>(index)];
}

struct Hint {
  ParamInfo param;
  int index;  ///< In a request's values.
};

constexpr Hint kHints[] = {
    {{.name = "rows", .prefix = "", .kind = ParamKind::kInteger, .help = "rows of a launch", .min = 1, .max = kMaxRows}, kRowsHint},
    {{.name = "largest", .prefix = "", .kind = ParamKind::kInteger, .help = "rows of its largest group", .min = 1, .max = kMaxRows},
     kLargestHint},
};

// Rows are a hint of every family whose launches have them; the largest group's of those that have groups as well.
const Hint* find_hint(const Family& family, std::string_view name) {
  const auto arguments = family.arguments();
  const bool has_rows = std::any_of(arguments.begin(), arguments.end(),
                                    [](const ArgumentInfo& argument) { return argument.name == "rows"; });
  for (const Hint& hint : kHints) {
    if (hint.param.name == name && family.param_index(name) < 0 && has_rows &&
        (hint.index == kRowsHint || family.param_index("groups") >= 0)) {
      return &hint;
    }
  }
  return nullptr;
}

bool is_hint(std::size_t index) { return index == kRowsHint || index == kLargestHint; }

// The only place that decides what an open vskip means.
Result<void> resolve_vskip(KernelSpec& spec, const ResolveTarget& target) {
  const int index = spec.family->param_index("vskip");
  if (index < 0) {
    return {};
  }
  std::int64_t& vskip = spec.values[static_cast<std::size_t>(index)];
  if (vskip == kVskipAuto && target.arch->vendor == Vendor::kAmd) {
    vskip = target.open_vskip;
  }
  if (vskip == kVskipOn && !target.arch->has_setvskip) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{}: vskip is 'on', but {} has no s_setvskip (gfx6 to gfx9 have it); ask for 'auto' or 'off'",
                                  spec.family->name(), target.arch->name));
  }
  if (vskip == kVskipAuto) {
    vskip = target.arch->has_setvskip && target.vskip_safe ? kVskipOn : kVskipOff;
  }
  return {};
}

}  // namespace

Result<void> set_param(KernelRequest& request, std::string_view name, std::string_view value) {
  const Family& family = family_of(request);
  if (const Hint* hint = find_hint(family, name)) {
    SINTER_TRY(const std::int64_t number, parse_value(family, hint->param, value));
    SINTER_TRY_VOID(check_range(family, hint->param, number));
    request.values[static_cast<std::size_t>(hint->index)] = number;
    return {};
  }
  SINTER_TRY(const ParamInfo* param, find_param(family, name));
  SINTER_TRY(std::int64_t number, parse_value(family, *param, value));
  SINTER_TRY_VOID(check_range(family, *param, number));
  request.values[static_cast<std::size_t>(family.param_index(name))] = number;
  return {};
}

Result<void> set_param(KernelRequest& request, std::string_view name, std::int64_t value) {
  const Family& family = family_of(request);
  if (const Hint* hint = find_hint(family, name)) {
    SINTER_TRY_VOID(check_range(family, hint->param, value));
    request.values[static_cast<std::size_t>(hint->index)] = value;
    return {};
  }
  SINTER_TRY(const ParamInfo* param, find_param(family, name));
  SINTER_TRY_VOID(check_range(family, *param, value));
  request.values[static_cast<std::size_t>(family.param_index(name))] = value;
  return {};
}

Result<KernelSpec> resolve(const KernelRequest& request, const ResolveTarget& target) {
  if (request.family >= all_families().size()) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("there is no family number {}; there are {}", request.family,
                                                              all_families().size()));
  }
  KernelSpec spec;
  spec.family = &family_of(request);
  spec.arch = target.arch;
  const auto params = spec.family->params();
  for (std::size_t i = 0; i < params.size(); ++i) {
    std::int64_t value = request.values[i];
    if (value == kUnset) {
      value = params[i].default_value;
    }
    if (value == kUnset && !params[i].resolved) {
      return make_error(ErrorCode::kInvalidRequest,
                        fmt::format("{}: {} is missing: {}", spec.family->name(), params[i].name, params[i].help));
    }
    if (value != kUnset) {
      SINTER_TRY_VOID(check_range(*spec.family, params[i], value));
    }
    spec.values[i] = value;
  }
  for (std::size_t i = params.size(); i < spec.values.size(); ++i) {
    if (request.values[i] != kUnset && !is_hint(i)) {
      return make_error(ErrorCode::kInvalidRequest,
                        fmt::format("{} has {} parameters, value {} is set", spec.family->name(), params.size(), i));
    }
    spec.values[i] = 0;
  }
  if (spec.family->body(spec.arch->vendor) == nullptr) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{} has no body for {} ({})", spec.family->name(), spec.arch->name, vendor_name(spec.arch->vendor)));
  }
  SINTER_TRY_VOID(resolve_vskip(spec, target));
  SINTER_TRY_VOID(spec.family->resolve(spec, target));
  return spec;
}

Result<KernelSpec> resolve_for_device(const KernelRequest& request, const ResolveTarget& target) {
  auto own = resolve(request, target);
  if (own || own.error().code != ErrorCode::kUnsupported) {
    return own;
  }
  for (const Arch& arch : all_archs()) {
    if (arch.format == CodeFormat::kPtx && runs_on(arch, *target.arch)) {
      ResolveTarget older = target;
      older.arch = &arch;
      if (auto spec = resolve(request, older)) {
        return spec;
      }
    }
  }
  return own;
}

Result<BodyPlan> make_plan(const KernelSpec& spec) {
  const Body* body = spec.family->body(spec.arch->vendor);
  if (body == nullptr) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{} has no body for {}", spec.family->name(), spec.arch->name));
  }
  return body->plan(spec);
}

}  // namespace sinter
