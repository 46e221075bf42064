// SPDX-License-Identifier: Apache-2.0
#include "runtime/explain/aiter_grammar.h"

namespace sinter {

namespace {

using enum AiterPart;
using enum AiterPresence;

constexpr std::int64_t kMaxTile = 65535;

// --- words ---

constexpr AiterWord kOutWords[] = {{"bf16", "bf16", ""}, {"fp16", "fp16", ""}, {"f16", "fp16", ""}, {"fp32", "fp32", ""}};
constexpr AiterWord kStageOutWords[] = {
    {"bf16", "bf16", ""}, {"fp16", "fp16", ""}, {"f16", "fp16", ""}, {"Int8", "int8", "quantized for the second stage"}};
constexpr AiterWord kPlainWords[] = {{"b16", "bf16", "not quantized"},
                                     {"f16", "fp16", "not quantized"},
                                     {"kernel_func", "", "the symbol inside fmoe_b16.co and fmoe_f16.co"}};
constexpr AiterWord kInputWords[] = {{"a16", "bf16", "X arrives as bf16 and is quantized in the kernel"},
                                     {"xbf16", "bf16", "X arrives as bf16 and is quantized in the kernel"}};
constexpr AiterWord kQuantWords[] = {
    {"noquantBf16", "noquantBf16", "bf16 operands, no scales"},
    {"noquantFp16", "noquantFp16", "fp16 operands, no scales"},
    {"pertokenFp8", "pertokenFp8", "fp8 operands, one scale per token and per output channel"},
    {"pertokenInt8", "pertokenInt8", "int8 operands, one scale per token and per output channel"},
    {"pertokenMXfp4", "pertokenMXfp4", "fp4 operands, one e8m0 scale per 1x32"},
    {"mxfp4", "mxfp4", "fp4 operands, one e8m0 scale per 1x32"},
    {"pertokenFp4", "pertokenFp4", "fp4 operands"},
    {"pertokenLqqUint4", "pertokenLqqUint4", "4-bit weights"},
    {"blockscaleFp8", "blockscaleFp8", "fp8 operands, X scaled per 1x128, W per 128x128"},
    {"blockscaleBf16", "blockscaleBf16", "X arrives as bf16 and is quantized per 1x128 in the kernel, W fp8 per 128x128"}};
constexpr AiterWord kLegacyQuantWords[] = {{"fp8", "fp8", "fp8 operands"},
                                           {"int8", "int8", "int8 operands"},
                                           {"int4fp8", "int4fp8", "int4 weights, fp8 activations"},
                                           {"mxfp4", "mxfp4", "fp4 operands, one e8m0 scale per 1x32"}};
constexpr AiterWord kScalesWords[] = {{"blockscale", "blockscale", "X scaled per 1x128, W per 128x128"}};
constexpr AiterWord kGateWords[] = {{"g1u1", "g1u1", "W1 holds gate and up, twice the rows"},
                                    {"g1u0", "g1u0", "W1 holds one matrix"}};
constexpr AiterWord kSkipWords[] = {{"vs", "true", "padding rows are to be skipped with s_setvskip"},
                                    {"novs", "false", "padding rows are masked with EXEC"}};
constexpr AiterWord kSmoothQuantWords[] = {
    {"smf", "smf", "smooth quantization of bf16 X in the kernel"},
    {"multix", "multix", "smooth-quantized X, one copy per expert that a token is routed to"}};
constexpr AiterWord kTopkWeightWords[] = {{"tkw1", "true", "routing weights multiply before the activation"},
                                          {"doweight", "true", "routing weights multiply before the activation"}};
constexpr AiterWord kAtomicsWords[] = {{"atm_inlv", "inlv", "interleaved atomic output"},
                                       {"atm_opt", "opt", "another scheme of atomic output"}};
constexpr AiterWord kActivationWords[] = {
    {"silu", "silu", ""}, {"gelu", "gelu", ""}, {"swiglu", "swiglu", ""}, {"swiglu_oai", "swiglu_oai", ""}, {"situv2", "situv2", ""}};
constexpr AiterWord kPersistentWords[] = {{"ps", "true", "persistent: as many workgroups as the device holds"},
                                          {"psx", "true", "persistent: as many workgroups as the device holds"}};
constexpr AiterWord kRoutingWords[] = {{"flat", "flat", "routes in the kernel, one workgroup per token, expert and columns"},
                                       {"emsort", "emsort", "sorts the routing in the kernel; persistent"}};
constexpr AiterWord kMemoryWords[] = {{"buffer", "buffer", "buffer instructions"}};
constexpr AiterWord kScheduleWords[] = {{"coexec", "coexec", ""}};
constexpr AiterWord kElementOpWords[] = {{"TypeCast", "TypeCast", ""},
                                         {"TypeCastExpertWeight", "TypeCastExpertWeight", ""},
                                         {"MulABScale", "MulABScale", ""},
                                         {"MulABScaleShuffled", "MulABScaleShuffled", ""},
                                         {"MulABScaleWint4", "MulABScaleWint4", ""},
                                         {"MulABScaleExpertWeight", "MulABScaleExpertWeight", ""},
                                         {"MulABScaleExpertWeightShuffled", "MulABScaleExpertWeightShuffled", ""},
                                         {"MulABScaleExpertWeightWin4", "MulABScaleExpertWeightWin4", ""},
                                         {"MulABScaleExpertWeightA8W8blkscale", "MulABScaleExpertWeightA8W8blkscale", ""},
                                         {"MulABScaleExpertWeightA8W8blkscaleSplitk", "MulABScaleExpertWeightA8W8blkscaleSplitk", ""}};
constexpr AiterWord kQuantTypeWords[] = {{"Quant0", "No", ""},          {"Quant1", "per_Tensor", ""}, {"Quant2", "per_Token", ""},
                                         {"Quant3", "per_1x32", ""},    {"Quant4", "per_1x128", ""},  {"Quant5", "per_128x128", ""},
                                         {"Quant6", "per_256x128", ""}, {"Quant7", "per_1024x128", ""}};
constexpr AiterWord kTypeWords[] = {{"B16", "bf16", ""}, {"F16", "fp16", ""},  {"F8", "fp8", ""},  {"I8", "int8", ""},
                                    {"I4", "int4", ""},  {"FP4X2", "fp4", ""}, {"U32", "u32", ""}};
constexpr AiterWord kActivationsWords[] = {{"abf16", "bf16", ""}, {"afp16", "fp16", ""}, {"afp8", "fp8", ""}, {"afp4", "fp4", ""}};
constexpr AiterWord kWeightsWords[] = {{"wbf16", "bf16", ""}, {"wfp8", "fp8", ""}, {"wfp4", "fp4", ""}, {"wint4", "int4", ""}};
constexpr AiterWord kLayoutWords[] = {{"layout", "layout", ""}};
constexpr AiterWord kEpilogueWords[] = {{"atomic", "atomic", "adds to the output"},
                                        {"reduce", "reduce", "writes all copies, which are then summed"}};
constexpr AiterWord kPersistentLoopWords[] = {{"persist", "true", "persistent"}};
constexpr AiterWord kNonTemporalWords[] = {{"nt", "true", "loads that bypass caches"}};
constexpr AiterWord kGateOnlyWords[] = {{"go", "true", "gate only"}};
constexpr AiterWord kInterleavedWords[] = {{"gui", "true", "gate and up interleaved"}};
constexpr AiterWord kStageResultWords[] = {{"fp4", "fp4", "quantized for the second stage"},
                                           {"fp8", "fp8", "quantized for the second stage"}};
constexpr AiterWord kAsyncWords[] = {{"async", "true", "asynchronous copies"}};

constexpr AiterPartInfo words(std::string_view name, std::span<const AiterWord> list) { return {name, list, "", 0, "", 0, false}; }
constexpr AiterPartInfo number(std::string_view name, std::string_view prefix, int count, std::string_view suffix, std::int64_t max,
                               bool zero = false) {
  return {name, {}, prefix, count, suffix, max, zero};
}

// In the order of AiterPart.
constexpr AiterPartInfo kParts[] = {
    words("the output type", kOutWords),
    words("the output type", kStageOutWords),
    words("a name without fields", kPlainWords),
    words("the input type", kInputWords),
    words("the quantization", kQuantWords),
    words("the quantization", kLegacyQuantWords),
    words("the scales", kScalesWords),
    words("the gate", kGateWords),
    words("vskip", kSkipWords),
    words("smooth quantization", kSmoothQuantWords),
    words("the routing weights", kTopkWeightWords),
    words("the atomics", kAtomicsWords),
    words("the activation", kActivationWords),
    words("persistence", kPersistentWords),
    words("the routing", kRoutingWords),
    words("the memory instructions", kMemoryWords),
    words("the schedule", kScheduleWords),
    words("the element operation", kElementOpWords),
    words("the quantization", kQuantTypeWords),
    words("the type of A", kTypeWords),
    words("the type of B", kTypeWords),
    words("the type of C", kTypeWords),
    words("the type of the activations", kActivationsWords),
    words("the type of the weights", kWeightsWords),
    words("the layout", kLayoutWords),
    words("the epilogue", kEpilogueWords),
    words("persistence", kPersistentLoopWords),
    words("the caching of loads", kNonTemporalWords),
    words("the gate", kGateOnlyWords),
    words("the order of gate and up", kInterleavedWords),
    words("the type of the stage's result", kStageResultWords),
    words("the copies", kAsyncWords),
    number("the tile", "", 2, "", kMaxTile),
    number("the tile", "t", 3, "", kMaxTile),
    number("the tile", "subGU_", 1, "", kMaxTile),
    number("the workgroups per compute unit", "", 1, "tg", 64),
    number("the prefetch depth", "pf", 1, "", 64),
    number("threads and tile", "", 4, "", kMaxTile),
    number("the waves", "", 2, "", 64),
    number("the pipeline", "v", 1, "", 64),
    number("the swizzle", "Nswizzle", 1, "", 1, true),
    number("the routing weights", "MulRoutedWeight", 1, "", 1, true),
    number("the waves per execution unit", "w", 1, "", 64),
    number("the batches of k", "kb", 1, "", 1024),
    number("the waves along k", "kw", 1, "", 64),
    number("the caching of weights", "bnt", 1, "", 64, true),
    number("the chiplets", "xcd", 1, "", 64),
    number("the block of the sort", "sbm", 1, "", kMaxTile),
    number("the split", "sp", 1, "", 1024),
};
static_assert(std::size(kParts) == kAiterParts);

// --- forms ---

template <AiterPart... parts>
inline constexpr std::array<AiterPart, sizeof...(parts)> kList{parts...};

template <AiterPart part>
constexpr AiterSlot one() { return {kOne, kList<part>}; }
template <AiterPart part>
constexpr AiterSlot optional() { return {kOptional, kList<part>}; }
template <AiterPart... parts>
constexpr AiterSlot some(AiterPart must = kCount) { return {kSome, kList<parts...>, must}; }

// The order behind the gate varies between tables: "vs_ps_silu_64x256", "vs_pf2_silu_16x128", "silu_1tg_ps_32x256".
constexpr AiterSlot kOneStage[] = {
    one<kOut>(),
    optional<kInput>(),
    one<kQuant>(),
    one<kGate>(),
    some<kRouting, kInput, kSkip, kSmoothQuant, kTopkWeight, kAtomics, kActivation, kWorkgroups, kPersistent, kPrefetch>(kActivation),
    one<kTile>(),
    optional<kRouting>(),
    optional<kPrefetch>(),
};
constexpr AiterSlot kStageOne[] = {
    one<kStageOut>(),  one<kQuant>(),           some<kScales, kTopkWeight>(), one<kGate>(), some<kSmoothQuant, kActivation>(),
    one<kTile>(),      optional<kWorkgroups>(), optional<kPrefetch>(),        optional<kSchedule>(),
};
constexpr AiterSlot kStageTwo[] = {
    one<kStageOut>(),        one<kQuant>(),         optional<kScales>(), optional<kGate>(), one<kTile>(),
    optional<kWorkgroups>(), optional<kPrefetch>(), optional<kMemory>(),
};
constexpr AiterSlot kLegacy[] = {
    one<kLegacyQuant>(),
    optional<kScales>(),
    one<kGate>(),
    some<kSkip, kSmoothQuant, kTileN, kActivation, kTopkWeight, kPersistent>(),
};
constexpr AiterSlot kPlainName[] = {one<kPlain>()};
constexpr AiterSlot kCk[] = {
    one<kBlockTile>(),    one<kWaves>(),           one<kElementOp>(), one<kPipeline>(), one<kSwizzle>(), one<kQuantType>(),
    one<kRoutedWeight>(), optional<kActivation>(), one<kTypeA>(),     one<kTypeB>(),    one<kTypeC>(),
};
constexpr AiterSlot kFlyDsl[] = {
    optional<kLayout>(),
    one<kActivations>(),
    one<kWeights>(),
    one<kOut>(),
    one<kTileK>(),
    some<kEpilogue, kPersistentLoop, kWavesPerUnit, kKBatch, kWeightCache, kGateOnly, kGateUpInterleaved, kChiplets, kNonTemporal,
         kKWaves, kStageResult, kSortBlock, kSplit, kAsync>(),
};

constexpr AiterGrammar kGrammars[] = {
    {"asm 1-stage", "fmoe_", 0, kOneStage},
    {"asm 2-stage", "fmoe_stage1_", 1, kStageOne},
    {"asm 2-stage", "fmoe_stage2_", 2, kStageTwo},
    {"asm 1-stage, old name", "fmoe_", 0, kLegacy},
    {"asm 1-stage, old name", "fmoe_", 0, kPlainName},
    {"CK 2-stage", "moe_ck2stages_gemm1_", 1, kCk},
    {"CK 2-stage", "moe_ck2stages_gemm2_", 2, kCk},
    {"FlyDSL 2-stage", "flydsl_moe1_", 1, kFlyDsl},
    {"FlyDSL 2-stage", "flydsl_moe2_", 2, kFlyDsl},
};

constexpr std::string_view kIrregular[] = {
    "_ZN5aiter47fmoe_bf16_blockscaleFp8_g1u1_vs_ps_silu_32x128E",  // gfx950; the name has 46 characters
};

}  // namespace

const AiterPartInfo& aiter_part_info(AiterPart part) { return kParts[static_cast<std::size_t>(part)]; }
std::span<const AiterGrammar> aiter_grammars() { return kGrammars; }
std::span<const std::string_view> irregular_aiter_symbols() { return kIrregular; }

}  // namespace sinter
