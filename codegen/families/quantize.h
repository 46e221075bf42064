// SPDX-License-Identifier: Apache-2.0
#pragma once

// Family quantize: parameter indices, shared by the family (quantize.cpp) and its bodies.

#include <cstdint>

#include "codegen/family.h"
#include "templates/quantize/args.h"

namespace sinter::quantize {

enum Param : int { kQuant, kK, kScale, kFloor, kTile, kVskip };

inline constexpr std::int64_t kQuantFp8Block = 0;  ///< The only word of kQuant: e4m3, one fp32 scale per 1x128.

/// Values of kScale: how a block's scale follows from its largest magnitude `amax`.
inline constexpr std::int64_t kScaleExact = 0;  ///< scale = amax / 448.
inline constexpr std::int64_t kScalePow2 = 1;   ///< The next power of two at or above that.

/// Values of kFloor: the smallest amax; serving stacks differ (vLLM and SGLang 1e-10, DeepGEMM 1e-4, TransformerEngine 0).
/// With floor 0 an all-zero block has scale 1.
inline constexpr std::int64_t kFloor1e10 = 0, kFloor1e4 = 1, kFloor0 = 2;

inline constexpr std::int64_t kScaleBlock = 128;

const Body* host_body();
const Body* nvidia_body();
const Body* amd_body();

}  // namespace sinter::quantize
