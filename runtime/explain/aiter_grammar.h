// SPDX-License-Identifier: Apache-2.0
#pragma once

// The grammar of AITER's kernel names, as tables: which parts a name has, in which order, and how each may be spelled.
// Sources: the manifests that ROCm/aiter ships beside its code objects (hsa/gfx942, hsa/gfx950; the columns of the CSV
// say what a part means), gemm_moe_ck2stages_common.py and flydsl/moe_kernels.py, up to August 2026. To teach the
// reader a new word, add a row.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sinter {

/// What a part of a name tells.
enum class AiterPart : std::uint8_t {
  // Words.
  kOut,          ///< Type of the output.
  kStageOut,     ///< The same of the two-stage kernels, which may write what the second stage reads.
  kPlain,        ///< Names without fields.
  kInput,        ///< X arrives as bf16 and is quantized in the kernel.
  kQuant,        ///< Number format and scales of the operands.
  kLegacyQuant,  ///< The same in names from before the output type was in them.
  kScales,       ///< Scales per block.
  kGate,         ///< Whether W1 has a gate beside the up projection.
  kSkip,         ///< What padding rows are skipped with.
  kSmoothQuant,
  kTopkWeight,   ///< Routing weights multiply before the activation.
  kAtomics,      ///< How results are added to the output.
  kActivation,
  kPersistent,
  kRouting,      ///< Routing inside the kernel.
  kMemory,
  kSchedule,
  kElementOp,    ///< CK: what is done to each result.
  kQuantType,    ///< CK: AITER's QuantType.
  kTypeA, kTypeB, kTypeC,  ///< CK: types of the operands and of the result.
  kActivations, kWeights,  ///< FlyDSL: types of the operands.
  kLayout, kEpilogue, kPersistentLoop, kNonTemporal, kGateOnly, kGateUpInterleaved, kStageResult, kAsync,  ///< FlyDSL.
  // Numbers.
  kTile,              ///< m x n.
  kTileK,             ///< m x n x k.
  kTileN,             ///< n alone: subGU_<n>.
  kWorkgroups,        ///< Per compute unit.
  kPrefetch,          ///< Stages of loads in flight.
  kBlockTile,         ///< CK: threads x m x n x k.
  kWaves,             ///< CK: waves along m and n.
  kPipeline,          ///< CK.
  kSwizzle,           ///< CK.
  kRoutedWeight,      ///< CK.
  kWavesPerUnit, kKBatch, kKWaves, kWeightCache, kChiplets, kSortBlock, kSplit,  ///< FlyDSL.
  kCount,
};
inline constexpr std::size_t kAiterParts = static_cast<std::size_t>(AiterPart::kCount);

/// One spelling of a word.
struct AiterWord {
  std::string_view text;     ///< As in names: "f16".
  std::string_view value;    ///< As reported: "fp16".
  std::string_view meaning;  ///< For people; may be empty.
};

/// How a part is spelled: one of `words`, or `prefix` and `numbers` decimal numbers with x between them and `suffix`.
struct AiterPartInfo {
  std::string_view name;  ///< For messages: "the activation".
  std::span<const AiterWord> words;
  std::string_view prefix;
  int numbers = 0;
  std::string_view suffix;
  std::int64_t max = 0;  ///< Of each number; the least is 1, or 0 where `zero` is set.
  bool zero = false;
};
const AiterPartInfo& aiter_part_info(AiterPart part);

enum class AiterPresence : std::uint8_t {
  kOne,       ///< The part must be there.
  kOptional,  ///< It may be.
  kSome,      ///< Any of the parts, each at most once, in any order.
};

/// A place in a name. kOne and kOptional have one part.
struct AiterSlot {
  AiterPresence presence;
  std::span<const AiterPart> parts;
  /// kSome: one that must be among them; kCount: none.
  AiterPart must = AiterPart::kCount;
};

/// One form of names. `stage`: of a two-stage kernel, 1 or 2; 0: the kernel does both.
struct AiterGrammar {
  std::string_view id;    ///< "asm 1-stage".
  std::string_view head;  ///< What such names start with: "fmoe_stage1_".
  int stage = 0;
  std::span<const AiterSlot> slots;
};
std::span<const AiterGrammar> aiter_grammars();

/// Shipped symbols whose mangled length is wrong on both sides, manifest and code object.
std::span<const std::string_view> irregular_aiter_symbols();

}  // namespace sinter
