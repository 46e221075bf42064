// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/model_presets.h"

#include <catch2/catch.hpp>
#include <set>

#include "codegen/families/grouped_gemm.h"
#include "codegen/families/quantize.h"
#include "codegen/resolve.h"

using namespace sinter;
using Catch::Matchers::Contains;

namespace {

std::vector<ModelPreset> builtin() {
  auto models = parse_models(builtin_models_json(), "models.json");
  REQUIRE(models);
  return std::move(*models);
}

std::vector<ManifestKernel> kernels_of(std::string_view name, const ModelSplit& split) {
  const auto models = builtin();
  const auto model = find_model(models, name);
  REQUIRE(model);
  auto kernels = model_kernels(**model, split);
  REQUIRE(kernels);
  return std::move(*kernels);
}

std::string refusal(std::string_view fields) {
  const auto models = parse_models(
      R"({"models": [{"name": "m", "source": "s", "quant": ["none"], )" + std::string(fields) + "}]}", "file");
  return models ? "accepted" : models.error().message;
}

}  // namespace

TEST_CASE("deepseek-v3 at tp 8 is two grouped GEMMs and the quantization of their inputs") {
  const auto kernels = kernels_of("deepseek-v3", {.tensor_parallel = 8, .quants = {}, .tokens = {}});
  REQUIRE(kernels.size() == 4);
  CHECK(kernels[0].where == "deepseek-v3 tp 8 ep 1 gate and up");
  CHECK(kernels[0].request.values[grouped_gemm::kN] == 512);
  CHECK(kernels[0].request.values[grouped_gemm::kK] == 7168);
  CHECK(kernels[0].request.values[grouped_gemm::kGroups] == 256);
  CHECK(kernels[0].request.values[grouped_gemm::kQuant] == grouped_gemm::kQuantFp8Block);
  CHECK(kernels[1].request.values[grouped_gemm::kN] == 7168);
  CHECK(kernels[1].request.values[grouped_gemm::kK] == 256);
  CHECK(kernels[2].request.values[quantize::kK] == 7168);
  CHECK(kernels[3].request.values[quantize::kK] == 256);
}

TEST_CASE("experts are shared by expert-parallel ranks, and shared experts may be fused") {
  const auto kernels =
      kernels_of("DeepSeek-R1", {.expert_parallel = 8, .fuse_shared = true, .quants = {"none"}, .tokens = {}});
  REQUIRE(kernels.size() == 2);
  CHECK(kernels[0].request.values[grouped_gemm::kGroups] == 33);
  CHECK(kernels[0].request.values[grouped_gemm::kN] == 4096);
}

TEST_CASE("a padded model has the padded sizes that serving stacks use") {
  CHECK(kernels_of("gpt-oss-120b", {.tensor_parallel = 8, .quants = {}, .tokens = {}})[0]
            .request.values[grouped_gemm::kN] == 2 * 512);
  CHECK(kernels_of("gpt-oss-120b", {.tensor_parallel = 2, .quants = {}, .tokens = {}})[1]
            .request.values[grouped_gemm::kK] == 1536);
  CHECK(kernels_of("gpt-oss-120b", {.quants = {}, .tokens = {}})[0].request.values[grouped_gemm::kK] == 3072);
}

TEST_CASE("tokens of a step become the hint of rows of this rank") {
  const auto kernels = kernels_of("qwen3-30b", {.expert_parallel = 4, .quants = {"none"}, .tokens = {1, 512}});
  REQUIRE(kernels.size() == 4);
  CHECK(rows_hint(kernels[0].request) == 2);
  CHECK(rows_hint(kernels[1].request) == 512 * 8 / 4);
}

TEST_CASE("every model resolves on some arch, whole and split as it is served") {
  const Arch* arch = find_arch("sm_90a");
  REQUIRE(arch != nullptr);
  std::set<std::string> names;
  for (const ModelPreset& model : builtin()) {
    CAPTURE(model.name);
    CHECK(names.insert(model.name).second);
    for (const std::int64_t tp : {1, 8}) {
      const auto kernels = model_kernels(model, {.tensor_parallel = tp, .quants = {}, .tokens = {}});
      REQUIRE(kernels);
      for (const ManifestKernel& kernel : *kernels) {
        CHECK(resolve(kernel.request, {arch}));
      }
    }
  }
  CHECK(names.size() >= 15);
}

TEST_CASE("a split that does not divide the model is refused with its numbers") {
  const auto models = builtin();
  const ModelPreset& model = **find_model(models, "deepseek-v3");
  CHECK_THAT(model_kernels(model, {.tensor_parallel = 3, .quants = {}, .tokens = {}}).error().message,
             Contains("2048") && Contains("3 ranks"));
  CHECK_THAT(model_kernels(model, {.expert_parallel = 7, .quants = {}, .tokens = {}}).error().message,
             Contains("256 experts"));
  CHECK_THAT(model_kernels(model, {.quants = {"int3"}, .tokens = {}}).error().message, Contains("int3"));
  CHECK_THAT(model_kernels(model, {.quants = {}, .tokens = {0}}).error().message, Contains("0 tokens"));
  CHECK_THAT(find_model(models, "gpt-2").error().message, Contains("deepseek-v3") && Contains("mixtral-8x7b"));
}

TEST_CASE("a wrong field of a model is named") {
  constexpr std::string_view kGood = R"("hidden": 64, "intermediate": 64, "experts": 4, "topk": 2)";
  CHECK(refusal(kGood) == "accepted");
  CHECK_THAT(refusal(R"("hidden": 64, "experts": 4, "topk": 2)"),
             Contains("models[0]") && Contains("intermediate is missing"));
  CHECK_THAT(refusal(R"("hidden": -1, "intermediate": 64, "experts": 4, "topk": 2)"), Contains("hidden is -1"));
  CHECK_THAT(refusal(std::string(kGood) + R"(, "aliases": [1])"), Contains("aliases"));
  CHECK_THAT(refusal(std::string(kGood) + R"(, "experst": 4)"), Contains("'experst'"));
  CHECK_THAT(parse_models("[]", "file").error().message, Contains("'models'"));
  CHECK_THAT(parse_models("{", "file").error().message, Contains("file"));
}
