// SPDX-License-Identifier: Apache-2.0
#pragma once

// The layers of known models as kernels: models.json has the sizes with their sources, this turns a model and how it is
// split over ranks into requests.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tools/sinter/manifest.h"

namespace sinter {

/// One model's mixture-of-experts layer. Sizes in elements, unsplit.
struct ModelPreset {
  std::string name;                  ///< "deepseek-v3".
  std::vector<std::string> aliases;  ///< Models with the same layer.
  std::int64_t hidden = 0;
  std::int64_t intermediate = 0;  ///< Of one expert; gate and up have it each.
  std::int64_t experts = 0;       ///< Routed ones.
  std::int64_t topk = 0;
  std::int64_t shared = 0;  ///< Experts that every token goes to.
  std::int64_t pad_to = 1;  ///< Hidden and a rank's intermediate are padded to a multiple.
  std::vector<std::string> quants;
  std::string source;
};

/// models.json as compiled in.
std::string_view builtin_models_json();

/// Errors: kInvalidRequest naming the file, the model and the field.
Result<std::vector<ModelPreset>> parse_models(std::string_view json, std::string_view file_name);

/// By name or alias, without regard to case. Errors: kInvalidRequest naming every model.
Result<const ModelPreset*> find_model(const std::vector<ModelPreset>& models, std::string_view name);

/// How a model is served.
struct ModelSplit {
  std::int64_t tensor_parallel = 1;  ///< Ranks that share the intermediate size of each expert.
  std::int64_t expert_parallel = 1;  ///< Groups of ranks that share the experts.
  bool fuse_shared = false;          ///< Shared experts are served as further experts of the same launch.
  std::vector<std::string> quants;   ///< Instead of the model's own.
  /// Tokens of a step for which a tile shall be chosen, as a hint of tokens * topk rows; empty: no hint.
  std::vector<std::int64_t> tokens;
};

/// The kernels of one rank's layer: gate and up as one grouped GEMM, down, and for fp8 the quantization of their
/// inputs. Errors: kInvalidRequest for a split that does not divide the model.
Result<std::vector<ManifestKernel>> model_kernels(const ModelPreset& model, const ModelSplit& split);

}  // namespace sinter
