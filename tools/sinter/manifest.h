// SPDX-License-Identifier: Apache-2.0
#pragma once

// The prebuild manifest: which kernels to build.
//
//   {"kernels": [{"family": "grouped_gemm", "quant": ["none", "fp8_block"], "n": 2816, "k": 2048, "groups": 64,
//                 "tile": [[128, 128, 64], "64x64x64"], "vskip": "off"}]}
//
// A list in place of a value is a sweep over its values; sweeps of one entry multiply. A tile is an array of three
// numbers or "MxNxK". "rows" and "largest" are hints of the rows that launches and their largest groups will
// have, for a tile that is left open.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codegen/kernel_spec.h"

namespace sinter {

/// More than any fleet needs; a typing mistake in a sweep should not build for a week.
inline constexpr std::size_t kMaxManifestKernels = 100'000;

struct ManifestKernel {
  KernelRequest request;
  std::string where;  ///< "kernels[0]", for messages.
};

/// Every kernel, sweeps multiplied out, in order. `file_name` is for messages.
/// Errors: kInvalidRequest with line and column of a syntax error; with the entry, field, value and what is allowed for
/// anything else, duplicates included.
Result<std::vector<ManifestKernel>> parse_manifest(std::string_view text, std::string_view file_name);

}  // namespace sinter
