// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/model_presets.h"

#include <strings.h>

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/json_guard.h"
#include "codegen/families/grouped_gemm.h"
#include "codegen/resolve.h"

namespace sinter {

namespace {

using nlohmann::json;

Error invalid(std::string message) { return make_error(ErrorCode::kInvalidRequest, std::move(message)); }

constexpr std::int64_t kMaxSize = 1 << 20;

Result<void> read_size(const json& object, std::string_view field, std::int64_t lowest, std::int64_t& value) {
  const auto it = object.find(field);
  if (it == object.end()) {
    return lowest == 0 || value > 0 ? Result<void>() : invalid(fmt::format("{} is missing", field));
  }
  if (!it->is_number_integer() || it->get<std::int64_t>() < lowest || it->get<std::int64_t>() > kMaxSize) {
    return invalid(fmt::format("{} is {}; expected a whole number from {} to {}", field, it->dump(), lowest, kMaxSize));
  }
  value = it->get<std::int64_t>();
  return {};
}

Result<void> read_words(const json& object, std::string_view field, std::vector<std::string>& words) {
  const auto it = object.find(field);
  if (it == object.end()) {
    return {};
  }
  if (!it->is_array() || !std::ranges::all_of(*it, [](const json& word) { return word.is_string() && word != ""; })) {
    return invalid(fmt::format("{} is {}; expected a list of words", field, it->dump()));
  }
  words = it->get<std::vector<std::string>>();
  return {};
}

Result<ModelPreset> parse_model(const json& object) {
  constexpr std::string_view kFields[] = {"name", "aliases", "hidden", "intermediate", "experts",
                                          "topk", "shared",  "pad_to", "quant",        "source"};
  for (const auto& [name, value] : object.items()) {
    if (std::ranges::find(kFields, name) == std::end(kFields)) {
      return invalid(fmt::format("unknown field '{}'; known: {}", name, fmt::join(kFields, ", ")));
    }
  }
  ModelPreset model;
  const auto text = [&](const char* field) {
    return object.contains(field) && object[field].is_string() ? object[field].get<std::string>() : std::string();
  };
  model.name = text("name");
  model.source = text("source");
  if (model.name.empty() || model.source.empty()) {
    return invalid("name and source must be texts");
  }
  SINTER_TRY_VOID(read_size(object, "hidden", 8, model.hidden));
  SINTER_TRY_VOID(read_size(object, "intermediate", 8, model.intermediate));
  SINTER_TRY_VOID(read_size(object, "experts", 1, model.experts));
  SINTER_TRY_VOID(read_size(object, "topk", 1, model.topk));
  SINTER_TRY_VOID(read_size(object, "shared", 0, model.shared));
  SINTER_TRY_VOID(read_size(object, "pad_to", 1, model.pad_to));
  SINTER_TRY_VOID(read_words(object, "aliases", model.aliases));
  SINTER_TRY_VOID(read_words(object, "quant", model.quants));
  if (model.quants.empty()) {
    return invalid("quant is missing: one or more of none, fp8_block");
  }
  return model;
}

bool is_named(const ModelPreset& model, const std::string& name) {
  const auto same = [&](const std::string& other) { return ::strcasecmp(name.c_str(), other.c_str()) == 0; };
  return same(model.name) || std::ranges::any_of(model.aliases, same);
}

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Builds the requests of one layer, each with every hint of rows.
class LayerBuilder {
 public:
  LayerBuilder(std::string where, std::vector<std::int64_t> rows) : where_(std::move(where)), rows_(std::move(rows)) {}

  Result<void> add(std::string_view part, std::string_view family,
                   std::initializer_list<std::pair<std::string_view, std::int64_t>> sizes, std::string_view quant) {
    KernelRequest request;
    SINTER_TRY(request.family, find_family(family));
    SINTER_TRY_VOID(set_param(request, "quant", quant));
    for (const auto& [name, value] : sizes) {
      SINTER_TRY_VOID(set_param(request, name, value));
    }
    for (const std::int64_t rows : rows_) {
      if (rows > 0) {
        SINTER_TRY_VOID(set_param(request, "rows", rows));
      }
      kernels_.push_back({request, fmt::format("{} {}", where_, part)});
    }
    return {};
  }
  std::vector<ManifestKernel> take() { return std::move(kernels_); }

 private:
  const std::string where_;
  const std::vector<std::int64_t> rows_;
  std::vector<ManifestKernel> kernels_;
};

/// The rank's share of `total`; it must divide.
Result<std::int64_t> share_of(const ModelPreset& model, std::string_view what, std::int64_t total, std::int64_t ranks) {
  if (ranks < 1 || total % ranks != 0) {
    return invalid(fmt::format("{}: {} {} cannot be split over {} ranks", model.name, total, what, ranks));
  }
  return total / ranks;
}

}  // namespace

Result<std::vector<ModelPreset>> parse_models(std::string_view text, std::string_view file) {
  json root;
  JsonGuard<json> guard;
  try {
    root = json::parse(text, guard.callback());
  } catch (const json::exception& error) {
    return invalid(fmt::format("{}: {}", file, error.what()));
  }
  if (!guard.problem().empty()) {
    return invalid(fmt::format("{}: {}", file, guard.problem()));
  }
  if (!root.is_object() || !root.contains("models") || !root["models"].is_array()) {
    return invalid(fmt::format("{}: it must be an object with an array 'models'", file));
  }
  std::vector<ModelPreset> models;
  for (const json& object : root["models"]) {
    auto model = object.is_object() ? parse_model(object) : Result<ModelPreset>(invalid("it must be an object"));
    if (!model) {
      return invalid(fmt::format("{}: models[{}]: {}", file, models.size(), model.error().message));
    }
    models.push_back(std::move(*model));
  }
  return models;
}

Result<const ModelPreset*> find_model(const std::vector<ModelPreset>& models, std::string_view name) {
  const auto it =
      std::ranges::find_if(models, [&](const ModelPreset& model) { return is_named(model, std::string(name)); });
  if (it != models.end()) {
    return &*it;
  }
  std::vector<std::string_view> names;
  for (const ModelPreset& model : models) {
    names.push_back(model.name);
  }
  return invalid(fmt::format(
      "unknown model '{}'; known: {} (sinter prebuild --list-models has their sizes; a manifest names any other)", name,
      fmt::join(names, ", ")));
}

Result<std::vector<ManifestKernel>> model_kernels(const ModelPreset& model, const ModelSplit& split) {
  SINTER_TRY(std::int64_t groups, share_of(model, "experts", model.experts, split.expert_parallel));
  SINTER_TRY(std::int64_t intermediate,
             share_of(model, "columns of an expert", model.intermediate, split.tensor_parallel));
  groups += split.fuse_shared ? model.shared : 0;
  intermediate = round_up(intermediate, model.pad_to);
  const std::int64_t hidden = round_up(model.hidden, model.pad_to);
  std::vector<std::int64_t> rows;
  for (const std::int64_t tokens : split.tokens) {
    if (tokens < 1 || tokens > kMaxRows / (model.topk + model.shared)) {
      return invalid(fmt::format("{} tokens: expected 1 to {}", tokens, kMaxRows / (model.topk + model.shared)));
    }
    // Of all tokens' experts this rank has its share.
    const std::int64_t chosen = model.topk + (split.fuse_shared ? model.shared : 0);
    rows.push_back(std::max<std::int64_t>(1, tokens * chosen / split.expert_parallel));
  }
  if (rows.empty()) {
    rows.push_back(0);
  }
  LayerBuilder layer(fmt::format("{} tp {} ep {}", model.name, split.tensor_parallel, split.expert_parallel), rows);
  for (const std::string& quant : split.quants.empty() ? model.quants : split.quants) {
    SINTER_TRY_VOID(
        layer.add("gate and up", "grouped_gemm", {{"n", 2 * intermediate}, {"k", hidden}, {"groups", groups}}, quant));
    SINTER_TRY_VOID(layer.add("down", "grouped_gemm", {{"n", hidden}, {"k", intermediate}, {"groups", groups}}, quant));
    if (quant != "none") {
      SINTER_TRY_VOID(layer.add("quantize for gate and up", "quantize", {{"k", hidden}}, quant));
      SINTER_TRY_VOID(layer.add("quantize for down", "quantize", {{"k", intermediate}}, quant));
    }
  }
  return layer.take();
}

}  // namespace sinter
