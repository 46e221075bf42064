// SPDX-License-Identifier: Apache-2.0
#pragma once

// Family grouped_wgrad: parameter indices, shared by the family (grouped_wgrad.cpp) and its bodies.

#include <cstdint>
#include <string>

#include "codegen/family.h"
#include "templates/grouped_wgrad/args.h"

namespace sinter::grouped_wgrad {

enum Param : int { kDtype, kOutput, kN, kK, kGroups, kTile, kTensors };

/// Values of kDtype: the type of dy and x.
inline constexpr std::int64_t kDtypeBf16 = 0, kDtypeFp16 = 1;

/// Values of kOutput.
inline constexpr std::int64_t kOutputAddF32 = 0;  ///< dw is fp32, and added to.
inline constexpr std::int64_t kOutputF32 = 1;     ///< dw is fp32, and overwritten.
inline constexpr std::int64_t kOutputSame = 2;    ///< dw is of the type of dy and x, and overwritten.

/// Values of kTensors: dw is one tensor, or an array of pointers, one to the matrix of each group.
inline constexpr std::int64_t kTensorsStacked = 0, kTensorsSeparate = 1;

inline std::uint64_t output_bytes(const KernelSpec& spec) { return spec[kOutput] == kOutputSame ? 2 : 4; }

/// The constants that every template takes, as lines of `struct Params`.
std::string common_params(const KernelSpec& spec);

const Body* host_body();
const Body* nvidia_body();
const Body* amd_body();

}  // namespace sinter::grouped_wgrad
