// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_spec.h"

#include <charconv>

#include <fmt/format.h>

#include "codegen/family.h"

namespace sinter {

namespace {

std::string value_to_string(const ParamInfo& param, std::int64_t value) {
  switch (param.kind) {
    case ParamKind::kInteger: return fmt::format("{}", value);
    case ParamKind::kWord: return std::string(param.words[static_cast<std::size_t>(value)]);
    case ParamKind::kTile: return tile_to_string(unpack_tile(value));
  }
  return {};
}

Error bad_name(std::string_view name, std::string_view why) {
  return make_error(ErrorCode::kInvalidRequest, fmt::format("'{}' is not the name of a kernel spec: {}", name, why));
}

// Decimal digits without a sign or leading zeros, so that every value has one spelling.
Result<std::int64_t> parse_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool canonical = !text.empty() && (text == "0" || (text[0] >= '1' && text[0] <= '9'));
  if (error != std::errc{} || end != text.data() + text.size() || !canonical) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("'{}' is not a whole number", text));
  }
  return value;
}

// Takes the longest word that starts `rest` and ends at an underscore.
std::int64_t take_word(const ParamInfo& param, std::string_view& rest) {
  std::int64_t best = -1;
  std::size_t best_size = 0;
  for (std::size_t i = 0; i < param.words.size(); ++i) {
    const std::string_view word = param.words[i];
    if (rest.starts_with(word) && rest.size() > word.size() && rest[word.size()] == '_' && word.size() > best_size) {
      best = static_cast<std::int64_t>(i);
      best_size = word.size();
    }
  }
  rest.remove_prefix(best < 0 ? 0 : best_size + 1);
  return best;
}

// The default where another word does not come next; the default's own word is no part of a name.
std::int64_t take_word_if_set(const ParamInfo& param, std::string_view& rest) {
  std::string_view after = rest;
  if (!after.starts_with(param.prefix)) {
    return param.default_value;
  }
  after.remove_prefix(param.prefix.size());
  const std::int64_t word = take_word(param, after);
  if (word < 0 || word == param.default_value) {
    return param.default_value;
  }
  rest = after;
  return word;
}

Result<std::int64_t> take_value(const ParamInfo& param, std::string_view& rest) {
  if (param.named_if_set) {
    return take_word_if_set(param, rest);
  }
  if (!rest.starts_with(param.prefix)) {
    return make_error(ErrorCode::kInvalidRequest, fmt::format("'{}' is missing before '{}'", param.prefix, rest));
  }
  rest.remove_prefix(param.prefix.size());
  if (param.kind == ParamKind::kWord) {
    const std::int64_t word = take_word(param, rest);
    if (word < 0) {
      return make_error(ErrorCode::kInvalidRequest, fmt::format("no value of {} at '{}'", param.name, rest));
    }
    return word;
  }
  const std::size_t end = rest.find('_');
  if (end == std::string_view::npos) {
    return make_error(ErrorCode::kInvalidRequest, "the arch is missing");
  }
  const std::string_view text = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  if (param.kind == ParamKind::kTile) {
    SINTER_TRY(TileShape tile, parse_tile(text));
    return pack_tile(tile);
  }
  return parse_number(text);
}

}  // namespace

std::string tile_to_string(TileShape tile) { return fmt::format("{}x{}x{}", tile.m, tile.n, tile.k); }

Result<TileShape> parse_tile(std::string_view text) {
  std::int64_t sides[3];
  std::string_view rest = text;
  for (int i = 0; i < 3; ++i) {
    const std::size_t end = i < 2 ? rest.find('x') : rest.size();
    const auto number = end == std::string_view::npos ? Result<std::int64_t>(Error{}) : parse_number(rest.substr(0, end));
    if (!number || *number < 1 || *number > 65535) {
      return make_error(ErrorCode::kInvalidRequest,
                        fmt::format("tile '{}' is not of the form MxNxK with sides from 1 to 65535, such as 128x128x64", text));
    }
    sides[i] = *number;
    rest.remove_prefix(i < 2 ? end + 1 : end);
  }
  return TileShape{static_cast<std::int32_t>(sides[0]), static_cast<std::int32_t>(sides[1]),
                   static_cast<std::int32_t>(sides[2])};
}

std::string KernelSpec::name() const {
  std::string text(family->name());
  const auto params = family->params();
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (!params[i].named_if_set || values[i] != params[i].default_value) {
      text += fmt::format("_{}{}", params[i].prefix, value_to_string(params[i], values[i]));
    }
  }
  return fmt::format("{}_{}", text, arch->symbol);
}

Result<KernelSpec> parse_spec_name(std::string_view name) {
  KernelSpec spec;
  spec.values.fill(0);
  std::string_view rest;
  for (const Family* family : all_families()) {
    if (name.starts_with(family->name()) && name.size() > family->name().size() && name[family->name().size()] == '_') {
      spec.family = family;
      rest = name.substr(family->name().size() + 1);
    }
  }
  if (spec.family == nullptr) {
    return bad_name(name, "it does not start with a family");
  }
  const auto params = spec.family->params();
  for (std::size_t i = 0; i < params.size(); ++i) {
    auto value = take_value(params[i], rest);
    if (!value) {
      return bad_name(name, value.error().message);
    }
    spec.values[i] = *value;
  }
  for (const Arch& arch : all_archs()) {
    if (arch.symbol == rest) {
      spec.arch = &arch;
    }
  }
  if (spec.arch == nullptr) {
    return bad_name(name, fmt::format("'{}' is no arch", rest));
  }
  return spec;
}

}  // namespace sinter
